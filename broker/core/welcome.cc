// The answer to a worker's hello, and what its pings do.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "bellis/version.h"
#include "broker/core/greeting.h"
#include "broker/schedule/mutation.h"
#include "common/protocol/task_grid.h"

namespace bellis {

/// A worker's pulse, which will ping for the worker, says hello. After a restart of the broker the
/// pulse also says what the worker holds: the worker is busy with the user's code, and says hello
/// itself when that is done.
void Greeting::HelloPulse(PeerId peer, const HelloMsg& hello) {
  Worker* worker = roster_.FindSession(hello.worker, hello.session);
  if (worker == nullptr) {
    return turn_.Refuse(peer, ErrorCode::kUnknownWorker,
                        fmt::format("hello.worker is {}: no worker with this session is known",
                                    hello.worker.value));
  }
  if (!durable_.PromisesKept()) return durable_.HearLater(peer, hello);
  peers_.Bind(peer, {.role = Role::kPulse, .pulse_of = worker->id, .session = worker->session});
  if (worker->recovering && !hello.held.empty()) {
    claims_.TakeUp(*worker, hello.held);
    claims_.EndRecovering(*worker);
  }
  WelcomeMsg welcome;
  welcome.broker = "bellis " BELLIS_VERSION;
  welcome.worker = worker->id;
  welcome.lease_ms = static_cast<uint32_t>(options_.lease.millis());
  welcome.heartbeat_ms = std::min(worker->heartbeat_ms, welcome.lease_ms / 4);
  turn_.Send(peer, std::move(welcome));
}

void Greeting::OnPing(PeerId peer, const PingMsg& ping) {
  const Peer& known = *peers_.Find(peer);
  Worker* worker = known.role == Role::kPulse ? roster_.Find(known.pulse_of) : known.worker;
  // Another process may have taken the place of the pulse's worker. Then the pulse's own worker
  // must end itself.
  if (known.role == Role::kPulse && (worker == nullptr || worker->session != known.session)) {
    return turn_.Refuse(peer, ErrorCode::kUnknownWorker,
                        "this pulse's worker was replaced, or is gone");
  }
  // A worker whose block timed out is not answered, so that it ends itself when its lease ends.
  if (worker != nullptr && !worker->loss_reason.empty() && !roster_.PlaceOf(*worker).launched()) {
    return;
  }
  if (worker != nullptr) roster_.RenewLease(*worker);
  turn_.Send(peer, PongMsg{ping.nonce});
}

void Greeting::MayHaveBlocks(Worker& worker) {
  roster_.SetDurable(worker);
  if (worker.want > 0) roster_.Park(worker);
}

/// Tells a worker its number, and which of the leases that it listed are valid (`held`).
void Greeting::Welcome(Worker& worker, std::vector<LeaseId> held) {
  WelcomeMsg welcome;
  welcome.broker = "bellis " BELLIS_VERSION;
  welcome.job = worker.job->id;
  welcome.task = worker.job->spec.tasks[worker.task].task_id;
  welcome.worker = worker.id;
  welcome.duty = worker.duty;
  welcome.slot = worker.slot;
  if (worker.heartbeat_ms > 0) {
    welcome.lease_ms = static_cast<uint32_t>(options_.lease.millis());
    welcome.heartbeat_ms = worker.heartbeat_ms;
  }
  welcome.durable = durable_.kept();
  welcome.held = std::move(held);
  if (worker.runs) {
    welcome.grid =
        GridOf(worker.job->spec.tasks[worker.task], worker.job->graph->grid(worker.task));
  }
  claims_.EndRecovering(worker);
  turn_.Send(worker.peer, std::move(welcome));
  const ProcessRef& process = worker.process;
  turn_.Log(LogLevel::kDebug,
            fmt::format("worker {} of {}/{} connected ({}, {} pid {})", worker.id.value,
                        worker.job->id, worker.job->spec.tasks[worker.task].task_id,
                        worker.language, process.host, process.pid));
}

/// The same for a worker that the broker knows: `hello` says what it holds. A worker without a
/// session that is being stopped for a block keeps no lease.
void Greeting::WelcomeBack(Worker& worker, const HelloMsg& hello) {
  const bool says = worker.session != 0 || worker.loss_reason.empty();
  Welcome(worker, says ? claims_.TakeUp(worker, hello.held) : std::vector<LeaseId>());
}

/// Puts the worker's session on record. When the record is durable, the worker may be given blocks.
void Greeting::Record(Worker& worker) {
  roster_.PutOnRecord(worker);
  if (durable_.AllCommitted()) return MayHaveBlocks(worker);
  durable_.Await(SessionIsDurable{worker.id});
}

void Greeting::Do(const SessionIsDurable& session) {
  if (Worker* worker = roster_.Find(session.worker)) MayHaveBlocks(*worker);
}

}  // namespace bellis
