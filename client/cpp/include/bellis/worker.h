#pragma once

// A worker takes blocks of one task from a broker, one after the other.
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
// Example, with a loop of your own:
//
//     auto worker = bellis::Worker::FromEnvironment();
//     while (auto block = worker.Acquire()) {
//       if (!Process(block->read_roi(), block->write_roi())) block->Fail("no signal here");
//     }
//     return 0;
//
// A block is completed when its handle goes out of scope. It has failed if Fail was called, or if
// an exception leaves the scope.
//
// WHEN RESULTS ARE SENT. The next Acquire reports a completed block, in the same message that asks
// for the next block: so a block costs one message in each direction. In a plain loop nothing
// happens between the two, so the result does not wait. If your code does something slow between
// blocks, call Finish() before it: the block is reported at once, and Acquire asks in a separate
// message. (If the next block were asked for at the end of the scope, it might be leased to a
// worker that never comes for it.) Failures are reported at the end of the scope. Blocks that take
// microseconds are different: they are asked for in advance, and each is reported at once.
//
// THREADS. A worker and its handles belong to one thread, which uses the socket directly. A second
// thread, with its own connection, sends heartbeats. A third returns blocks that were asked for in
// advance when one takes long.
//
// FAULTS. When a connection breaks, or the broker is killed and started again, no work is lost: the
// worker keeps its blocks, and hands in results again that the broker may not have stored. If the
// broker cannot be reached for as long as a lease lasts, the process is ended, because another
// worker gets the block then.
//
// SIGNALS. The library handles none: by default Ctrl-C ends the process at any time. A program that
// handles signals itself should set WorkerOptions::stop_requested.
//
// FORKS. A forked child is not a worker: its copies of a Worker and of block handles send nothing,
// and Acquire throws. The child may make a Worker of its own.

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
class StockedSession;

