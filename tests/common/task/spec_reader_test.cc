#include "common/task/spec_reader.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "common/task/job_rules.h"
#include "tests/common/task/sample_job.h"

namespace bellis {
namespace {

using nlohmann::json;

JobSpec Read(const json& tree) {
  const auto job = ReadJobSpec(tree);
  EXPECT_TRUE(job.ok()) << job.error().message;
  return job.ok() ? *job : JobSpec{};
}

JobSpec ReadToml(const std::string& text) {
  const auto job = ReadPipelineToml(text, "sample.toml");
  EXPECT_TRUE(job.ok()) << job.error().message;
  return job.ok() ? *job : JobSpec{};
}

std::string TomlError(const std::string& text) {
  const auto job = ReadPipelineToml(text, "sample.toml");
  if (job.ok()) return "";
  EXPECT_EQ(job.error().code, ErrorCode::kInvalidSpec);
  return job.error().message;
}

TEST(SpecReader, FillsInTheDefaults) {
  const JobSpec job = Read(json::parse(R"({"tasks": [{
      "task_id": "a", "external_workers": true, "total_roi": [[0], [10]],
      "read_roi": [[0], [1]], "write_roi": [[0], [1]]}]})"));
  JobSpec expected;
  expected.name = "job";
  expected.tasks.resize(1);
  TaskSpec& task = expected.tasks[0];
  task.task_id = "a";
  task.total_roi = Roi({0}, {10});
  task.read_roi = Roi({0}, {1});
  task.write_roi = Roi({0}, {1});
  task.fit = Fit::kValid;
  task.read_write_conflict = Conflict::kOrdered;
  task.order = Order::kDeepest;
  task.max_retries = 2;
  task.timeout = Duration{0};
  task.max_worker_restarts = 10;
  task.external_workers = true;
  task.min_workers = 0;
  EXPECT_EQ(job, expected);
}

TEST(SpecReader, ReadsEveryField) {
  const JobSpec job = Read(json::parse(R"({
      "name": "all of it", "serial": true, "cwd": "/data", "log_dir": "logs", "env": {"A": "1"},
      "tasks": [{
        "task_id": "a", "total_roi": {"offset": [-5, 7], "shape": [100, 0]},
        "read_roi": [[0, 0], [4, 4]], "write_roi": {"offset": [1, 1], "shape": [2, 2]},
        "fit": "overhang", "read_write_conflict": false, "order": "fifo", "max_retries": 0,
        "chunk_shape": [64, 32], "check": ["c", "d"], "post_check": {"command": ["p"], "count": 2},
        "timeout": 1.5, "max_worker_restarts": 3, "min_workers": 8, "release_idle": true,
        "max_failures": 0, "prefetch": 0, "env": {"B": ""},
        "workers": [{"command": ["x", ""], "count": 7, "env": {"C": "="}}, {"command": ["y"]}]},
       {"task_id": "b", "total_roi": [[0, 0], [1, 1]], "read_roi": [[0, 0], [1, 1]],
        "write_roi": [[0, 0], [1, 1]], "fit": "shrink", "upstream": ["a"],
        "read_write_conflict": "exclusive", "external_workers": true}]})"));
  EXPECT_EQ(job.name, "all of it");
  EXPECT_TRUE(job.serial);
  EXPECT_EQ(job.cwd, "/data");
  EXPECT_EQ(job.log_dir, "logs");
  EXPECT_EQ(job.env, (Environment{{"A", "1"}}));
  ASSERT_EQ(job.tasks.size(), 2u);
  const TaskSpec& a = job.tasks[0];
  EXPECT_EQ(a.total_roi, Roi({-5, 7}, {100, 0}));
  EXPECT_EQ(a.read_roi, Roi({0, 0}, {4, 4}));
  EXPECT_EQ(a.write_roi, Roi({1, 1}, {2, 2}));
  EXPECT_EQ(a.fit, Fit::kOverhang);
  EXPECT_EQ(a.read_write_conflict, Conflict::kNone);
  EXPECT_EQ(a.order, Order::kFifo);
  EXPECT_EQ(a.max_retries, 0u);
  EXPECT_EQ(a.timeout, Duration::Millis(1500));
  EXPECT_EQ(a.max_worker_restarts, 3u);
  EXPECT_EQ(a.max_failures, 0u);
  EXPECT_EQ(job.tasks[1].max_failures, std::nullopt);
  EXPECT_EQ(a.min_workers, 8u);
  EXPECT_TRUE(a.release_idle);
  EXPECT_FALSE(job.tasks[1].release_idle);
  EXPECT_EQ(a.prefetch, 0u);
  EXPECT_EQ(job.tasks[1].prefetch, std::nullopt);
  EXPECT_EQ(a.env, (Environment{{"B", ""}}));
  const std::vector<WorkerGroup> groups = {{{"x", ""}, 7, {{"C", "="}}}, {{"y"}, 1, {}}};
  EXPECT_EQ(a.workers, groups);
  EXPECT_EQ(a.num_workers(), 8u);
  EXPECT_EQ(a.chunk_shape, (Coordinate{64, 32}));
  EXPECT_EQ(a.check, (WorkerGroup{{"c", "d"}, 1, {}}));
  EXPECT_EQ(a.post_check, (WorkerGroup{{"p"}, 2, {}}));
  EXPECT_EQ(job.tasks[1].fit, Fit::kShrink);
  EXPECT_EQ(job.tasks[1].read_write_conflict, Conflict::kExclusive);
  EXPECT_EQ(job.tasks[1].upstream, std::vector<std::string>{"a"});
}

