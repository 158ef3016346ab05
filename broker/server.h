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
  /// "ipc://PATH" or "tcp://HOST:PORT". PORT 0 or "*" takes a free port; see Server::endpoint().
  std::string endpoint;
  /// The host that peers are told; empty: the endpoint's.
  std::string advertise;
  /// The file with the secret from which keys are derived (net/key_ring.h); empty: a new secret,
  /// which only this broker has.
  std::string key_file;
  /// Where to write the owner's access file; those of the other roles go beside it, as
  /// FILE.launcher and FILE.watcher. Empty: nowhere.
  std::string access_file;
  /// No encryption on tcp: peers show a token, which anybody who can read the traffic can read.
  bool insecure = false;
  /// Where to keep progress, so that a later broker can continue; empty: nowhere. One broker at a
  /// time uses it.
  std::string state_dir;
  /// Only the stored job of this name is resumed; a state directory with another job that has not
  /// ended is refused. Empty: every job is resumed.
  std::string only_job;
  bool sync = true;  // each commit survives a power cut, and not only the end of the broker
  /// How long a worker's leases last after its last ping.
  Duration lease = Duration::Seconds(20);
  /// How long a launched worker may take to say hello.
  Duration hello_wait = Duration::Seconds(60);
  /// How long workers and launchers of an earlier broker have to come back.
  Duration reconnect_window = Duration::Seconds(30);
  /// Bytes that the schedule of one job may take. 0: half of the memory that the system lets this
  /// process have.
  uint64_t job_memory_max = 0;
  /// The resources that all launched workers together may take; empty: nothing is counted.
  Resources resources;
};

class Server {
 public:
  /// Makes the broker, and listens. On tcp, peers prove a key, and the broker proves its own key to
  /// them; with `insecure`, peers show a token. On ipc they need neither, unless an access file is
  /// asked for: the socket's directory lets no other user in.
  /// Errors: an invalid endpoint, an address in use, a directory or key file that other users may
  /// use, an access file that cannot be written; kStorage: trouble with the state directory.
  static Result<std::unique_ptr<Server>> Bind(const ServerOptions& options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// The endpoint that peers connect to, with the actual port. Never 0.0.0.0 or [::], but an
  /// address of this machine.
  const std::string& endpoint() const;
  /// The endpoint at which the broker listens.
  const std::string& bound() const;

  /// The endpoint and keys that a peer of this role needs to connect; for workers, `job` is their
  /// job.
  Access AccessOf(AccessRole role, const std::string& job = "") const;

  /// Serves until RequestStop. Then cancels running jobs, tells workers and launchers to leave,
  /// waits for the launchers to say bye (ten seconds at most) and returns.
  /// Error: not all records could be written to the state directory.
  Status Run();

  /// May be called from any thread, or from a signal handler. A second call stops the broker
  /// without waiting.
  void RequestStop();

  /// How every job ended, in order of submission. Valid after Run has returned.
  std::vector<JobStatus> Jobs() const;

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bellis
