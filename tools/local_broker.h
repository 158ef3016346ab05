#pragma once

// What `bellis run` runs inside its process: a broker on a socket that no other user can reach, and
// a launcher for its workers.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "bellis/result.h"
#include "broker/launcher/launcher_keeper.h"
#include "broker/server.h"
#include "tools/private_dir.h"

namespace bellis {

class LocalBroker {
 public:
  /// Starts a broker in a separate thread, at a new endpoint. Uses only these fields of `options`:
  /// state_dir, sync, resources, job_memory_max; and `endpoint` if it is tcp.
  static Result<std::unique_ptr<LocalBroker>> Start(ServerOptions options);
  /// Calls Stop(at_once). However this process ends, the launcher notices it and ends all workers.
  ~LocalBroker();
  LocalBroker(const LocalBroker&) = delete;
  LocalBroker& operator=(const LocalBroker&) = delete;

  const std::string& endpoint() const { return server_->endpoint(); }
  /// The endpoint and keys with which the owner connects.
  Access access() const { return server_->AccessOf(AccessRole::kOwner); }
  /// The access file, for external workers; empty on ipc, where no key is needed.
  const std::string& access_file() const { return access_file_; }
  /// Lets workers and launcher leave, which takes some seconds at most; with `at_once`, ends them.
  /// Error: not all progress could be written.
  Status Stop(bool at_once);

 private:
  LocalBroker(PrivateDir dir, std::string access_file, std::unique_ptr<Server> server);

  PrivateDir dir_;
  std::string access_file_;
  std::unique_ptr<Server> server_;
  Status stored_ = OkStatus();  // set by the thread
  std::thread thread_;
  std::optional<LauncherKeeper> launcher_;
};

/// Passes the warnings and errors that the broker in this process logs to `say`, in the broker's
/// thread: the first lines, then a note that there are more. (Every failed block logs a warning.)
void LogWarningsTo(std::function<void(const std::string&)> say);

}  // namespace bellis
