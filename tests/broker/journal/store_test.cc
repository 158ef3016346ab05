// The store against a model in plain maps: any records in any order, with compactions and
// reopenings in between.

#include "broker/journal/store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "tests/broker/journal/kept_jobs.h"
#include "tests/broker/journal/record_model.h"
#include "tests/folder.h"

namespace bellis::test {
namespace {

/// A record that a broker could write now.
Record RandomRecord(const RecordModel& model, std::mt19937_64* random) {
  const auto pick = [random](uint64_t below) { return (*random)() % below; };
  std::vector<JobNumber> jobs;
  for (const auto& [number, job] : model.jobs()) jobs.push_back(number);
  if (jobs.empty() || pick(40) == 0) {
    // A job that exists begins again with a changed spec, but as many tasks.
    const JobNumber number(1 + pick(4));
    const auto there = model.jobs().find(number);
    const size_t tasks =
        there == model.jobs().end() ? 1 + pick(3) : there->second.spec.tasks.size();
    JobSpec spec = Spec(tasks);
    spec.tasks[0].paused = pick(2) == 0;
    return JobBegun{number, "job-" + std::to_string(number.value), spec};
  }
  const JobNumber job = jobs[pick(jobs.size())];
  const auto t = static_cast<TaskIndex>(pick(model.jobs().at(job).spec.tasks.size()));
  const BlockIndex block = pick(2) == 0 ? pick(100) : kChunkBlocks - 50 + pick(100);
  switch (pick(20)) {
    case 0: return Marks{1 + pick(1000), 1 + pick(1000)};
    case 1: return JobOver{job, JobState::kFailed, "why \xff not", {BlockCounts{1, 2, 3}}};
    case 2: return JobReopened{job};
    case 3:
      if (pick(4) == 0) return JobForgotten{job};
      [[fallthrough]];
    case 4: return SessionOver{WorkerId(1 + pick(5))};
    case 5: {
      Session session;
      session.worker = WorkerId(1 + pick(5));
      session.key = (*random)() >> 1;
      session.job = job;
      session.task = t;
      session.duty = Duty::kPostCheck;
      session.group = 3;
      session.heartbeat_ms = 500;
      session.lease_ms = 2000 + static_cast<uint32_t>(pick(2));
      session.language = "c++";
      session.process = {"host", "machine", 17};
      session.launched = pick(2) == 0;
      session.launcher = {"host", "machine", 18};
      session.slot = static_cast<uint32_t>(pick(4));
      session.replaced.assign(pick(3), (*random)() >> 1);
      if (!session.launched) session.starter = WorkerId(pick(3));
      session.vacant = pick(2) == 0;
      return SessionBegun{session};
    }
    case 6:
    case 7:
    case 8: {
      if (!model.open(job, t, block)) break;
      FailureRecord failure{static_cast<CantorId>(block) - 3, block,
                            1 + static_cast<uint32_t>(pick(3)), WorkerId(1 + pick(9)), "no"};
      return AttemptFailed{job, t, failure, pick(2) == 0};
    }
    default: break;
  }
  if (!model.open(job, t, block)) return Marks{1 + pick(1000), 1 + pick(1000)};
  if (pick(5) == 0) return BlockDone{job, t, block, true};
  return BlockDone{job, t, block, false, pick(2) == 0 ? "c++" : "python", pick(1000)};
}

Store Opened(const Folder& folder) {
  auto store = Store::Open(folder / "progress.sqlite", Durability::kOs);
  EXPECT_TRUE(store.ok()) << store.error().message;
  return std::move(*store);
}

void ExpectAsIn(const RecordModel& model, Store* store) {
  auto saved = store->ReadSaved();
  ASSERT_TRUE(saved.ok()) << saved.error().message;
  Saved expected = model.saved();
  // A worker's text that is not UTF-8 is stored byte for byte in a column of text.
  EXPECT_EQ(saved->jobs, expected.jobs);
  EXPECT_EQ(saved->sessions, expected.sessions);
  EXPECT_EQ(saved->marks, expected.marks);
  for (const auto& [number, job] : model.jobs()) {
    auto progress = store->ReadProgress(number);
    ASSERT_TRUE(progress.ok()) << progress.error().message;
    EXPECT_EQ(*progress, model.progress(number));
  }
}

TEST(Store, HasTheStateThatTheRecordsAddUpTo) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const Folder folder;
    RecordModel model;
    Store store = Opened(folder);
    for (int step = 0; step < 25; ++step) {
      std::vector<Record> batch;
      for (uint64_t n = random() % 60; n > 0; --n) {
        batch.push_back(RandomRecord(model, &random));
        model.Take(batch.back());
      }
      const Status written = store.Write(batch);
      ASSERT_TRUE(written.ok()) << written.error().message;
      if (random() % 4 == 0) {
        ASSERT_TRUE(store.Compact().ok());
      }
      if (random() % 5 == 0) {
        { const Store gone = std::move(store); }
        store = Opened(folder);
      }
      ExpectAsIn(model, &store);
      if (HasFailure()) return;
    }
  }
}

