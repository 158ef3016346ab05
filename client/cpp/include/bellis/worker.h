#pragma once

// A worker: takes blocks of one task from a broker, one after the other.
//
// Example:
//
//     #include <bellis/worker.h>
//
//     int main() {
//       auto worker = bellis::Worker::FromEnvironment();
//       worker.Run([](const bellis::Block& block) {
//         Image image = Load(block.read_roi());
//         Store(Smooth(image), block.write_roi());
//       });
//     }
//
// Example, with the loop in your hands:
//
//     auto worker = bellis::Worker::FromEnvironment();
//     while (auto block = worker.Acquire()) {
//       if (!Process(block->read_roi(), block->write_roi())) block->Fail("no signal here");
//     }
//     return 0;
//
// A block is completed when its handle goes out of scope, and failed when Fail was called or an
// exception leaves the scope.
//
// WHEN RESULTS LEAVE. A completed block is reported by the next Acquire, in the one message that
// asks for the next block: the steady state is one message each way per block. In a loop nothing
// happens between the two, so nothing waits. Where your code does something slow between blocks,
// call Finish() before it: the block is reported at once, and Acquire asks with a message of its
// own. (Asking for the next block already at the end of the scope would lease one to a worker that
// may never come for it.) Failures are reported at the end of the scope.
//
// THREADS. A worker and its handles belong to one thread; no other is between it and the socket.
// One more, with a connection of its own, says that the worker lives.
//
// FAULTS. A connection that breaks, or a broker that is killed and started again, costs nothing:
// the worker keeps what it holds, and hands in again what the broker may not have stored. If the
// broker cannot be reached for as long as a lease lasts, the process is ended, since another worker
// gets the block then.
//
// SIGNALS. None are handled here: by default Ctrl-C ends the process, waiting or not. A program
// that handles signals itself sets WorkerOptions::stop_requested.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "bellis/access.h"
#include "bellis/duration.h"
#include "bellis/duty.h"
#include "bellis/export.h"
#include "bellis/ids.h"
#include "bellis/result.h"
#include "bellis/roi.h"

