#include "tools/bench/broker_rates.h"

#include <unistd.h>

#include <string>

#include "bellis/control.h"
#include "bellis/worker.h"
#include "client/cpp/connection.h"
#include "tools/bench/no_op_job.h"

namespace bellis::bench {
namespace {

constexpr Duration kConnect = Duration::Seconds(10);
constexpr Duration kLook = Duration::Millis(50);

Status Greet(Connection& connection, const Access& access) {
  HelloMsg hello;
  hello.role = Role::kClient;
  hello.token = access.token;
  if (Status sent = connection.Send(hello); !sent.ok()) return sent;
  const Instant limit = ClientNow() + kConnect;
  while (ClientNow() < limit) {
    const auto answer = connection.Receive(kLook);
    if (!answer.ok()) return answer.error();
    if (!answer->has_value()) continue;
    if (const auto* error = std::get_if<ErrorMsg>(&**answer))
      return Error{error->code, error->message};
    if (std::holds_alternative<WelcomeMsg>(**answer)) return OkStatus();
  }
  return Error{ErrorCode::kTimeout, "no broker answers at " + access.endpoint};
}

Status Ping(const Access& access, uint32_t outstanding, Counter& counter,
            const std::atomic<bool>& stop) {
  Result<Connection> connection = Connection::Open(access.endpoint, access.keys);
  if (!connection.ok()) return connection.error();
  if (Status greeted = Greet(*connection, access); !greeted.ok()) return greeted;
  uint64_t nonce = 0;
  for (uint32_t i = 0; i < outstanding; ++i) {
    if (Status sent = connection->Send(PingMsg{++nonce}); !sent.ok()) return sent;
  }
  while (!stop) {
    const auto answer = connection->Receive(kLook);
    if (!answer.ok()) return answer.error();
    if (!answer->has_value() || !std::holds_alternative<PongMsg>(**answer)) continue;
    counter.Add();
    if (Status sent = connection->Send(PingMsg{++nonce}); !sent.ok()) return sent;
  }
  return OkStatus();
}

Status Work(const WorkerOptions& options, Counter& counter, const std::atomic<bool>& stop) {
  try {
    Worker worker(options);
    while (!stop) {
      if (!worker.Acquire()) {
        return Error{ErrorCode::kShuttingDown,
                     "the broker ended the job: " + worker.leave_reason()};
      }
      counter.Add();
    }
  } catch (const WorkerError& error) {
    return Error{error.code(), error.what()};
  }
  return OkStatus();
}

}  // namespace

Result<double> PingRate(const Access& access, uint32_t outstanding, const Setting& setting) {
  return Rate(setting, [&](Counter& counter, const std::atomic<bool>& stop) {
    return Ping(access, outstanding, counter, stop);
  });
}

Result<double> BlockRate(const Access& access, std::optional<uint32_t> prefetch,
                         const Setting& setting) {
  Result<Control> control =
      Control::Connect({access.endpoint, access.token, kConnect, access.keys});
  if (!control.ok()) return control.error();
  JobSpec spec = NoOpJob();
  spec.name = "bellis-bench-" + std::to_string(getpid());
  const Result<Submitted> job = control->Submit(spec, Stored::kForget);
  if (!job.ok()) return job.error();
  WorkerOptions options;
  options.endpoint = access.endpoint;
  options.token = access.token;
  options.keys = access.keys;
  options.job = job->job;
  options.prefetch = prefetch;
  Result<double> rate = Rate(setting, [&](Counter& counter, const std::atomic<bool>& stop) {
    return Work(options, counter, stop);
  });
  const Status cancelled = control->Cancel(job->job, "the measurement is over");
  if (rate.ok() && !cancelled.ok()) return cancelled.error();
  return rate;
}

}  // namespace bellis::bench
