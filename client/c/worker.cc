// Workers of bellis.h, over bellis::Worker.

#include "bellis/worker.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "client/c/error.h"

using bellis::Roi;
using bellis::c::Fail;
using bellis::c::FailNull;
using bellis::c::Guarded;

struct bellis_worker {
  std::atomic<bool> stop = false;  // read by `worker`
  std::optional<bellis::Worker> worker;
  std::string job;
  std::string task;
  std::string leave_reason;
};

struct bellis_block {
  std::optional<bellis::BlockHandle> handle;  // none: bellis_work lends the block to a function
  const bellis::Block* block = nullptr;       // the handle, or what is lent
  std::string error;
};

namespace {

static_assert(BELLIS_DIMS_MAX == bellis::kRankMax);

void Copy(const Roi& roi, int64_t* offset, int64_t* shape) {
  std::copy(roi.offset().begin(), roi.offset().end(), offset);
  std::copy(roi.shape().begin(), roi.shape().end(), shape);
}

std::unique_ptr<bellis_worker> Open(const char* language) {
  bellis::Result<bellis::WorkerOptions> options = bellis::WorkerOptions::FromEnvironment();
  if (!options.ok()) throw bellis::WorkerError(options.error());
  auto opened = std::make_unique<bellis_worker>();
  options->language = language == nullptr ? "c" : language;
  options->stop_requested = [stop = &opened->stop] { return stop->load(); };
  opened->worker.emplace(*options);
  opened->job = opened->worker->job();
  opened->task = opened->worker->task();
  return opened;
}

/// Hands the block back as `how` does, and frees the handle.
template <typename Function>
int HandBack(bellis_block* block, Function&& how) noexcept {
  if (block == nullptr) return FailNull("block");
  if (!block->handle) {
    return Fail(BELLIS_E_ARGUMENT, "the block is lent by bellis_work: return from the function");
  }
  const std::unique_ptr<bellis_block> owned(block);
  return Guarded([&] {
    how(*block->handle);
    return int{BELLIS_OK};
  });
}

}  // namespace

int bellis_worker_open(const char* language, bellis_worker** worker) {
  if (worker == nullptr) return FailNull("worker");
  *worker = nullptr;
  return Guarded([&] {
    *worker = Open(language).release();
    return int{BELLIS_OK};
  });
}

void bellis_worker_close(bellis_worker* worker) {
  Guarded([&] {
    delete worker;
    return int{BELLIS_OK};
  });
}

int bellis_work(const char* language, bellis_function function, void* user) {
  if (function == nullptr) return FailNull("function");
  return Guarded([&] {
    const std::unique_ptr<bellis_worker> worker = Open(language);
    worker->worker->Run([&](const bellis::Block& block) -> bellis::Status {
      bellis_block lent{std::nullopt, &block, ""};
      const int code = function(&lent, user);
      if (code == 0) return bellis::OkStatus();
      if (lent.error.empty()) lent.error = "the function returned " + std::to_string(code);
      return bellis::Error{bellis::ErrorCode::kIo, std::move(lent.error)};
    });
    return int{BELLIS_OK};
  });
}

int bellis_acquire(bellis_worker* worker, bellis_block** block) {
  if (worker == nullptr) return FailNull("worker");
  if (block == nullptr) return FailNull("block");
  *block = nullptr;
  return Guarded([&] {
    auto made = std::make_unique<bellis_block>();
    std::optional<bellis::BlockHandle> handle = worker->worker->Acquire();
    if (!handle) {
      worker->leave_reason = worker->worker->leave_reason();
      return int{BELLIS_DONE};
    }
    made->handle.emplace(std::move(*handle));
    made->block = &*made->handle;
    *block = made.release();
    return int{BELLIS_OK};
  });
}

void bellis_worker_stop(bellis_worker* worker) { worker->stop.store(true); }

int64_t bellis_worker_id(const bellis_worker* worker) {
  return static_cast<int64_t>(worker->worker->id().value);
}
const char* bellis_worker_job(const bellis_worker* worker) { return worker->job.c_str(); }
const char* bellis_worker_task(const bellis_worker* worker) { return worker->task.c_str(); }
int bellis_worker_slot(const bellis_worker* worker) {
  return static_cast<int>(worker->worker->slot());
}
const char* bellis_worker_leave_reason(const bellis_worker* worker) {
  return worker->leave_reason.c_str();
}

int bellis_block_complete(bellis_block* block) {
  return HandBack(block, [](bellis::BlockHandle&) {});
}
int bellis_block_finish(bellis_block* block) {
  return HandBack(block, [](bellis::BlockHandle& handle) { handle.Finish(); });
}
int bellis_block_fail(bellis_block* block, const char* why) {
  return HandBack(block, [why](bellis::BlockHandle& handle) {
    handle.Fail(why == nullptr ? std::string() : std::string(why));
  });
}
int bellis_block_return(bellis_block* block) {
  return HandBack(block, [](bellis::BlockHandle& handle) { handle.Return(); });
}

void bellis_block_set_error(bellis_block* block, const char* why) {
  Guarded([&] {
    block->error = why == nullptr ? "" : why;
    return int{BELLIS_OK};
  });
}

int bellis_block_dims(const bellis_block* block) { return block->block->read_roi().rank(); }
void bellis_block_read_roi(const bellis_block* block, int64_t* offset, int64_t* shape) {
  Copy(block->block->read_roi(), offset, shape);
}
void bellis_block_write_roi(const bellis_block* block, int64_t* offset, int64_t* shape) {
  Copy(block->block->write_roi(), offset, shape);
}
int64_t bellis_block_id(const bellis_block* block) { return block->block->id(); }
int64_t bellis_block_index(const bellis_block* block) {
  return static_cast<int64_t>(block->block->index());
}
int bellis_block_attempt(const bellis_block* block) {
  return static_cast<int>(block->block->attempt());
}
int64_t bellis_block_lease(const bellis_block* block) {
  return static_cast<int64_t>(block->block->lease().value);
}
