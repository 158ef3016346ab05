// A worker's loop for Python: takes block after block, calls a function with each.
//
// Blocks that take microseconds are asked for many at a time: the stock is what takes about a
// millisecond to work off. When a block takes longer than those before it, a thread that needs no
// interpreter hands the stock back, so that nothing waits behind it.

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "bellis/worker.h"
#include "client/cpp/worker_session.h"
#include "client/python/native/tiling.h"

namespace bellis::python {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kStockSeconds = 1e-3;  // what a stock is to be worth
constexpr uint32_t kStockMax = 127;
constexpr auto kShedAfter = std::chrono::milliseconds(20);
constexpr double kNewWeight = 0.25;  // of the latest block in the mean

/// What a worker was given: the `_source` of its block.
class Given {
 public:
  Given(LeasedBlock block, std::shared_ptr<const std::string> task)
      : block_(block), task_(std::move(task)) {}
  const std::string& task_id() const { return *task_; }
  int64_t block_id(BlockIndex /*index*/) const { return block_.id; }
  nb::tuple rois(BlockIndex /*index*/) const { return RoisTuple(block_.read, block_.write); }
  uint32_t attempt() const { return block_.attempt; }
  uint64_t lease() const { return block_.lease.value; }

 private:
  LeasedBlock block_;
  std::shared_ptr<const std::string> task_;
};

/// Holds the session's lock but while a block is worked on, and sheds the stock when that takes
/// long. The thread is started with the first stock.
class StockKeeper {
 public:
  explicit StockKeeper(WorkerSession* session) : session_(session), lock_(mutex_) {}
  ~StockKeeper() {
    if (!lock_.owns_lock()) lock_.lock();
    ended_ = true;
    lock_.unlock();
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
  }
  StockKeeper(const StockKeeper&) = delete;
  StockKeeper& operator=(const StockKeeper&) = delete;

  void BlockBegins() {
    begun_ = Clock::now();
    // What was asked for while there was a stock may still come when there is none any more.
    asks_ahead_ = stock_ > 0 || session_->wanted() > 0;
    if (rests_ && asks_ahead_) wake_.notify_all();
    lock_.unlock();
  }

  void BlockEnded() {
    lock_.lock();
    const double seconds = std::chrono::duration<double>(Clock::now() - begun_).count();
    mean_s_ = mean_s_ < 0 || seconds > kStockSeconds ? seconds
                                                     : mean_s_ + kNewWeight * (seconds - mean_s_);
    const double fitting = std::min<double>(kStockSeconds / std::max(mean_s_, 1e-9), kStockMax);
    // Grows slowly, so that a short job is shared by all.
    const uint32_t stock = std::min(static_cast<uint32_t>(fitting), 2 * stock_ + 1);
    if (stock == stock_) return;
    stock_ = stock;
    session_->SetStock(stock_);
    if (!thread_.joinable()) thread_ = std::thread([this] { Watch(); });
  }

  /// Whether blocks are asked for ahead.
  bool has_stock() const { return stock_ > 0; }

 private:
  // The lock is free only while a block is worked on, and at the end.
  void Watch() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!ended_) {
      if (!asks_ahead_ || shed_ == begun_) {
        rests_ = true;
        wake_.wait(lock);
        rests_ = false;
        continue;
      }
      const Clock::time_point due = begun_ + kShedAfter;
      if (Clock::now() < due) {
        wake_.wait_until(lock, due);
        continue;
      }
      if (session_->Shed()) {
        wake_.wait_for(lock, kShedAfter);
      } else {
        shed_ = begun_;
      }
    }
  }

  WorkerSession* session_;  // borrowed; used with the lock held
  std::mutex mutex_;
  std::condition_variable wake_;
  // Guarded by the lock.
  bool ended_ = false;
  bool rests_ = false;
  bool asks_ahead_ = false;
  uint32_t stock_ = 0;
  double mean_s_ = -1;
  Clock::time_point begun_;
  Clock::time_point shed_;  // the block (by its beginning) for which the stock was handed back

  std::unique_lock<std::mutex> lock_;  // of the thread that works
  std::thread thread_;
};

[[noreturn]] void Throw(const Error& error) { throw std::runtime_error(error.message); }

