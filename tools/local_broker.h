#pragma once

// All that one `bellis run` needs, inside it: a broker on a socket that nobody else can reach, and
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
  /// Serves from now on, from a thread of its own, at an endpoint of its own. Of `options`, only
  /// what concerns the job counts: state_dir, sync, resources, job_memory_max; and `endpoint` where
  /// it is tcp.
  static Result<std::unique_ptr<LocalBroker>> Start(ServerOptions options);
  /// As Stop(at_once). However the process ends, the launcher notices and ends all workers.
  ~LocalBroker();
  LocalBroker(const LocalBroker&) = delete;
  LocalBroker& operator=(const LocalBroker&) = delete;

  const std::string& endpoint() const { return server_->endpoint(); }
  /// What the owner needs to connect.
  Access access() const { return server_->AccessOf(AccessRole::kOwner); }
  /// The access file, for external workers; empty on ipc, where no key is needed.
  const std::string& access_file() const { return access_file_; }
  /// Lets workers and launcher leave, seconds at most; or, `at_once`, ends them.
  /// Error: what of the progress could not be written.
  Status Stop(bool at_once);

 private:
  LocalBroker(PrivateDir dir, std::string access_file, std::unique_ptr<Server> server);

  PrivateDir dir_;
  std::string access_file_;
  std::unique_ptr<Server> server_;
  Status stored_ = OkStatus();  // of the thread
  std::thread thread_;
  std::optional<LauncherKeeper> launcher_;
};

/// Passes warnings and errors that the broker in this process logs to `say`, from the broker's
/// thread: the first lines, then a note that there are more. (Every failed block logs a warning.)
void LogWarningsTo(std::function<void(const std::string&)> say);

}  // namespace bellis
