#include "broker/journal/journal.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "broker/journal/state_dir.h"

namespace bellis {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kRetry = std::chrono::seconds(1);
/// How long Load waits while the disk cannot be written.
constexpr auto kLoadWait = std::chrono::seconds(5);

}  // namespace

struct Journal::Impl {
  JournalOptions options;
  StateDir dir;
  Store store;
  std::mutex store_mutex;  // held by the thread to write, by Load to read

  mutable std::mutex mutex;  // protects all members below
  std::condition_variable to_thread;
  std::condition_variable to_owner;
  std::vector<Record> queue;
  size_t queued = 0;  // records, each block of a run counted
  Clock::time_point first_queued;
  uint64_t appended = 0;
  uint64_t committed = 0;
  std::string trouble;
  bool now = false;
  bool closing = false;
  bool ended = false;

  std::thread thread;

  Impl(JournalOptions o, StateDir d, Store s)
      : options(std::move(o)), dir(std::move(d)), store(std::move(s)) {}

  void Run() {
    std::unique_lock lock(mutex);
    std::vector<Record> batch;  // it and the queue change places, so that both keep their memory
    while (true) {
      to_thread.wait(lock, [this] { return !queue.empty() || closing; });
      const auto due = first_queued + std::chrono::nanoseconds(options.group.ns);
      to_thread.wait_until(lock, due,
                           [this] { return now || closing || queued >= options.group_records; });
      batch.clear();
      batch.swap(queue);
      queued = 0;
      now = false;
      if (batch.empty() && closing) break;
      if (!Commit(batch, lock)) break;
    }
    ended = true;
    to_owner.notify_all();
  }

  /// Returns false if the journal is closed before the batch could be written.
  bool Commit(const std::vector<Record>& batch, std::unique_lock<std::mutex>& lock) {
    while (true) {
      const bool last_try = closing;
      lock.unlock();
      Status written = OkStatus();
      {
        const std::lock_guard hold(store_mutex);
        written = store.Write(batch);
        // A failed commit (no space left, say) changes nothing, and is tried again.
        if (written.ok() && store.CompactionIsDue()) static_cast<void>(store.Compact().ok());
        // On a full disk, emptying the log may free the space that is missing.
        if (!written.ok()) static_cast<void>(store.Checkpoint().ok());
      }
      lock.lock();
      const bool was_in_trouble = !trouble.empty();
      trouble = written.ok() ? "" : written.error().message;
      if (written.ok()) {
        committed += batch.size();
      }
      to_owner.notify_all();
      if (options.wake && (written.ok() || !was_in_trouble)) options.wake();
      if (written.ok()) return true;
      if (last_try) return false;
      to_thread.wait_for(lock, kRetry, [this] { return closing; });
    }
  }
};

Journal::Journal(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {
  impl_->thread = std::thread([this] { impl_->Run(); });
}

Journal::~Journal() { static_cast<void>(Close().ok()); }

Result<std::unique_ptr<Journal>> Journal::Open(const JournalOptions& options, Saved* saved) {
  auto dir = StateDir::Take(options.dir);
  if (!dir.ok()) return dir.error();
  auto store = Store::Open(dir->Inside("progress.sqlite"), options.durability, dir->path());
  if (!store.ok()) return store.error();
  auto read = store->ReadSaved();
  if (!read.ok()) return read.error();
  *saved = std::move(*read);
  return std::unique_ptr<Journal>(
      new Journal(std::make_unique<Impl>(options, std::move(*dir), std::move(*store))));
}

void Journal::Append(std::vector<Record>&& records) {
  if (records.empty()) return;
  const std::lock_guard hold(impl_->mutex);
  const bool first = impl_->queue.empty();
  impl_->appended += records.size();
  for (Record& record : records) {
    const auto* done = std::get_if<BlockDone>(&record);
    impl_->queued += done != nullptr ? done->count : 1;
    impl_->queue.push_back(std::move(record));
  }
  records.clear();
  if (first) impl_->first_queued = Clock::now();
  if (first || impl_->queued >= impl_->options.group_records) impl_->to_thread.notify_one();
}

void Journal::CommitNow() {
  const std::lock_guard hold(impl_->mutex);
  if (impl_->queue.empty() || std::exchange(impl_->now, true)) return;
  impl_->to_thread.notify_one();
}

Journal::State Journal::Poll() const {
  const std::lock_guard hold(impl_->mutex);
  return {impl_->committed, impl_->trouble};
}

Result<std::vector<TaskProgress>> Journal::Load(JobNumber job) {
  {
    std::unique_lock lock(impl_->mutex);
    impl_->now = true;
    impl_->to_thread.notify_one();
    const bool flushed = impl_->to_owner.wait_for(
        lock, kLoadWait, [this] { return impl_->committed == impl_->appended || impl_->ended; });
    if (!flushed) return Error{ErrorCode::kStorage, impl_->trouble};
  }
  const std::lock_guard hold(impl_->store_mutex);
  return impl_->store.ReadProgress(job);
}

Status Journal::Close() {
  {
    const std::lock_guard hold(impl_->mutex);
    impl_->closing = true;
    impl_->to_thread.notify_one();
  }
  if (impl_->thread.joinable()) {
    impl_->thread.join();
    // Not necessary, but afterwards one file holds everything.
    static_cast<void>(impl_->store.Checkpoint().ok());
  }
  const std::lock_guard hold(impl_->mutex);
  if (impl_->committed == impl_->appended) return OkStatus();
  return Error{ErrorCode::kStorage, std::to_string(impl_->appended - impl_->committed) +
                                        " records could not be written: " + impl_->trouble};
}

}  // namespace bellis