std::shared_ptr<WorkerSession> Connect() {
  Result<WorkerOptions> options = WorkerOptions::FromEnvironment();
  if (!options.ok()) Throw(options.error());
  options->language = "python";
  options->prefetch = 0;
  options->stop_requested = [] {
    const nb::gil_scoped_acquire gil;
    return PyErr_CheckSignals() != 0;
  };
  const nb::gil_scoped_release released;
  Result<std::shared_ptr<WorkerSession>> session = WorkerSession::Start(*options);
  if (!session.ok()) Throw(session.error());
  return std::move(session).value();
}

std::optional<LeasedBlock> NextBlock(WorkerSession* session) {
  Result<std::optional<LeasedBlock>> next = std::optional<LeasedBlock>();
  {
    const nb::gil_scoped_release released;
    next = session->Next();
  }
  if (PyErr_Occurred() != nullptr) nb::raise_python_error();
  if (!next.ok()) Throw(next.error());
  return std::move(next).value();
}

/// A child that `function` forked has returned from it. It is no worker: the session is its
/// parent's.
[[noreturn]] void EndForkedChild(const nb::object& block, const nb::object& error) {
  nb::module_::import_("bellis._worker.forked_child").attr("end")(block, error);
  ::_exit(1);
}

/// Calls `function` with block after block until there are no more; returns how many there were.
/// Everything else comes from the environment (bellis/worker.h).
///
/// `judge(block, value, error)` is asked when `function` raised (`error`, an Exception), or left
/// something else in the block's `_status` than `processing`, or returned something (a coroutine,
/// of which nothing has run), or when `always_judge`: it returns
/// None for a good block, or the text that fails it. What is no Exception (SystemExit,
/// KeyboardInterrupt) fails the block and is raised from here.
uint64_t Work(const nb::callable& function, const BlockMaker& maker, const nb::object& processing,
              const nb::callable& judge, bool always_judge) {
  const std::shared_ptr<WorkerSession> session = Connect();
  const pid_t pid = ::getpid();
  const nb::object status_name = nb::steal(PyUnicode_InternFromString("_status"));
  uint64_t blocks = 0;
  {
    StockKeeper keeper(session.get());
    while (const auto leased = NextBlock(session.get())) {
      ++blocks;
      const uint64_t greeting = session->greeting();
      BlockResult result{leased->lease, BlockOutcome::kCompleted, ""};
      const nb::object source = nb::cast(Given(*leased, session->task()));
      const nb::object block = maker.Make(source, leased->index);
      if (PyObject_GenericSetAttr(block.ptr(), status_name.ptr(), processing.ptr()) != 0) {
        nb::raise_python_error();
      }
      keeper.BlockBegins();
      nb::object value = nb::none();
      nb::object error = nb::none();
      std::optional<nb::python_error> leaving;
      try {
        value = function(block);
      } catch (nb::python_error& raised) {
        error = nb::borrow(raised.value());
        if (!raised.matches(PyExc_Exception)) leaving.emplace(std::move(raised));
      }
      if (::getpid() != pid) EndForkedChild(block, error);
      nb::object why = nb::none();
      const nb::object status = nb::steal(PyObject_GenericGetAttr(block.ptr(), status_name.ptr()));
      if (always_judge || !error.is_none() || !value.is_none() ||
          status.ptr() != processing.ptr()) {
        try {
          why = judge(block, value, error);
        } catch (nb::python_error& raised) {
          if (!leaving) leaving.emplace(std::move(raised));
          why = nb::str("it could not be told how the block ended");
        }
      }
      keeper.BlockEnded();
      if (!why.is_none()) {
        result.outcome = BlockOutcome::kFailed;
        result.error = nb::cast<std::string>(why);
      }
      {
        const nb::gil_scoped_release released;
        const bool at_once =
            leaving || keeper.has_stock() || result.outcome != BlockOutcome::kCompleted;
        session->HandBack(std::move(result), greeting, at_once);
        if (leaving) {
          static_cast<void>(session->Shed());
          session->Leave("");
        }
      }
      if (leaving) throw std::move(*leaving);
    }
  }
  const nb::gil_scoped_release released;
  session->Leave("");
  return blocks;
}

}  // namespace

void BindWorker(nb::module_& module) {
  nb::class_<Given>(module, "Given")
      .def_prop_ro("task_id", &Given::task_id)
      .def_prop_ro("attempt", &Given::attempt)
      .def_prop_ro("lease", &Given::lease)
      .def("block_id", &Given::block_id, nb::arg("index"))
      .def("rois", &Given::rois, nb::arg("index"));
  module.def("work", &Work, nb::arg("function"), nb::arg("maker"), nb::arg("processing"),
             nb::arg("judge"), nb::arg("always_judge"));
}

}  // namespace bellis::python
