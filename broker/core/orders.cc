#include "broker/core/orders.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/schedule/mutation.h"

namespace bellis {

void Orders::Drain(Worker& worker, const std::string& reason) {
  roster_.StopGivingAll(worker);
  AskForEnd(worker);
  if (worker.peer.set()) turn_.Send(worker.peer, DrainMsg{reason});
  for (const WorkerId id : worker.further) {
    const Worker& further = roster_.At(id);
    if (further.peer.set()) turn_.Send(further.peer, DrainMsg{reason});
  }
  turn_.Log(LogLevel::kInfo, fmt::format("worker {} is drained: {}", worker.id.value, reason));
}

void Orders::Leave(Worker& worker, const std::string& reason) {
  SendLeave(worker, reason);
  if (!worker.launched()) return;
  turn_.Wake({turn_.now() + options_.leave_grace, TimerKind::kStopWorker, worker.id.value});
}

void Orders::LeaveAtOnce(Worker& worker, const std::string& reason) {
  SendLeave(worker, reason);
  if (worker.launched()) StopProcess(worker);
}

void Orders::SendLeave(Worker& worker, const std::string& reason) {
  roster_.StopGiving(worker);
  AskForEnd(worker);
  if (worker.peer.set()) turn_.Send(worker.peer, LeaveMsg{reason});
  if (worker.launched()) roster_.SetInTime(worker);
}

void Orders::StopProcess(Worker& worker) {
  roster_.StopGivingAll(worker);
  AskForEnd(worker);
  worker.stop_asked = true;
  SendToLauncher(worker, StopMsg{worker.id, options_.stop_grace_ms});
}

void Orders::AskForEnd(Worker& worker) {
  if (worker.end_counts == EndCounts::kByItself) worker.end_counts = EndCounts::kReplaced;
}

void Orders::SendToLauncher(const Worker& worker, Message message) {
  const PeerId peer = launchers_.At(worker.launcher).peer;
  if (peer.set()) turn_.Send(peer, std::move(message));
}

void Orders::SendLaunch(const Worker& worker) {
  const TaskSpec& spec = worker.job->spec.tasks[worker.task];
  if (worker.group >= GroupsOf(spec, worker.duty).size()) return;  // the group was removed
  const WorkerGroup& group = GroupsOf(spec, worker.duty)[worker.group];
  LaunchMsg launch{worker.id,
                   worker.job->id,
                   spec.task_id,
                   group.command,
                   worker.job->spec.env,
                   worker.job->spec.cwd,
                   worker.job->spec.log_dir,
                   worker.job->spec.origin.run};
  for (const auto& [name, value] : spec.env) launch.env[name] = value;
  for (const auto& [name, value] : group.env) launch.env[name] = value;
  launch.env["BELLIS_SLOT"] = std::to_string(worker.slot);
  if (worker.duty != Duty::kWork) launch.env["BELLIS_DUTY"] = DutyName(worker.duty);
  SendToLauncher(worker, std::move(launch));
}

}  // namespace bellis