TEST(Store, KeepsTheFirstHundredFailuresAndCountsAll) {
  const Folder folder;
  Store store = Opened(folder);
  std::vector<Record> records{JobBegun{JobNumber(1), "job", Spec(1)}};
  for (BlockIndex b = 0; b < 250; ++b) {
    records.push_back(AttemptFailed{JobNumber(1), 0, {0, b, 1, WorkerId(1), "no"}, true});
  }
  ASSERT_TRUE(store.Write(records).ok());
  const auto progress = store.ReadProgress(JobNumber(1));
  ASSERT_TRUE(progress.ok());
  EXPECT_EQ(progress->at(0).failures.size(), 100u);
  EXPECT_EQ(progress->at(0).failures_total, 250u);
  EXPECT_EQ(progress->at(0).failed, (std::vector<BlockRun>{{0, 250}}));
}

TEST(Store, RefusesAFileThatIsNotADatabase) {
  const Folder folder;
  std::ofstream(folder / "progress.sqlite") << std::string(10'000, 'x');
  const auto store = Store::Open(folder / "progress.sqlite", Durability::kFull);
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.error().code, ErrorCode::kStorage);
  EXPECT_NE(store.error().message.find("progress.sqlite"), std::string::npos)
      << store.error().message;
}

TEST(Store, RefusesAnotherFormat) {
  const Folder folder;
  { const Store store = Opened(folder); }
  auto db = Database::Open(folder / "progress.sqlite");
  ASSERT_TRUE(db.ok());
  ASSERT_TRUE(db->Execute("PRAGMA user_version=7").ok());
  { const Database closed = std::move(*db); }
  const auto store = Store::Open(folder / "progress.sqlite", Durability::kFull);
  ASSERT_FALSE(store.ok());
  EXPECT_EQ(store.error().message, "the state directory has format 7; this broker reads format 3");
}

/// Stores a job with one completed block.
RecordModel WriteAJob(const Folder& folder) {
  RecordModel model;
  Store store = Opened(folder);
  const std::vector<Record> records{JobBegun{JobNumber(1), "job", Spec(1)}, Marks{17, 18},
                                    BlockDone{JobNumber(1), 0, 5}};
  for (const Record& record : records) model.Take(record);
  EXPECT_TRUE(store.Write(records).ok());
  return model;
}

TEST(Store, UpgradesADirectoryOfTheFormatWithoutSums) {
  const Folder folder;
  const RecordModel model = WriteAJob(folder);
  {
    auto db = Database::Open(folder / "progress.sqlite");
    ASSERT_TRUE(db.ok());
    ASSERT_TRUE(db->Execute("DROP TABLE head; PRAGMA user_version=1").ok());
  }
  std::filesystem::remove(folder / "acknowledged");
  {
    Store store = Opened(folder);
    ExpectAsIn(model, &store);
  }
  Store again = Opened(folder);
  ExpectAsIn(model, &again);
}

TEST(Store, UpgradesADirectoryOfTheFormatWithoutLanguages) {
  const Folder folder;
  RecordModel model = WriteAJob(folder);
  {
    auto db = Database::Open(folder / "progress.sqlite");
    ASSERT_TRUE(db.ok());
    std::string name, sums;
    int64_t commits = 0;
    {
      auto head = db->Prepare("SELECT database, commits, sums FROM head");
      ASSERT_TRUE(head.ok() && *head->Step());
      name = head->Bytes(0);
      commits = head->Int(1);
      sums = head->Bytes(2);
    }
    const size_t at = sums.find("languages=");
    sums.erase(at, sums.find(' ', at) + 1 - at);
    const std::string text = name + " " + std::to_string(commits) + " " + sums;
    const auto* bytes = reinterpret_cast<const Bytef*>(text.data());
    ASSERT_TRUE(
        db->Execute("DROP TABLE languages; PRAGMA user_version=2; UPDATE head SET sums = '" + sums +
                    "', sum = " + std::to_string(crc32_z(0, bytes, text.size())))
            .ok());
  }
  for (int i = 0; i < 2; ++i) {
    Store store = Opened(folder);
    ExpectAsIn(model, &store);
    const Record more = BlockDone{JobNumber(1), 0, static_cast<BlockIndex>(6 + i), false, "c++", 7};
    model.Take(more);
    ASSERT_TRUE(store.Write({more}).ok());
    ExpectAsIn(model, &store);
  }
}

TEST(Store, NamesADamagedRowThatCannotBeReadElseItsTable) {
  const std::vector<std::pair<std::string, std::string>> damages{
      {"UPDATE groups SET data = zeroblob(length(data))", "table groups, row 1: "},
      {"UPDATE jobs SET state = 'mad'", "table jobs, row 1: state is \"mad\""},
      {"UPDATE jobs SET spec = substr(spec, 2)", "table jobs, row 1: spec"},
      {"UPDATE sessions SET data = '{'", "table sessions, row 3: "},
      {"UPDATE tasks SET failures = failures + 1", "table tasks"},
  };
  for (const auto& [sql, named] : damages) {
    SCOPED_TRACE(sql);
    const Folder folder;
    {
      Store store = Opened(folder);
      Session session;
      session.worker = WorkerId(3);
      session.job = JobNumber(1);
      const FailureRecord failure{6, 6, 1, WorkerId(3), "no"};
      ASSERT_TRUE(store
                      .Write({JobBegun{JobNumber(1), "job", Spec(1)}, SessionBegun{session},
                              BlockDone{JobNumber(1), 0, 5},
                              AttemptFailed{JobNumber(1), 0, failure, false}})
                      .ok());
    }
    {
      auto db = Database::Open(folder / "progress.sqlite");
      ASSERT_TRUE(db.ok() && db->Execute(sql).ok());
    }
    const auto store = Store::Open(folder / "progress.sqlite", Durability::kFull);
    ASSERT_FALSE(store.ok());
    EXPECT_NE(store.error().message.find(named), std::string::npos) << store.error().message;
  }
}