namespace bellis {

struct LeasedBlock;
class WorkerSession;

/// The worker cannot go on: no broker, refused, lost. `what()` is one sentence.
class BELLIS_API WorkerError : public std::runtime_error {
 public:
  explicit WorkerError(const Error& error) : std::runtime_error(error.message), code_(error.code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

/// Blocks that a checker has in stock besides the one that it looks at.
inline constexpr uint32_t kCheckPrefetch = 31;

/// How a worker connects, and to what. FromEnvironment fills it as launchers mean it.
struct BELLIS_API WorkerOptions {
  std::string endpoint;   // "ipc://PATH" or "tcp://HOST:PORT"
  std::string token;      // where the broker asks for one
  CurveKeys keys;         // of tcp; none: nothing is encrypted
  std::string job;        // empty: the only running job
  std::string task;       // empty: the only task of the job
  WorkerId worker;        // as the launcher gave it; none: the broker gives one
  std::string work_page;  // where its launcher reads what it works on; empty: nowhere
  /// A checker (PROTOCOL.md, "Checkers") answers yes by completing a block, and no by
  /// failing it: with an empty text, or with what went wrong.
  Duty duty = Duty::kWork;
  std::string language = "c++";  // stands in the summary
  /// How often the worker says that it lives, from a thread of its own; 0: never. Its leases end
  /// when the broker does not hear it for some time, and so does then this process, after
  /// `on_fence`, which is called from a thread of its own a second before.
  uint32_t heartbeat_ms = 4000;
  std::function<void()> on_fence;
  /// Called from within Acquire with leases whose results are on the broker's disk.
  std::function<void(const std::vector<LeaseId>&)> on_committed;
  uint32_t prefetch = 0;  // blocks to have in stock besides the one worked on
  Duration connect_timeout = Duration::Seconds(10);
  Duration ping_interval = Duration::Seconds(10);  // while waiting for a block
  Duration lost_timeout = Duration::Seconds(300);  // waiting without a sign of the broker
  /// Asked about twice a second, and after each signal, while the worker waits: true ends it, as
  /// if the broker had sent it away.
  std::function<bool()> stop_requested;

  /// From BELLIS_ENDPOINT, the variables of FindAccess (access.h), BELLIS_JOB, BELLIS_TASK,
  /// BELLIS_WORKER_ID, BELLIS_WORK_PAGE, BELLIS_DUTY, BELLIS_HEARTBEAT_MS, BELLIS_CONNECT_TIMEOUT
  /// and BELLIS_LOST_TIMEOUT, as a launcher or a user sets them. A checker has a prefetch of
  /// kCheckPrefetch.
  static Result<WorkerOptions> FromEnvironment();
};

/// A part of the volume to work on. A value; copies are cheap.
class BELLIS_API Block {
 public:
  /// From a message of the broker; Worker::Acquire does it.
  Block(const LeasedBlock& leased, std::shared_ptr<const std::string> task);

  /// What to read and what to write, in world units.
  const Roi& read_roi() const { return read_roi_; }
  const Roi& write_roi() const { return write_roi_; }
  const std::string& task() const { return *task_; }
  /// What users know the block by, together with the task.
  CantorId id() const { return id_; }
  /// Row-major rank in the task's grid.
  BlockIndex index() const { return index_; }
  /// 1 for the first.
  uint32_t attempt() const { return attempt_; }
  /// Names this hand-out of the block, and no other ever: storage can use it as a fencing token.
  LeaseId lease() const { return lease_; }

 private:
  Roi read_roi_;
  Roi write_roi_;
  std::shared_ptr<const std::string> task_;
  CantorId id_;
  BlockIndex index_;
  LeaseId lease_;
  uint32_t attempt_;
};

/// A block that this worker holds. Hands it back when it goes out of scope.
class BELLIS_API BlockHandle : public Block {
 public:
  BlockHandle(BlockHandle&& other) noexcept;
  BlockHandle& operator=(BlockHandle&&) = delete;
  ~BlockHandle();

  /// The block will be handed back as failed; the broker may give it to another worker then.
  void Fail(std::string why);
  /// The block will be handed back as it was: nothing is known against it, and no attempt counts.
  void Return();
  /// Hands the block back now and reports it at once. The handle is then of no more use.
  void Finish();

 private:
  friend class Worker;
  BlockHandle(Block block, std::shared_ptr<WorkerSession> session, uint64_t greeting);
  void HandBack(bool at_once);

  std::shared_ptr<WorkerSession> session_;  // null: handed back
  uint64_t greeting_;                       // the hello that the lease belongs to
  int exceptions_;                          // in flight when the handle was made
  std::optional<std::string> failure_;
  bool returned_ = false;
};

/// A connection to a broker, as a worker of one task. Owns its socket and its thread.
class BELLIS_API Worker {
 public:
  /// Connects and says hello. Throws WorkerError: a variable that is missing or makes no sense, no
  /// broker within connect_timeout, a broker that refuses.
  static Worker FromEnvironment();
  explicit Worker(const WorkerOptions& options);

  Worker(Worker&&) noexcept = default;
  Worker& operator=(Worker&&) = delete;
  /// Reports what is finished and says bye. Blocks still held are not this worker's any more.
  ~Worker();

  /// Waits for the next block. nullopt: there is nothing more to do, or the worker was asked to
  /// leave (leave_reason() says which); every later call gives nullopt too.
  /// A broker that was restarted is greeted again, and the wait goes on.
  /// Throws WorkerError when the broker refuses, or is lost.
  std::optional<BlockHandle> Acquire();

  /// Calls `function(const Block&)` for block after block until there is nothing more. It returns
  /// void, or a Result whose error fails the block. An exception fails the block with its what()
  /// and is written to stderr; the loop goes on. Throws WorkerError as Acquire does.
  template <typename Function>
  void Run(Function&& function) {
    RunStatus([&function](const Block& block) -> Status {
      if constexpr (std::is_void_v<std::invoke_result_t<Function&, const Block&>>) {
        function(block);
        return OkStatus();
      } else {
        auto result = function(block);
        if (!result.ok()) return result.error();
        return OkStatus();
      }
    });
  }

  const std::string& job() const;
  const std::string& task() const;
  WorkerId id() const;
  /// Why Acquire gave nullopt, in the broker's words; empty before.
  const std::string& leave_reason() const;

 private:
  void RunStatus(const std::function<Status(const Block&)>& function);

  std::shared_ptr<WorkerSession> session_;
};

}  // namespace bellis