TEST(SpecReader, ReadsTheSameFromTomlAsFromATree) {
  json tree = SampleTree();
  tree["tasks"][0]["fit"] = "shrink";
  tree["tasks"][0]["timeout"] = 2.5;
  tree["tasks"][0]["workers"][0]["env"] = {{"OMP_NUM_THREADS", "1"}};
  tree["tasks"][1].erase("workers");
  tree["tasks"][1]["external_workers"] = true;
  EXPECT_EQ(ReadToml(kSampleToml), Read(tree));
}

TEST(SpecReader, AcceptsAnyCharactersInTaskIdsThatAFolderCanTake) {
  for (const char* id : {"a:b", "a=b", "a/b", "100%", "a b", "...", "übung", "\t", "日本", "\\"}) {
    json tree = SampleTree();
    tree["tasks"][1]["task_id"] = id;
    EXPECT_EQ(Read(tree).tasks[1].task_id, id);
  }
}

TEST(SpecReader, AcceptsATotalRoiThatIsSmallerThanABlock) {
  json tree = SampleTree();
  tree["tasks"][0]["total_roi"] = {{3, 3}, {0, 1}};
  EXPECT_EQ(Read(tree).tasks[0].total_roi, Roi({3, 3}, {0, 1}));
}

TEST(SpecReader, AcceptsTheWholeWorld) {
  json tree = SampleTree();
  constexpr int64_t kBlock = int64_t{1} << 42;
  tree["tasks"][0]["total_roi"] = {{1 - kWorldMax, 0}, {2 * kWorldMax - 2, kWorldMax - 1}};
  tree["tasks"][0]["read_roi"] = {{-1, 0}, {kBlock + 2, kBlock + 1}};
  tree["tasks"][0]["write_roi"] = {{0, 0}, {kBlock, kBlock}};
  tree["tasks"][0]["fit"] = "valid";
  EXPECT_EQ(Read(tree).tasks[0].total_roi.end(), (Coordinate{kWorldMax - 1, kWorldMax - 1}));
}

TEST(SpecReader, AcceptsAWriteRoiElsewhereWithoutConflict) {
  json tree = SampleTree();
  tree["tasks"][0]["write_roi"] = {{50, -50}, {10, 10}};
  EXPECT_FALSE(ReadJobSpec(tree).ok());
  tree["tasks"][0]["read_write_conflict"] = false;
  EXPECT_EQ(Read(tree).tasks[0].write_roi, Roi({50, -50}, {10, 10}));
}