TEST(Store, WithoutSyncsACrashOfTheMachineMayLoseCommitsButNoIdIsGivenTwice) {
  const Folder folder;
  const std::string wal = folder / "progress.sqlite-wal";
  const std::string before = folder / "before";
  {
    Store store = Opened(folder);
    ASSERT_TRUE(store.Write({JobBegun{JobNumber(1), "job", Spec(1)}, Marks{100, 10}}).ok());
    ASSERT_TRUE(store.Checkpoint().ok());
    std::filesystem::copy(folder / "progress.sqlite", before);
    ASSERT_TRUE(store.Write({BlockDone{JobNumber(1), 0, 5}, Marks{200, 20}}).ok());
  }
  std::filesystem::remove(wal);
  std::filesystem::rename(before, folder / "progress.sqlite");
  const auto same_boot = Store::Open(folder / "progress.sqlite", Durability::kOs);
  ASSERT_FALSE(same_boot.ok());
  EXPECT_NE(same_boot.error().message.find("was acknowledged"), std::string::npos);
  {
    auto file = Acknowledged::Open(folder / "acknowledged");
    ASSERT_TRUE(file.ok());
    Acknowledged::Entry last = file->last();
    last.boot = "another";
    ASSERT_TRUE(file->Write(last).ok());
  }
  Store store = Opened(folder);
  EXPECT_EQ(store.ReadSaved()->marks, (Marks{200, 20}));
  ASSERT_TRUE(store.Write({BlockDone{JobNumber(1), 0, 6}}).ok());
  { const Store gone = std::move(store); }
  Store again = Opened(folder);
  EXPECT_EQ(again.ReadSaved()->marks, (Marks{200, 20}));
}

/// While this object lives, the process cannot write to its descriptor of `acknowledged`.
class Unwritable {
 public:
  explicit Unwritable(const std::string& path) {
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code unreadable;
      if (std::filesystem::read_symlink(entry, unreadable) == path) {
        fd_ = std::stoi(entry.path().filename());
      }
    }
    kept_ = dup(fd_);
    const int other = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    dup2(other, fd_);
    close(other);
  }
  ~Unwritable() {
    dup2(kept_, fd_);
    close(kept_);
  }
  Unwritable(const Unwritable&) = delete;
  Unwritable& operator=(const Unwritable&) = delete;

 private:
  int fd_ = -1;
  int kept_ = -1;
};

TEST(Store, ABatchThatCouldNotBeAcknowledgedIsNeitherLostNorWrittenTwice) {
  const Folder folder;
  const std::string path = folder / "progress.sqlite";
  auto store = Store::Open(path, Durability::kFull);
  ASSERT_TRUE(store.ok()) << store.error().message;
  const JobNumber job(1);
  RecordModel model;
  const auto written = [&](const std::vector<Record>& batch) {
    const Status status = store->Write(batch);
    if (!status.ok()) {
      EXPECT_NE(status.error().message.find("acknowledged: "), std::string::npos);
      return false;
    }
    for (const Record& record : batch) model.Take(record);
    return true;
  };
  ASSERT_TRUE(written({JobBegun{job, "job", Spec(1)}, BlockDone{job, 0, 1}}));
  const std::vector<Record> failed{AttemptFailed{job, 0, {5, 5, 1, WorkerId(1), "no"}, false}};
  {
    const Unwritable jammed(folder / "acknowledged");
    EXPECT_FALSE(written(failed));
    EXPECT_FALSE(written(failed)) << "and again";
  }
  EXPECT_TRUE(written(failed)) << "the same batch, once the disk is well";
  {
    const Unwritable jammed(folder / "acknowledged");
    EXPECT_FALSE(store->Compact().ok());
  }
  // This batch must be written under its own number, not that of the compaction that failed.
  EXPECT_TRUE(written({BlockDone{job, 0, 2}}));
  for (const bool again : {false, true}) {
    SCOPED_TRACE(again ? "opened again" : "as it is");
    if (again) {
      store = Error{ErrorCode::kStorage, "closed"};
      store = Store::Open(path, Durability::kFull);
      ASSERT_TRUE(store.ok()) << store.error().message;
    }
    const auto progress = store->ReadProgress(job);
    ASSERT_TRUE(progress.ok()) << progress.error().message;
    EXPECT_EQ(*progress, model.progress(job));
  }
}

}  // namespace
}  // namespace bellis::test
