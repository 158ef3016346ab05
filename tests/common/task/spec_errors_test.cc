// Breaks every rule of docs/PIPELINE.md, and expects the exact message.

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/task/job_rules.h"
#include "common/task/pipeline.h"
#include "common/task/spec_reader.h"
#include "tests/common/task/sample_job.h"

namespace bellis {
namespace {

using nlohmann::json;

/// The error for the sample job with `value` put at `pointer`; "" when it is accepted.
std::string ErrorWith(const std::string& pointer, const json& value) {
  json tree = SampleTree();
  tree[json::json_pointer(pointer)] = value;
  const auto job = ReadJobSpec(tree);
  if (job.ok()) return "";
  EXPECT_EQ(job.error().code, ErrorCode::kInvalidSpec);
  return job.error().message;
}

std::string ErrorWithout(const std::string& pointer, const std::string& key) {
  json tree = SampleTree();
  tree[json::json_pointer(pointer)].erase(key);
  const auto job = ReadJobSpec(tree);
  return job.ok() ? "" : job.error().message;
}

struct BadValue {
  const char* pointer;
  const char* value;  // JSON
  const char* message;
};

constexpr BadValue kBadValues[] = {
    // Types at the top.
    {"", "3", "the job is 3; a table"},
    {"", "null", "the job is null; a table"},
    {"/name", "5", "name is 5; a string"},
    {"/serial", "1", "serial is 1; true or false"},
    {"/serial", "\"yes\"", "serial is \"yes\"; true or false"},
    {"/cwd", "[]", "cwd is an empty array; a string"},
    {"/log_dir", "false", "log_dir is false; a string"},
    {"/env", "[\"A=1\"]", "env is an array; a table of strings"},
    {"/env", "{\"A\": 1}", "env.A is 1; a string"},
    {"/tasks", "{}", "tasks is a table; an array of tables"},
    {"/tasks", "[]", "tasks is empty; at least one task"},
    {"/tasks/1", "\"label\"", "tasks[1] is \"label\"; a table"},
    // Unknown fields.
    {"/nmae", "1", "nmae is not a known field; did you mean name?"},
    {"/task", "[]", "task is not a known field; did you mean tasks?"},
    {"/verbose", "true",
     "verbose is not a known field; known here: name, serial, cwd, log_dir, env, tasks"},
    {"/tasks/0/max_retry", "1",
     "tasks[0].max_retry is not a known field; did you mean max_retries?"},
    {"/tasks/0/num_workers", "4",
     "tasks[0].num_workers is not a known field; did you mean workers?"},
    {"/tasks/0/id", "\"a\"", "tasks[0].id is not a known field; did you mean task_id?"},
    {"/tasks/0/max retries", "4",
     "tasks[0].\"max retries\" is not a known field; did you mean max_retries?"},
    {"/tasks/0/workers/0/cmd", "[]",
     "tasks[0].workers[0].cmd is not a known field; known here: command, count, env"},
    {"/tasks/0/total_roi/size", "[1]",
     "tasks[0].total_roi.size is not a known field; known here: offset, shape"},
    {"/tasks/0/total_roi/offsets", "[1]",
     "tasks[0].total_roi.offsets is not a known field; did you mean offset?"},
    // Names.
    {"/name", "\"\"", "name is empty; at least one character"},
    {"/name", "\"two\\nlines\"", "name is \"two\\nlines\"; a name of one line"},
    {"/name", "\"nul\\u0000\"", "name is \"nul\\x00\"; text without NUL characters"},
    {"/tasks/0/task_id", "7", "tasks[0].task_id is 7; a string"},
    {"/tasks/0/task_id", "\"\"", "tasks[0].task_id is empty; at least one character"},
    {"/tasks/0/task_id", "\"a\\nb\"", "tasks[0].task_id is \"a\\nb\"; a name of one line"},
    {"/tasks/0/task_id", "\"a\\u0000b\"",
     "tasks[0].task_id is \"a\\x00b\"; text without NUL characters"},
    {"/tasks/0/task_id", "\".\"", "tasks[0].task_id is \".\"; a name that can be a folder's"},
    {"/tasks/0/task_id", "\"..\"", "tasks[0].task_id is \"..\"; a name that can be a folder's"},
    {"/cwd", "\"a\\u0000\"", "cwd is \"a\\x00\"; text without NUL characters"},
    {"/log_dir", "\"a\\u0000\"", "log_dir is \"a\\x00\"; text without NUL characters"},
    // Choices.
    {"/tasks/0/fit", "\"vaild\"",
     "tasks[0].fit is \"vaild\"; \"valid\", \"overhang\" or \"shrink\""},
    {"/tasks/0/fit", "true", "tasks[0].fit is true; \"valid\", \"overhang\" or \"shrink\""},
    {"/tasks/0/order", "\"lifo\"", "tasks[0].order is \"lifo\"; \"deepest\" or \"fifo\""},
    {"/tasks/0/read_write_conflict", "\"always\"",
     "tasks[0].read_write_conflict is \"always\"; true, false or \"exclusive\""},
    {"/tasks/0/read_write_conflict", "0",
     "tasks[0].read_write_conflict is 0; true, false or \"exclusive\""},
    {"/tasks/0/mask", R"({"offset": [0], "voxel_size": [1, 1], "file": "m.npy"})",
     "tasks[0].mask.offset has 1 dimensions; 2, as total_roi has"},
    {"/tasks/0/mask", R"({"offset": [0, 0], "voxel_size": [1, 0], "file": "m.npy"})",
     "tasks[0].mask.voxel_size[1] is 0; 1 to 2305843009213693952 (2^61)"},
    {"/tasks/0/mask", R"({"offset": [0, 0], "voxel_size": [1, 1], "shape": [2, 2]})",
     "tasks[0].mask.bits is missing; file = \"....npy\", or in a message bits"},
    {"/tasks/0/mask", R"({"offset": [0, 0], "voxel_size": [1, 1], "shape": [2, 2], "bits": "x"})",
     "tasks[0].mask.bits is \"x\"; binary data"},
    {"/tasks/0/check", "[]", "tasks[0].check.command is empty; a program and its arguments"},
    {"/tasks/0/check", "\"ls\"", "tasks[0].check is \"ls\"; an array of strings"},
    {"/tasks/0/post_check", R"({"command": ["x"], "count": 0})",
     "tasks[0].post_check.count is 0; a whole number from 1 to 100000"},
    {"/tasks/0/chunk_shape", "[64]", "tasks[0].chunk_shape has 1 dimensions; 2, as total_roi has"},
    {"/tasks/0/chunk_shape", "[64, 0]",
     "tasks[0].chunk_shape[1] is 0; 1 to 2305843009213693952 (2^61)"},
    {"/tasks/0/external_workers", "\"true\"",
     "tasks[0].external_workers is \"true\"; true or false"},
    // Numbers.
    {"/tasks/0/max_retries", "-1", "tasks[0].max_retries is -1; a whole number from 0 to 1000"},
    {"/tasks/0/max_retries", "1001", "tasks[0].max_retries is 1001; a whole number from 0 to 1000"},
    {"/tasks/0/max_retries", "1.0", "tasks[0].max_retries is 1.0; a whole number from 0 to 1000"},
    {"/tasks/0/max_retries", "true", "tasks[0].max_retries is true; a whole number from 0 to 1000"},
    {"/tasks/0/max_retries", "\"2\"",
     "tasks[0].max_retries is \"2\"; a whole number from 0 to 1000"},
    {"/tasks/0/max_retries", "18446744073709551615",
     "tasks[0].max_retries is 18446744073709551615; a whole number from 0 to 1000"},
    {"/tasks/0/max_retries", "4294967296",
     "tasks[0].max_retries is 4294967296; a whole number from 0 to 1000"},
    {"/tasks/0/max_worker_restarts", "1000001",
     "tasks[0].max_worker_restarts is 1000001; a whole number from 0 to 1000000"},
    {"/tasks/0/max_failures", "-1",
     "tasks[0].max_failures is -1; a whole number from 0 to 1000000000"},
    {"/tasks/0/workers/0/count", "0",
     "tasks[0].workers[0].count is 0; a whole number from 1 to 100000"},
    {"/tasks/0/workers/0/count", "100001",
     "tasks[0].workers[0].count is 100001; a whole number from 1 to 100000"},
    {"/tasks/0/min_workers", "-1", "tasks[0].min_workers is -1; a whole number from 0 to 100000"},
    {"/tasks/0/min_workers", "3", "tasks[0].min_workers is 3; at most the 2 workers of the task"},
    {"/tasks/0/release_idle", "1", "tasks[0].release_idle is 1; true or false"},
    {"/tasks/0/prefetch", "1024", "tasks[0].prefetch is 1024; a whole number from 0 to 1023"},
    {"/tasks/0/prefetch", "\"auto\"",
     "tasks[0].prefetch is \"auto\"; a whole number from 0 to 1023"},
    {"/tasks/0/timeout", "-1",
     "tasks[0].timeout is -1; a number of seconds, 0 (none) to 315360000 (ten years)"},
    {"/tasks/0/timeout", "315360001",
     "tasks[0].timeout is 315360001; a number of seconds, 0 (none) to 315360000 (ten years)"},
    {"/tasks/0/timeout", "1e300",
     "tasks[0].timeout is 1e+300; a number of seconds, 0 (none) to 315360000 (ten years)"},
    {"/tasks/0/timeout", "\"5s\"",
     "tasks[0].timeout is \"5s\"; a number of seconds, 0 (none) to 315360000 (ten years)"},
    {"/tasks/0/timeout", "true",
     "tasks[0].timeout is true; a number of seconds, 0 (none) to 315360000 (ten years)"},
    // ROIs.
    {"/tasks/0/total_roi", "5", "tasks[0].total_roi is 5; {offset = [...], shape = [...]}"},
    {"/tasks/0/total_roi", "[[0, 0]]",
     "tasks[0].total_roi is an array of 1; {offset = [...], shape = [...]}"},
    {"/tasks/0/total_roi", "[1, 2]",
     "tasks[0].total_roi.offset is 1; an array of 1 to 8 whole numbers"},
    {"/tasks/0/total_roi", "{\"offset\": [0, 0]}",
     "tasks[0].total_roi.shape is missing; an array of 1 to 8 whole numbers"},
    {"/tasks/0/total_roi/offset", "[0, 0.5]",
     "tasks[0].total_roi.offset[1] is 0.5; a whole number"},
    {"/tasks/0/total_roi/offset", "[0, 1.0]",
     "tasks[0].total_roi.offset[1] is 1.0; a whole number"},
    {"/tasks/0/total_roi/offset", "[true, 0]",
     "tasks[0].total_roi.offset[0] is true; a whole number"},
    {"/tasks/0/total_roi/offset", "[9223372036854775808, 0]",
     "tasks[0].total_roi.offset[0] is 9223372036854775808; a whole number"},
    {"/tasks/0/total_roi/offset", "[[0], 0]",
     "tasks[0].total_roi.offset[0] is an array; a whole number"},
    {"/tasks/0/total_roi/offset", "[]", "tasks[0].total_roi.offset has 0 numbers; 1 to 8"},
    {"/tasks/0/total_roi/offset", "[1,2,3,4,5,6,7,8,9]",
     "tasks[0].total_roi.offset has 9 numbers; 1 to 8"},
    {"/tasks/0/total_roi/shape", "[1]",
     "tasks[0].total_roi.shape has 1 numbers; as many as offset, 2"},
    {"/tasks/0/total_roi/shape", "[1, -1]", "tasks[0].total_roi.shape[1] is -1; at least 0"},
    {"/tasks/1/read_roi/shape", "[-3, 1]", "tasks[1].read_roi.shape[0] is -3; at least 1"},
    {"/tasks/0/read_roi/shape", "[0, 1]", "tasks[0].read_roi.shape[0] is 0; at least 1"},
    {"/tasks/0/write_roi/shape", "[1, 0]", "tasks[0].write_roi.shape[1] is 0; at least 1"},
    {"/tasks/0/total_roi/offset", "[2305843009213693953, 0]",
     "tasks[0].total_roi.offset[0] is 2305843009213693953; "
     "-2305843009213693952 to 2305843009213693952 (2^61)"},
    {"/tasks/0/total_roi/offset", "[0, -2305843009213693953]",
     "tasks[0].total_roi.offset[1] is -2305843009213693953; "
     "-2305843009213693952 to 2305843009213693952 (2^61)"},
    {"/tasks/0/total_roi", "[[1, 0], [2305843009213693952, 1]]",
     "tasks[0].total_roi begins at 1 and extends over 2305843009213693952 in dimension 0; an end "
     "of at most 2305843009213693952 (2^61)"},
    {"/tasks/0/total_roi/shape", "[9223372036854775807, 1]",
     "tasks[0].total_roi begins at 0 and extends over 9223372036854775807 in dimension 0; an end "
     "of at most 2305843009213693952 (2^61)"},
    {"/tasks/0/read_roi", "[[0], [12]]",
     "tasks[0].read_roi has 1 dimensions; 2, as tasks[0].total_roi has"},
    {"/tasks/1/total_roi", "[[0, 0, 0], [9, 9, 9]]",
     "tasks[1].total_roi has 3 dimensions; 2, as tasks[0].total_roi has"},
    {"/tasks/0/write_roi", "[[5, 5], [10, 10]]",
     "tasks[0].write_roi is [5:15, 5:15] (10, 10), not inside read_roi [0:12, 0:12] (12, 12); it "
     "may lie elsewhere only with read_write_conflict = false"},
    // Upstream.
    {"/tasks/1/upstream", "\"blur\"", "tasks[1].upstream is \"blur\"; an array of strings"},
    {"/tasks/1/upstream", "[3]", "tasks[1].upstream[0] is 3; a string"},
    {"/tasks/1/upstream", "[\"blurr\"]",
     "tasks[1].upstream[0] is \"blurr\", no task of this job; known: \"blur\", \"label\""},
    {"/tasks/1/upstream", "[\"label\"]",
     "tasks[1].upstream[0] is \"label\", the task itself; another task"},
    {"/tasks/1/upstream", "[\"blur\", \"blur\"]",
     "tasks[1].upstream[1] is \"blur\", as is upstream[0]; each task once"},
    {"/tasks/0/upstream", "[\"label\"]",
     "tasks[0].upstream leads back to the task itself: \"blur\" -> \"label\" -> \"blur\"; tasks "
     "without a cycle"},
    {"/tasks/1/task_id", "\"blur\"",
     "tasks[1].task_id is \"blur\", as is tasks[0]'s; each task has its own"},
    // Workers.
    {"/tasks/0/workers", "{}", "tasks[0].workers is a table; an array of tables"},
    {"/tasks/0/workers", "[]",
     "tasks[0].workers is missing; at least one {command = [...]}, or external_workers = true"},
    {"/tasks/0/workers/0", "[\"./blur\"]", "tasks[0].workers[0] is an array; a table"},
    {"/tasks/0/workers/0", "{}",
     "tasks[0].workers[0].command is missing; a program and its arguments"},
    {"/tasks/0/workers/0/command", "\"./blur in\"",
     "tasks[0].workers[0].command is \"./blur in\"; an array of strings"},
    {"/tasks/0/workers/0/command", "[]",
     "tasks[0].workers[0].command is empty; a program and its arguments"},
    {"/tasks/0/workers/0/command", "[\"\"]", "tasks[0].workers[0].command[0] is empty; a program"},
    {"/tasks/0/workers/0/command", "[\"./blur\", 3]",
     "tasks[0].workers[0].command[1] is 3; a string"},
    {"/tasks/0/workers/0/command", "[\"./blur\", \"a\\u0000\"]",
     "tasks[0].workers[0].command[1] is \"a\\x00\"; text without NUL characters"},
    // Environments.
    {"/env", "{\"\": \"1\"}", "env.\"\" is not a variable's name; not empty, without ="},
    {"/env", "{\"A=B\": \"1\"}", "env.\"A=B\" is not a variable's name; not empty, without ="},
    {"/env", "{\"A\\u0000\": \"1\"}", "env.\"A\\x00\" is \"A\\x00\"; text without NUL characters"},
    {"/tasks/0/env", "{\"A\": \"\\u0000\"}",
     "tasks[0].env.A is \"\\x00\"; text without NUL characters"},
    {"/tasks/0/workers/0/env", "{\"=\": \"\"}",
     "tasks[0].workers[0].env.\"=\" is not a variable's name; not empty, without ="},
    {"/tasks/0/workers/0/env", "{\"A\": null}", "tasks[0].workers[0].env.A is null; a string"},
};

TEST(SpecErrors, NameTheFieldTheValueAndWhatIsAccepted) {
  for (const BadValue& bad : kBadValues) {
    EXPECT_EQ(ErrorWith(bad.pointer, json::parse(bad.value)), bad.message)
        << bad.pointer << " = " << bad.value;
  }
}

TEST(SpecErrors, NameWhatIsMissing) {
  EXPECT_EQ(ErrorWithout("", "tasks"), "tasks is missing; an array of tables");
  EXPECT_EQ(ErrorWithout("/tasks/0", "task_id"), "tasks[0].task_id is missing; a string");
  for (const std::string roi : {"total_roi", "read_roi", "write_roi"}) {
    EXPECT_EQ(ErrorWithout("/tasks/1", roi),
              "tasks[1]." + roi + " is missing; {offset = [...], shape = [...]}");
  }
  EXPECT_EQ(ErrorWithout("/tasks/0", "workers"),
            "tasks[0].workers is missing; at least one {command = [...]}, or external_workers = "
            "true");
}

TEST(SpecErrors, RefuseNumbersThatJsonTextCannotHold) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const std::string accepted = "; a number of seconds, 0 (none) to 315360000 (ten years)";
  EXPECT_EQ(ErrorWith("/tasks/0/timeout", std::numeric_limits<double>::quiet_NaN()),
            "tasks[0].timeout is nan" + accepted);
  EXPECT_EQ(ErrorWith("/tasks/0/timeout", kInfinity), "tasks[0].timeout is inf" + accepted);
  EXPECT_EQ(ErrorWith("/tasks/0/timeout", -kInfinity), "tasks[0].timeout is -inf" + accepted);
  EXPECT_EQ(ErrorWith("/tasks/0/max_retries", kInfinity),
            "tasks[0].max_retries is inf; a whole number from 0 to 1000");
  EXPECT_EQ(ErrorWith("/name", json::binary({1, 2})), "name is binary data; a string");
}

TEST(SpecErrors, RefuseTextThatIsNotUtf8) {
  EXPECT_EQ(ErrorWith("/name", "a\xFF"), "name is \"a\\xff\"; text in UTF-8");
  EXPECT_EQ(ErrorWith("/tasks/0/task_id", "\xC0\x80"),
            "tasks[0].task_id is \"\\xc0\\x80\"; text in UTF-8");
  EXPECT_EQ(ErrorWith("/tasks/0/workers/0/command/0", "\xED\xA0\x80"),
            "tasks[0].workers[0].command[0] is \"\\xed\\xa0\\x80\"; text in UTF-8");
  EXPECT_EQ(ErrorWith("/env", {{"A", "\xF5"}}), "env.A is \"\\xf5\"; text in UTF-8");
}

TEST(SpecErrors, CountATaskIdAsTheLogFolderThatItBecomes) {
  EXPECT_EQ(ErrorWith("/name", std::string(255, 'n')), "");
  EXPECT_EQ(ErrorWith("/name", std::string(256, 'n')),
            "name has 256 bytes, where / and % count 3; at most 255");
  EXPECT_EQ(ErrorWith("/name", std::string(85, '/')), "");
  EXPECT_EQ(ErrorWith("/name", std::string(84, '%') + "1234"),
            "name has 256 bytes, where / and % count 3; at most 255");
}

TEST(SpecErrors, ShortenLongValues) {
  const std::string shown(60, 'x');
  EXPECT_EQ(ErrorWith("/serial", std::string(100'000, 'x')),
            "serial is \"" + shown + "...\"; true or false");
}

TEST(SpecErrors, LimitTheContext) {
  json tree = SampleTree();
  tree["tasks"][0]["read_write_conflict"] = false;
  tree["tasks"][0]["read_roi"] = {{-kWorldMax, 0}, {1, 10}};
  tree["tasks"][0]["write_roi"] = {{1, 0}, {10, 10}};
  EXPECT_EQ(ReadJobSpec(tree).error().message,
            "tasks[0].write_roi begins 2305843009213693953 away from read_roi in dimension 0; at "
            "most 2305843009213693952 (2^61)");
  tree["tasks"][0]["write_roi"] = {{0, 0}, {1, 10}};
  EXPECT_EQ(ReadJobSpec(tree).error().message.rfind("tasks[0].total_roi makes a grid", 0), 0u);
  tree["tasks"][0]["write_roi"] = {{0, 0}, {2, 10}};
  EXPECT_EQ(ReadJobSpec(tree).error().message,
            "tasks[0].write_roi ends 2305843009213693953 away from read_roi in dimension 0; at "
            "most 2305843009213693952 (2^61)");
}

TEST(SpecErrors, LimitTheNumberOfTasks) {
  json tree = SampleTree();
  const json task = tree["tasks"][0];
  tree["tasks"] = json::array();
  for (size_t t = 0; t < kTasksMax; ++t) {
    tree["tasks"].push_back(task);
    tree["tasks"].back()["task_id"] = std::to_string(t);
  }
  EXPECT_TRUE(ReadJobSpec(tree).ok());
  tree["tasks"].push_back(task);
  EXPECT_EQ(ReadJobSpec(tree).error().message, "tasks has 1001 tasks; at most 1000");
}

TEST(SpecErrors, ListTheFirstKnownTasksOnly) {
  json tree = SampleTree();
  for (int t = 0; t < 20; ++t) {
    tree["tasks"].push_back(tree["tasks"][0]);
    tree["tasks"].back()["task_id"] = "t" + std::to_string(t);
  }
  tree["tasks"][1]["upstream"] = {"t99"};
  EXPECT_EQ(ReadJobSpec(tree).error().message,
            "tasks[1].upstream[0] is \"t99\", no task of this job; known: \"blur\", \"label\", "
            "\"t0\", \"t1\", \"t2\", \"t3\", \"t4\", \"t5\", \"t6\", \"t7\", \"t8\", \"t9\", "
            "\"t10\", \"t11\", \"t12\", \"t13\", ... (6 more)");
}

TEST(SpecErrors, ShowTheCycle) {
  json tree = SampleTree();
  tree["tasks"][0]["upstream"] = {"tail"};
  for (const std::string id : {"tail", "below"}) {
    tree["tasks"].push_back(tree["tasks"][1]);
    tree["tasks"].back()["task_id"] = id;
  }
  tree["tasks"][2]["upstream"] = {"label"};
  tree["tasks"][3]["upstream"] = {"tail", "blur"};  // waits for the cycle, but is not part of it
  EXPECT_EQ(ReadJobSpec(tree).error().message,
            "tasks[0].upstream leads back to the task itself: \"blur\" -> \"label\" -> \"tail\" -> "
            "\"blur\"; tasks without a cycle");
}

}  // namespace
}  // namespace bellis