TEST(SpecReader, ReadsTimeoutsToTheMicrosecond) {
  const auto timeout = [](const json& seconds) {
    json tree = SampleTree();
    tree["tasks"][0]["timeout"] = seconds;
    return Read(tree).tasks[0].timeout.ns;
  };
  EXPECT_EQ(timeout(0), 0);
  EXPECT_EQ(timeout(0.0), 0);
  EXPECT_EQ(timeout(60), 60'000'000'000);
  EXPECT_EQ(timeout(0.29), 290'000'000);
  EXPECT_EQ(timeout(1e-6), 1000);
  EXPECT_EQ(timeout(1e-300), 1000);  // above 0, so not "none"
  EXPECT_EQ(timeout(kTimeoutSecondsMax), kTimeoutSecondsMax * 1'000'000'000);
}

TEST(SpecReader, WritesWhatItReads) {
  for (const json& tree : {SampleTree(), JobSpecToJson(ReadToml(kSampleToml))}) {
    const JobSpec job = Read(tree);
    EXPECT_EQ(Read(JobSpecToJson(job)), job);
    EXPECT_EQ(Read(json::parse(JobSpecToJson(job).dump())), job);
  }
}

TEST(SpecReader, LeavesDefaultsOut) {
  json tree = SampleTree();
  tree["name"] = "job";
  json written = JobSpecToJson(Read(tree));
  tree.erase("name");
  EXPECT_EQ(written, tree);
}

/// Makes jobs of random fields that obey the rules.
class RandomJobs {
 public:
  JobSpec Make() {
    JobSpec job;
    const int rank = static_cast<int>(Number(1, kRankMax));
    if (Coin()) job.name = Word();
    job.serial = Coin();
    if (Coin()) job.cwd = "/" + Word();
    if (Coin()) job.log_dir = Word();
    if (Coin()) job.origin = {.user = Word(), .submitted_at = 7, .run = Word()};
    job.env = Env();
    const int64_t tasks = Number(1, 6);
    for (int64_t t = 0; t < tasks; ++t) job.tasks.push_back(Task(job, rank));
    return job;
  }

 private:
  int64_t Number(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random_);
  }
  bool Coin() { return Number(0, 1) == 1; }
  std::string Word() {
    constexpr const char* kPieces[] = {"a", "Z", "0", "_", ":",  "=",
                                       "/", "%", " ", "é", "\"", "\t"};
    std::string word;
    for (int64_t i = Number(1, 8); i > 0; --i) word += kPieces[Number(0, 11)];
    return word;
  }
  Environment Env() {
    Environment env;
    for (int64_t i = Number(0, 2); i > 0; --i) env["V" + std::to_string(i)] = Word();
    return env;
  }
  TaskSpec Task(const JobSpec& job, int rank) {
    TaskSpec task;
    task.task_id = std::to_string(job.tasks.size()) + Word();
    Coordinate offset = Coordinate::Filled(rank, 0);
    Coordinate shape = offset;
    Coordinate lo = offset;
    Coordinate hi = offset;
    Coordinate block = offset;
    for (int d = 0; d < rank; ++d) {
      offset[d] = Number(-kWorldMax, kWorldMax / 2);
      block[d] = Number(1, kWorldMax >> 8);
      shape[d] = Number(0, 20) * block[d] + Number(0, block[d] - 1);
      lo[d] = Number(0, 100);
      hi[d] = Number(0, 100);
    }
    task.total_roi = Roi(offset, shape);
    task.write_roi = Roi(lo, block);
    task.read_roi = *task.write_roi.Grow(lo, hi);
    task.fit = static_cast<Fit>(Number(0, 2));
    task.order = static_cast<Order>(Number(0, 1));
    task.read_write_conflict = static_cast<Conflict>(Number(0, 2));
    if (Coin()) task.check = WorkerGroup{{Word()}, 3, Env()};
    if (Coin()) task.post_check = WorkerGroup{{Word(), Word()}, 1, {}};
    if (Coin()) task.chunk_shape = block;
    if (Coin()) {
      task.mask = MaskSpec{offset, block, Coordinate::Filled(rank, 3), "", ""};
      for (uint64_t i = 0; i < MaskBytes(task.mask->shape); ++i) {
        task.mask->bits.push_back(static_cast<char>(Number(-128, 127)));
      }
    }
    task.max_retries = static_cast<uint32_t>(Number(0, kRetriesMax));
    task.max_worker_restarts = static_cast<uint32_t>(Number(0, kWorkerRestartsMax));
    if (Coin()) task.max_failures = static_cast<uint32_t>(Number(0, kFailuresMax));
    if (Coin()) task.timeout = Duration{Number(0, kTimeoutSecondsMax * 1'000'000) * 1000};
    task.env = Env();
    task.external_workers = Coin();
    task.release_idle = Coin();
    if (Coin()) task.prefetch = static_cast<uint32_t>(Number(0, kPrefetchMax));
    if (Coin() || !task.external_workers) task.workers.push_back({{Word(), Word()}, 5, Env()});
    if (Coin()) task.workers.push_back({{"python", "-c", ""}, 1, {}});
    if (Coin()) task.min_workers = static_cast<uint32_t>(task.num_workers());
    for (const TaskSpec& upstream : job.tasks) {
      if (Coin()) task.upstream.push_back(upstream.task_id);
    }
    return task;
  }

  std::mt19937_64 random_{11};
};

TEST(SpecReader, RoundTripsRandomJobs) {
  RandomJobs jobs;
  for (int round = 0; round < 500; ++round) {
    const JobSpec job = jobs.Make();
    ASSERT_EQ(Read(json::from_msgpack(json::to_msgpack(JobSpecToJson(job)))), job);
  }
}

TEST(PipelineToml, ErrorsNameFileAndLine) {
  EXPECT_EQ(TomlError(Replaced(kSampleToml, "\"shrink\"", "\"shrnk\"")),
            "sample.toml:8: tasks[0].fit is \"shrnk\"; \"valid\", \"overhang\" or \"shrink\"");
  EXPECT_EQ(TomlError(Replaced(kSampleToml, "count = 2", "count = -2")),
            "sample.toml:13: tasks[0].workers[0].count is -2; a whole number from 1 to 100000");
  EXPECT_EQ(TomlError(Replaced(kSampleToml, "timeout = 2.5", "time_out = 2.5")),
            "sample.toml:9: tasks[0].time_out is not a known field; did you mean timeout?");
  EXPECT_EQ(TomlError(Replaced(kSampleToml, "timeout = 2.5", "timeout = nan")),
            "sample.toml:9: tasks[0].timeout is nan; a number of seconds, 0 (none) to 315360000 "
            "(ten years)");
  EXPECT_EQ(TomlError(Replaced(kSampleToml, "count = 2", "count = 2.0")),
            "sample.toml:13: tasks[0].workers[0].count is 2.0; a whole number from 1 to 100000");
  EXPECT_EQ(TomlError(Replaced(kSampleToml, "upstream = [\"blur\"]", "upstream = [\n\"x\"]")),
            "sample.toml:22: tasks[1].upstream[0] is \"x\", no task of this job; known: \"blur\", "
            "\"label\"");
  EXPECT_EQ(
      TomlError(Replaced(kSampleToml, "shape = [100, 100]", "shape = [2305843009213690000, 12]")),
      "sample.toml:5: tasks[0].total_roi makes a grid of (230584300921369000, 1) blocks, whose "
      "ids do not fit in a signed 64-bit integer; fewer or larger blocks");
  EXPECT_EQ(TomlError(Replaced(kSampleToml, "[[1, 1], [10, 10]]", "[[1, 1], [10, 0]]")),
            "sample.toml:7: tasks[0].write_roi.shape[1] is 0; at least 1");
}

TEST(PipelineToml, ErrorsAboutWhatIsMissingNameTheLineOfTheTable) {
  EXPECT_EQ(TomlError(Replaced(kSampleToml, "task_id = \"label\"\n", "")),
            "sample.toml:16: tasks[1].task_id is missing; a string");
  EXPECT_EQ(TomlError(Replaced(kSampleToml, "external_workers = true\n", "")),
            "sample.toml:16: tasks[1].workers is missing; at least one {command = [...]}, or "
            "external_workers = true");
  EXPECT_EQ(TomlError("name = \"a\""), "sample.toml: tasks is missing; an array of tables");
  EXPECT_EQ(TomlError(""), "sample.toml: tasks is missing; an array of tables");
}

TEST(PipelineToml, SyntaxErrorsNameFileAndLine) {
  const std::string broken = TomlError(Replaced(kSampleToml, "count = 2", "count = = 2"));
  EXPECT_EQ(broken.rfind("sample.toml:13: ", 0), 0u) << broken;
  const std::string twice = TomlError(Replaced(kSampleToml, "count = 2", "count = 2\ncount = 3"));
  EXPECT_EQ(twice.rfind("sample.toml:14: ", 0), 0u) << twice;
  const std::string open = TomlError("name = \"a");
  EXPECT_EQ(open.rfind("sample.toml:1: ", 0), 0u) << open;
  const std::string huge = TomlError("serial = 99999999999999999999");
  EXPECT_EQ(huge.rfind("sample.toml:1: ", 0), 0u) << huge;
  EXPECT_NE(TomlError("name = \"\xFF\""), "");
}

TEST(PipelineToml, RefusesDates) {
  EXPECT_EQ(TomlError(Replaced(kSampleToml, "2.5", "1979-05-27")),
            "sample.toml:9: tasks[0].timeout is a date or a time; a string, a number, true or "
            "false, an array or a table");
}

TEST(PipelineToml, RefusesLongText) {
  EXPECT_EQ(TomlError(std::string((1 << 20) + 1, '\n')),
            "sample.toml: has more than 1048576 bytes");
  EXPECT_EQ(TomlError(std::string(1 << 20, '\n')),
            "sample.toml: tasks is missing; an array of tables");
}

TEST(PipelineToml, TakesTextWithAByteOrderMarkAndWindowsLines) {
  std::string text = "\xEF\xBB\xBF";
  for (const char* c = kSampleToml; *c != '\0'; ++c)
    text += *c == '\n' ? "\r\n" : std::string(1, *c);
  EXPECT_EQ(ReadToml(text), ReadToml(kSampleToml));
}

TEST(PipelineToml, ErrorsNameTextThatTheParserCannotHandle) {
  EXPECT_EQ(TomlError("serial = true\nname = \u201Cx\u201D"),
            "sample.toml:2: has \"\u201C\" outside of a string");
  EXPECT_EQ(TomlError("[="),
            "sample.toml:1: Error while parsing key: expected bare key starting character "
            "or string delimiter, saw '='");
}

TEST(PipelineToml, DoesNotNeedAName) {
  EXPECT_EQ(ReadToml(Replaced(kSampleToml, "name = \"sample\"", "")).name, "job");
}

}  // namespace
}  // namespace bellis
