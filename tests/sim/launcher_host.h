#pragma once

// A launcher process and its machine. The launcher talks through the real LauncherSession. It
// starts and stops worker processes, may be slow, and may crash: then its workers die with it, and
// it comes back as another process.

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "broker/launcher/launcher_session.h"
#include "tests/sim/worker_process.h"

namespace bellis::sim {

class LauncherHost : public Actor {
 public:
  /// `wild`: the launcher's workers have bad characters while faults last.
  LauncherHost(Surroundings* around, std::string host, bool wild);

  void Crash();
  /// Reports the exit of a worker that is not the launcher's own.
  void ReportForeignExit(WorkerId worker);
  /// From now on the machine stays up, and the workers that it starts are honest.
  void Heal();
  bool up() const { return session_.has_value(); }
  Dealer* dealer() { return dealer_.get(); }
  std::vector<WorkerProcess*> workers();
  /// The number of processes that still run, for a leak check.
  size_t running() const;

 private:
  void Start();
  void OnMessage(const Message& message);
  void OnLaunch(const LaunchMsg& launch);
  void OnExit(WorkerId worker, int code, int signal);
  void OnStop(const StopMsg& stop);
  void EndKin(WorkerId worker, std::vector<WorkingOn>* working);
  void KillAll(int signal);
  void Pump();

  const std::string host_;
  const bool wild_;
  const bool notes_;  // whether the launcher knows which blocks its workers worked on
  int64_t pid_ = 0;
  uint64_t life_number_ = 0;  // counts crashes, so that actions put off before one are dropped
  uint64_t pump_ = 0;         // the last timer that was set
  std::unique_ptr<Dealer> dealer_;
  std::optional<LauncherSession> session_;
  std::set<WorkerId> to_start_;                                  // a busy machine takes a while
  std::map<WorkerId, std::unique_ptr<WorkerProcess>> children_;  // until their exit is reported
  // Further connections that these workers have started, by the worker's id. They end with it.
  std::map<WorkerId, std::vector<std::unique_ptr<WorkerProcess>>> kin_;
  std::vector<std::unique_ptr<WorkerProcess>> dead_;  // their handlers may still be on the stack
};

}  // namespace bellis::sim
