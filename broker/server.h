#pragma once

// A running broker: the ROUTER socket, the scheduler core behind it, and the loop that joins them
// (poll -> Step -> send). One thread calls Run(); everything else talks to it over the wire.

#include <memory>
#include <string>
#include <vector>

#include "bellis/job_status.h"
#include "bellis/result.h"
#include "common/access/access.h"
#include "common/task/resources.h"
#include "common/time.h"

namespace bellis {

struct ServerOptions {
  /// "ipc://PATH" or "tcp://HOST:PORT". PORT 0 or "*" takes a free one; see Server::endpoint().
  std::string endpoint;
  /// The host that peers are told; empty: that of the endpoint.
  std::string advertise;
  /// The file with the secret that keys are made from (net/key_ring.h); empty: it is this broker's
  /// alone, and dies with it.
  std::string key_file;
  /// Where the access file of the owner is put; beside it those of the other roles, FILE.launcher
  /// and FILE.watcher. Empty: nowhere.
  std::string access_file;
  /// A tcp endpoint without encryption. Peers show a token then, which others may read on the way.
  bool insecure = false;
  /// Where progress is kept, so that another broker can go on; empty: nowhere. Private to one.
  std::string state_dir;
  /// Only the stored job of this name is resumed; a state directory with another job that has not
  /// ended is refused. Empty: every job is resumed.
  std::string only_job;
  bool sync = true;  // each commit survives a power cut, not only the end of the broker
  /// How long a worker's leases last after its last ping.
  Duration lease = Duration::Seconds(20);
  /// How long a launched worker may take to say hello.
  Duration hello_wait = Duration::Seconds(60);
  /// How long workers and launchers that the former broker knew have to come back.
  Duration reconnect_window = Duration::Seconds(30);
  /// Bytes that the schedule of one job may take. 0: half of the memory that the system lets this
  /// process have.
  uint64_t job_memory_max = 0;
  /// What all launched workers together may take; none: nothing is counted.
  Resources resources;
};

class Server {
 public:
  /// Binds. On tcp peers prove a key, and the broker proves its own to them; with `insecure` they
  /// show a token; on ipc they need neither, unless an access file is asked for: the directory of
  /// the socket lets nobody else in.
  /// Errors: a bad endpoint, an address in use, a directory or a key file that others may use, an
  /// access file that cannot be written; kStorage: the state directory.
  static Result<std::unique_ptr<Server>> Bind(const ServerOptions& options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// What peers connect to: where it listens, with the real port. Never 0.0.0.0 or [::]: an address
  /// of this machine stands in their place.
  const std::string& endpoint() const;
  /// Where it listens.
  const std::string& bound() const;

  /// What a holder of this role needs to connect; `job` for a worker of it.
  Access AccessOf(AccessRole role, const std::string& job = "") const;

  /// Serves until RequestStop. Then cancels running jobs, tells workers and launchers to leave,
  /// waits for the launchers to say bye (ten seconds at most) and returns.
  /// Error: what could not be written to the state directory.
  Status Run();

  /// From any thread or a signal handler. A second call stops without waiting.
  void RequestStop();

  /// How every job ended, in order of submission. After Run has returned.
  std::vector<JobStatus> Jobs() const;

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bellis