/// The worker cannot go on: the broker does not answer, refuses the worker, or is lost. `what()` is
/// one sentence.
class BELLIS_API WorkerError : public std::runtime_error {
 public:
  explicit WorkerError(const Error& error) : std::runtime_error(error.message), code_(error.code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

/// How important a notice is.
enum class Severity { kInfo, kWarning, kError };

/// How a worker connects, and to which broker. FromEnvironment sets the options that a launcher
/// gives.
struct BELLIS_API WorkerOptions {
  std::string endpoint;   // "ipc://PATH" or "tcp://HOST:PORT"
  std::string token;      // where the broker asks for one
  CurveKeys keys;         // of tcp; none: nothing is encrypted
  std::string job;        // empty: the only running job
  std::string task;       // empty: the only task of the job
  WorkerId worker;        // from the launcher; none: the broker gives one
  std::string work_page;  // where it notes its lease for its launcher; empty: nowhere
  /// A checker (WORKERS.md, "Checkers") answers yes by completing a block, and no by failing it,
  /// either with an empty text or with what went wrong.
  Duty duty = Duty::kWork;
  std::string language = "c++";  // shown in the summary
  /// How often a separate thread sends heartbeats; 0: never. If the broker gets none for some time,
  /// the worker's leases end. Before that, this process ends itself; `on_fence` is called a second
  /// earlier, from a separate thread.
  uint32_t heartbeat_ms = 4000;
  std::function<void()> on_fence;
  /// Called by Acquire with leases whose results are on the broker's disk.
  std::function<void(const std::vector<LeaseId>&)> on_committed;
  /// Called by Acquire, and when a block is handed back, with a sentence about what the broker said
  /// or about the connection. None: warnings and errors are written to stderr.
  std::function<void(Severity, const std::string&)> on_notice;
  /// How many blocks to hold in advance, beside the one worked on. None: as many as take about a
  /// millisecond, so that blocks of microseconds do not wait for the broker; they go back when one
  /// takes longer. At most 1,023.
  std::optional<uint32_t> prefetch;
  Duration connect_timeout = Duration::Seconds(10);
  Duration ping_interval = Duration::Seconds(10);  // while waiting for a block
  /// How long to wait without a message from the broker. Time in which this process is stopped does
  /// not count.
  Duration lost_timeout = Duration::Seconds(300);
  /// Called about twice a second, and after each signal, while the worker waits. Returning true
  /// ends the worker as if the broker had told it to leave.
  std::function<bool()> stop_requested;

  /// Reads BELLIS_ENDPOINT, the variables of FindAccess (access.h), BELLIS_JOB, BELLIS_TASK,
  /// BELLIS_WORKER_ID, BELLIS_WORK_PAGE, BELLIS_DUTY, BELLIS_HEARTBEAT_MS, BELLIS_CONNECT_TIMEOUT,
  /// BELLIS_LOST_TIMEOUT and BELLIS_PREFETCH (auto, or a number), which a launcher or a user sets.
  static Result<WorkerOptions> FromEnvironment();
};

/// A block to work on. A value; copies are cheap.
class BELLIS_API Block {
 public:
  /// Made from a message of the broker, by Worker::Acquire.
  Block(const LeasedBlock& leased, std::shared_ptr<const std::string> task);

  /// The ROIs to read and to write, in world units.
  const Roi& read_roi() const { return read_roi_; }
  const Roi& write_roi() const { return write_roi_; }
  const std::string& task() const { return *task_; }
  /// The id that users see; it is unique within the task.
  CantorId id() const { return id_; }
  /// Row-major rank in the task's grid.
  BlockIndex index() const { return index_; }
  /// From 1.
  uint32_t attempt() const { return attempt_; }
  /// Identifies this hand-out of the block, and is never used again: storage can use it as a
  /// fencing token.
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

/// A block that this worker holds. The handle hands the block back when it goes out of scope.
class BELLIS_API BlockHandle : public Block {
 public:
  BlockHandle(BlockHandle&& other) noexcept;
  BlockHandle& operator=(BlockHandle&&) = delete;
  ~BlockHandle();

  /// Marks the block as failed; the broker may then give it to another worker.
  void Fail(std::string why);
  /// The block will be handed back as it was, and no attempt is counted.
  void Return();
  /// Hands the block back now and reports it at once. The handle must not be used afterwards.
  void Finish();

 private:
  friend class Worker;
  BlockHandle(Block block, std::shared_ptr<StockedSession> session, uint64_t greeting);
  void HandBack(bool at_once);

  std::shared_ptr<StockedSession> session_;  // null: handed back
  uint64_t greeting_;                        // number of the hello to which the lease belongs
  int exceptions_;                           // in flight when the handle was made
  std::optional<std::string> failure_;
  bool returned_ = false;
};

/// A connection to a broker, as a worker of one task. Owns its socket and its thread.
class BELLIS_API Worker {
 public:
  /// Connects and says hello. Throws WorkerError if a variable is missing or invalid, if no broker
  /// answers within connect_timeout, or if the broker refuses the worker.
  static Worker FromEnvironment();
  explicit Worker(const WorkerOptions& options);

  Worker(Worker&&) noexcept = default;
  Worker& operator=(Worker&&) = delete;
  /// Reports finished blocks and says bye. Blocks that are still held go back to the broker.
  ~Worker();

  /// Waits for the next block. nullopt: there is nothing more to do, or the worker was asked to
  /// leave (leave_reason() says which); every later call returns nullopt, too. If the broker is
  /// restarted, the worker says hello again, and goes on waiting. Throws WorkerError if the broker
  /// refuses the worker, or is lost, and in a forked child.
  std::optional<BlockHandle> Acquire();
  /// Waits as Acquire does, and takes the blocks that came in the same message as well, `most` in
  /// all. Empty: as nullopt from Acquire. WorkerOptions::prefetch should be `most` - 1, so that as
  /// many are asked for at once.
  std::vector<BlockHandle> AcquireSeveral(size_t most);

  /// Calls `function(const Block&)` for each block until there is nothing more to do. `function`
  /// returns void, or a Result whose error fails the block. If it throws an exception, the block
  /// fails with its what(), which is also written to stderr, and the loop goes on. Throws
  /// WorkerError as Acquire does.
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

  std::string job() const;
  std::string task() const;
  WorkerId id() const;
  /// This worker's place among the workers of its task, from 0; a worker that replaces it gets the
  /// same place. Use it to share out things of which each worker has one, such as GPUs.
  uint32_t slot() const;
  /// Why Acquire returned nullopt, in the broker's words; empty before.
  std::string leave_reason() const;

 private:
  void RunStatus(const std::function<Status(const Block&)>& function);

  std::shared_ptr<StockedSession> session_;
};

}  // namespace bellis
