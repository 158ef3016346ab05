#pragma once

// A worker for Python: bellis::WorkerSession, with the interpreter's lock let go of while it waits.
//
// LOCKS. One thread at a time uses the session, which `mutex_` sees to: the thread that works, or
// the stock keeper's while a function has a block. Whoever waits for the mutex has let go of the
// interpreter's lock; whoever has the mutex may take that. The mutex is recursive, since what the
// session calls may run Python code, such as a signal's handler, that calls the worker.

#include <Python.h>
#include <nanobind/nanobind.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/cpp/worker_session.h"
#include "client/python/native/tiling.h"

namespace bellis {
class StockKeeper;
}

namespace bellis::python {

/// What a worker was given: the `_source` of its block.
class Given {
 public:
  Given(const LeasedBlock& block, std::shared_ptr<const std::string> task, uint64_t greeting)
      : block_(block), task_(std::move(task)), greeting_(greeting) {}
  const std::string& task_id() const { return *task_; }
  int64_t block_id(BlockIndex /*index*/) const { return block_.id; }
  nb::tuple rois(BlockIndex /*index*/) const { return RoisTuple(block_.read, block_.write); }
  uint32_t attempt() const { return block_.attempt; }
  uint64_t lease() const { return block_.lease.value; }
  BlockIndex index() const { return block_.index; }
  /// The hello that the lease belongs to.
  uint64_t greeting() const { return greeting_; }

 private:
  LeasedBlock block_;
  std::shared_ptr<const std::string> task_;
  uint64_t greeting_;
};

/// What a block's function is called with, and what its outcome is judged by.
struct Loop {
  nb::callable function;
  const BlockMaker* maker;
  nb::object processing;  // the status of a block that is worked on
  /// `judge(block, value, error)` returns None for a good block, or the text that fails it. It is
  /// asked when the function raised (`error`, an Exception), or left something else in the block's
  /// `_status` than `processing`, or returned something (a coroutine, of which nothing has run), or
  /// when `always_judge`.
  nb::callable judge;
  bool always_judge;
  uint32_t stock_max;
};

/// Raises BrokerError, of Python; RuntimeError in a forked child, where all but Close does, and
/// after Close.
class PythonWorker {
 public:
  /// Connects and says hello. `on_notice(severity, sentence)` and `on_committed(leases)` are called
  /// by the thread that works, `on_fence()` by one of its own; each may be None.
  PythonWorker(WorkerOptions options, nb::object on_notice, nb::object on_committed,
               const nb::object& on_fence);
  ~PythonWorker() { Close(); }
  PythonWorker(const PythonWorker&) = delete;
  PythonWorker& operator=(const PythonWorker&) = delete;

  /// The next block; None when this worker is to leave.
  nb::object Take(const BlockMaker& maker);
  /// Hands a block in, at once; with an error text as failed. Nothing happens after Close.
  void GiveBack(const Given& given, const std::optional<std::string>& error);
  /// Calls the function with block after block until there are no more; returns how many there
  /// were. What is no Exception (SystemExit, KeyboardInterrupt) fails the block and is raised.
  uint64_t Run(const Loop& loop);
  void Ping();
  bool AwaitMessage(double timeout_s);
  /// Says bye and disconnects, waiting up to a second for what is still to be sent. Does nothing
  /// the second time, and in a forked child.
  void Close();
  bool is_inherited() const { return generation_ != ForkGeneration(); }

  // As the last welcome said.
  std::string job() const { return Said().job; }
  std::string task() const { return Said().task; }
  uint64_t worker_id() const { return Said().worker; }
  uint32_t slot() const { return Said().slot; }
  std::string broker() const { return Said().broker; }

 private:
  struct Welcome {
    uint64_t greeting = 0;
    std::string job;
    std::string task;
    uint64_t worker = 0;
    uint32_t slot = 0;
    std::string broker;
  };
  /// Holds the mutex. Meanwhile Close leaves the session where it is.
  class Using;
  class FixedStock;

  Welcome Said() const;
  void Remember(const WorkerSession& session);
  void CheckUsable() const;
  std::optional<Given> Next();
  /// Passes on what the session has said. With the interpreter's lock and the mutex.
  void Tell();
  /// As Tell, after a function of the session, which may have run Python code that raised.
  void TellOrRaise();
  /// Asked by the session while it waits: Python code was run that raised, or Close waits.
  bool MustStop();
  /// Calls the function with one block, and hands the block in. Returns what is to be raised.
  std::optional<nb::python_error> WorkOn(const Given& given, const Loop& loop, StockKeeper* keeper);
  void SetStock(uint32_t prefetch);

  const uint64_t generation_;               // of forks
  const std::optional<uint32_t> prefetch_;  // of loops; none: as block times allow
  const nb::object on_notice_;
  const nb::object on_committed_;
  mutable std::recursive_mutex mutex_;
  std::atomic<bool> closing_ = false;
  // Guarded by the mutex.
  std::shared_ptr<WorkerSession> session_;  // null: closed
  int users_ = 0;                           // Using objects
  std::vector<std::pair<Severity, std::string>> notices_;
  std::vector<uint64_t> committed_;
  mutable std::mutex said_mutex_;  // for what follows, which others may ask for meanwhile
  Welcome said_;
};

}  // namespace bellis::python
