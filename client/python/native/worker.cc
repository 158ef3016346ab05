#include "client/python/native/worker.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <unistd.h>

#include <algorithm>

#include "client/cpp/stock_keeper.h"

namespace bellis::python {
namespace {

/// The code of a BrokerError (bellis/errors.py).
const char* CodeOf(const Error& error, bool was_refused) {
  if (was_refused) return ErrorCodeName(error.code);
  switch (error.code) {
    case ErrorCode::kTimeout: return "no_broker";
    case ErrorCode::kInvalidSpec:
    case ErrorCode::kIo: return "environment";
    default: return ErrorCodeName(error.code);
  }
}

[[noreturn]] void Raise(const Error& error, bool was_refused) {
  const nb::object type = nb::module_::import_("bellis.errors").attr("BrokerError");
  const nb::object raised = type(CodeOf(error, was_refused), error.message);
  PyErr_SetObject(type.ptr(), raised.ptr());
  throw nb::python_error();
}

[[noreturn]] void RaiseClosed() {
  throw std::runtime_error("this connection to the broker is closed");
}

/// Calls `function` from any thread. The last copy may end in one without the interpreter's lock.
std::function<void()> Callback(const nb::object& function) {
  if (function.is_none()) return nullptr;
  const std::shared_ptr<PyObject> kept(nb::object(function).release().ptr(), [](PyObject* object) {
    const nb::gil_scoped_acquire gil;
    Py_DECREF(object);
  });
  return [kept] {
    const nb::gil_scoped_acquire gil;
    try {
      nb::borrow<nb::callable>(kept.get())();
    } catch (nb::python_error& error) {
      error.discard_as_unraisable("on_fence");
    }
  };
}

/// A child that `function` forked has returned from it. It is no worker: the session is its
/// parent's.
[[noreturn]] void EndForkedChild(const nb::object& block, const nb::object& error) {
  nb::module_::import_("bellis._worker.forked_child").attr("end")(block, error);
  ::_exit(1);
}

nb::object BlockOf(const Given& given, const BlockMaker& maker) {
  return maker.Make(nb::cast(given), given.index());
}

}  // namespace

class PythonWorker::Using {
 public:
  explicit Using(PythonWorker* worker) : worker_(worker) {
    if (!worker_->mutex_.try_lock()) {
      const nb::gil_scoped_release released;
      worker_->mutex_.lock();
    }
    ++worker_->users_;
  }
  ~Using() {
    if (--worker_->users_ == 0 && worker_->closing_ && worker_->session_ != nullptr) {
      const nb::gil_scoped_release released;
      worker_->session_->Leave("");
      worker_->session_.reset();
    }
    worker_->mutex_.unlock();
  }
  Using(const Using&) = delete;
  Using& operator=(const Using&) = delete;

  /// False after Close.
  explicit operator bool() const { return worker_->session_ != nullptr && !worker_->closing_; }
  WorkerSession* operator->() const { return worker_->session_.get(); }
  WorkerSession& operator*() const { return *worker_->session_; }

 private:
  PythonWorker* const worker_;
};

/// The stock of one loop.
class PythonWorker::FixedStock {
 public:
  FixedStock(PythonWorker* worker, uint32_t prefetch) : worker_(worker), prefetch_(prefetch) {
    if (prefetch_ > 0) worker_->SetStock(prefetch_);
  }
  ~FixedStock() {
    if (prefetch_ > 0) worker_->SetStock(0);
  }
  FixedStock(const FixedStock&) = delete;
  FixedStock& operator=(const FixedStock&) = delete;

 private:
  PythonWorker* const worker_;
  const uint32_t prefetch_;
};

PythonWorker::PythonWorker(WorkerOptions options, nb::object on_notice, nb::object on_committed,
                           const nb::object& on_fence)
    : generation_(ForkGeneration()),
      prefetch_(options.prefetch),
      on_notice_(std::move(on_notice)),
      on_committed_(std::move(on_committed)) {
  options.language = "python";
  options.prefetch = 0;  // Take asks for nothing in advance
  options.on_fence = Callback(on_fence);
  options.on_notice = [this](Severity severity, const std::string& sentence) {
    notices_.emplace_back(severity, sentence);
  };
  if (!on_committed_.is_none()) {
    options.on_committed = [this](const std::vector<LeaseId>& leases) {
      for (const LeaseId lease : leases) committed_.push_back(lease.value);
    };
  }
  options.stop_requested = [this] { return MustStop(); };
  Result<std::shared_ptr<WorkerSession>> session = WorkerSession::Open(options);
  if (!session.ok()) Raise(session.error(), false);
  session_ = std::move(session).value();
  Status greeted = OkStatus();
  {
    const nb::gil_scoped_release released;
    greeted = session_->Greet();
  }
  if (PyErr_Occurred() != nullptr) nb::raise_python_error();
  if (!greeted.ok()) Raise(greeted.error(), session_->was_refused());
  Remember(*session_);
  TellOrRaise();
}

nb::object PythonWorker::Take(const BlockMaker& maker) {
  const std::optional<Given> given = Next();
  return given ? BlockOf(*given, maker) : nb::none();
}

void PythonWorker::GiveBack(const Given& given, const std::optional<std::string>& error) {
  if (is_inherited()) return;
  const Using session(this);
  if (!session) return;
  BlockResult result{LeaseId(given.lease()), BlockOutcome::kCompleted, error.value_or("")};
  if (error) result.outcome = BlockOutcome::kFailed;
  {
    const nb::gil_scoped_release released;
    session->HandBack(std::move(result), given.greeting(), WorkerSession::Sent::kNow);
  }
  TellOrRaise();
}

uint64_t PythonWorker::Run(const Loop& loop) {
  CheckUsable();
  const std::shared_ptr<WorkerSession> session = session_;  // for the keeper
  std::optional<StockKeeper> keeper;
  std::optional<FixedStock> fixed;
  if (prefetch_) {
    fixed.emplace(this, std::min(*prefetch_, loop.stock_max));
  } else {
    keeper.emplace(session.get(), &mutex_, loop.stock_max);
  }
  uint64_t blocks = 0;
  while (const std::optional<Given> given = Next()) {
    ++blocks;
    std::optional<nb::python_error> raised = WorkOn(*given, loop, keeper ? &*keeper : nullptr);
    if (raised) throw std::move(*raised);
  }
  return blocks;
}

void PythonWorker::SetStock(uint32_t prefetch) {
  const Using session(this);
  if (session) session->SetStock(prefetch);
}

std::optional<nb::python_error> PythonWorker::WorkOn(const Given& given, const Loop& loop,
                                                     StockKeeper* keeper) {
  static const nb::object& status_name =
      *new nb::object(nb::steal(PyUnicode_InternFromString("_status")));
  const nb::object block = BlockOf(given, *loop.maker);
  if (PyObject_GenericSetAttr(block.ptr(), status_name.ptr(), loop.processing.ptr()) != 0) {
    nb::raise_python_error();
  }
  if (keeper != nullptr) {
    const Using session(this);
    keeper->BlockBegins();
  }
  nb::object value = nb::none();
  nb::object error = nb::none();
  std::optional<nb::python_error> leaving;
  try {
    value = loop.function(block);
  } catch (nb::python_error& raised) {
    error = nb::borrow(raised.value());
    if (!raised.matches(PyExc_Exception)) leaving.emplace(std::move(raised));
  }
  if (is_inherited()) EndForkedChild(block, error);
  nb::object why = nb::none();
  const nb::object status = nb::steal(PyObject_GenericGetAttr(block.ptr(), status_name.ptr()));
  if (loop.always_judge || !error.is_none() || !value.is_none() ||
      status.ptr() != loop.processing.ptr()) {
    try {
      why = loop.judge(block, value, error);
    } catch (nb::python_error& raised) {
      if (!leaving) leaving.emplace(std::move(raised));
      why = nb::str("it could not be told how the block ended");
    }
  }
  BlockResult result{LeaseId(given.lease()), BlockOutcome::kCompleted, ""};
  if (!why.is_none()) {
    result.outcome = BlockOutcome::kFailed;
    result.error = nb::cast<std::string>(why);
  }
  const Using session(this);
  if (keeper != nullptr) keeper->BlockEnds();
  if (!session) return leaving;
  const bool has_stock = keeper != nullptr ? keeper->has_stock() : prefetch_.value_or(0) > 0;
  {
    const nb::gil_scoped_release released;
    using Sent = WorkerSession::Sent;
    const Sent when = leaving || has_stock ? Sent::kNow : Sent::kWithRequest;
    session->HandBack(std::move(result), given.greeting(), when);
    if (leaving) session->Forgo();
  }
  return leaving;
}

void PythonWorker::Ping() {
  CheckUsable();
  const Using session(this);
  if (!session) RaiseClosed();
  static_cast<void>(session->Ping().ok());  // the next Take says what is wrong
}

bool PythonWorker::AwaitMessage(double timeout_s) {
  CheckUsable();
  const Using session(this);
  if (!session) RaiseClosed();
  const nb::gil_scoped_release released;
  return session->AwaitMessage(Duration::Seconds(timeout_s));
}

void PythonWorker::Close() {
  if (is_inherited()) return;
  closing_ = true;
  const nb::gil_scoped_release released;
  const std::lock_guard lock(mutex_);
  if (session_ == nullptr) return;
  session_->Leave("");
  if (users_ == 0) session_.reset();
}

std::optional<Given> PythonWorker::Next() {
  CheckUsable();
  const Using session(this);
  if (!session) RaiseClosed();
  Result<std::optional<LeasedBlock>> next = std::optional<LeasedBlock>();
  {
    const nb::gil_scoped_release released;
    next = session->Next();
  }
  Remember(*session);
  std::optional<Given> given;
  if (next.ok() && next->has_value()) given.emplace(**next, session->task(), session->greeting());
  try {
    TellOrRaise();
  } catch (...) {
    if (given) {
      const nb::gil_scoped_release released;
      session->HandBack({LeaseId(given->lease()), BlockOutcome::kReturned, ""}, given->greeting(),
                        WorkerSession::Sent::kNow);
    }
    throw;
  }
  if (!next.ok()) Raise(next.error(), session->was_refused());
  if (!given && closing_) RaiseClosed();
  return given;
}

void PythonWorker::TellOrRaise() {
  if (PyErr_Occurred() != nullptr) nb::raise_python_error();
  Tell();
}

void PythonWorker::Tell() {
  if (notices_.empty() && committed_.empty()) return;
  for (const auto& [severity, sentence] : std::exchange(notices_, {})) {
    on_notice_(static_cast<int>(severity), sentence);
  }
  if (!committed_.empty()) on_committed_(std::exchange(committed_, {}));
}

bool PythonWorker::MustStop() {
  if (closing_) return true;
  const nb::gil_scoped_acquire gil;
  if (PyErr_Occurred() != nullptr) return true;
  try {
    Tell();
  } catch (nb::python_error& error) {
    error.restore();
    return true;
  }
  return PyErr_CheckSignals() != 0 || closing_;
}

PythonWorker::Welcome PythonWorker::Said() const {
  const std::lock_guard lock(said_mutex_);
  return said_;
}

void PythonWorker::Remember(const WorkerSession& session) {
  if (said_.greeting == session.greeting()) return;  // no other thread writes it
  const std::lock_guard lock(said_mutex_);
  said_ = {session.greeting(),     session.job(),  *session.task(),
           session.worker().value, session.slot(), session.broker()};
}

void PythonWorker::CheckUsable() const {
  if (is_inherited()) {
    throw std::runtime_error(
        "this connection to the broker belongs to another process, and this is its forked child: "
        "make a bellis.Client or bellis.Control of its own in each process");
  }
  if (closing_) RaiseClosed();
}

}  // namespace bellis::python
