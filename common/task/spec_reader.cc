#include "common/task/spec_reader.h"

// toml++ 3.3.0 has assertions that fail for some invalid text, before it reports the error ("[=" as
// a table header). Where the parser is compiled here rather than linked, invalid text must not end
// the process.
#define TOML_ASSERT(expr) static_cast<void>(0)
#include <toml++/toml.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "common/task/field_reader.h"
#include "common/task/job_rules.h"
#include "common/task/mask_reader.h"
#include "common/task/npy.h"
#include "common/task/pipeline.h"
#include "common/task/toml_guard.h"

namespace bellis {
namespace {

using nlohmann::json;

constexpr size_t kOriginBytesMax = 255;  // of a user's or host's name

// ---- a tree to a job ----

WorkerGroup ReadWorkerGroup(const json& node, const FieldPath& path, FirstTrouble& trouble) {
  const FieldReader fields(node, path, {"command", "count", "env"}, trouble);
  WorkerGroup group;
  group.command = fields.Texts("command", "a program and its arguments");
  group.count = fields.Count("count", group.count, 1, kWorkersPerGroupMax);
  group.env = fields.Env("env");
  return group;
}

/// Reads a group like those of `workers`, or only its command.
std::optional<WorkerGroup> ReadChecker(const FieldReader& fields, std::string_view key,
                                       FirstTrouble& trouble) {
  const json* value = fields.Find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_object()) return ReadWorkerGroup(*value, fields.PathOf(key), trouble);
  WorkerGroup group;
  group.command = fields.Texts(key);
  return group;
}

Conflict ReadConflict(const FieldReader& fields, Conflict fallback) {
  const json* value = fields.Find("read_write_conflict");
  if (value == nullptr) return fallback;
  if (value->is_boolean()) return value->get<bool>() ? Conflict::kOrdered : Conflict::kNone;
  if (value->is_string() && value->get_ref<const std::string&>() == "exclusive") {
    return Conflict::kExclusive;
  }
  fields.trouble().Set(fields.PathOf("read_write_conflict"),
                       "is " + ValueText(*value) + "; true, false or \"exclusive\"");
  return fallback;
}

std::vector<std::string_view> WordsOf(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

constexpr std::string_view kTaskKeys =
    "task_id total_roi read_roi write_roi fit read_write_conflict order max_retries timeout "
    "max_worker_restarts max_failures upstream workers external_workers unsafe_leases paused "
    "requires min_workers release_idle prefetch mask check post_check chunk_shape env";

TaskSpec ReadTask(const json& node, const FieldPath& path, FirstTrouble& trouble) {
  const FieldReader fields(node, path, WordsOf(kTaskKeys), trouble);
  TaskSpec task;
  task.task_id = fields.Text("task_id", "a string");
  task.total_roi = ReadRoi(fields, "total_roi", 0);
  task.read_roi = ReadRoi(fields, "read_roi", 1);
  task.write_roi = ReadRoi(fields, "write_roi", 1);
  task.fit = fields.OneOf<Fit>(
      "fit", task.fit,
      {{"valid", Fit::kValid}, {"overhang", Fit::kOverhang}, {"shrink", Fit::kShrink}});
  task.read_write_conflict = ReadConflict(fields, task.read_write_conflict);
  task.order = fields.OneOf<Order>("order", task.order,
                                   {{"deepest", Order::kDeepest}, {"fifo", Order::kFifo}});
  task.max_retries = fields.Count("max_retries", task.max_retries, 0, kRetriesMax);
  task.timeout = fields.Seconds("timeout");
  task.max_worker_restarts =
      fields.Count("max_worker_restarts", task.max_worker_restarts, 0, kWorkerRestartsMax);
  if (fields.Find("max_failures") != nullptr) {
    task.max_failures = fields.Count("max_failures", 0, 0, kFailuresMax);
  }
  task.upstream = fields.Texts("upstream");
  fields.ForEach("workers", "an array of tables", nullptr, [&](const json& group, size_t i) {
    task.workers.push_back(ReadWorkerGroup(group, fields.PathOf("workers").At(i), trouble));
  });
  task.external_workers = fields.Flag("external_workers", task.external_workers);
  task.unsafe_leases = fields.Flag("unsafe_leases", task.unsafe_leases);
  task.paused = fields.Flag("paused", task.paused);
  task.required = fields.Counts("requires", kResourceMax);
  task.min_workers = fields.Count("min_workers", task.min_workers, 0, kWorkersPerGroupMax);
  task.release_idle = fields.Flag("release_idle", task.release_idle);
  if (fields.Find("prefetch") != nullptr) {
    task.prefetch = fields.Count("prefetch", 0, 0, kPrefetchMax);
  }
  task.mask = ReadMask(fields, "mask");
  task.check = ReadChecker(fields, "check", trouble);
  task.post_check = ReadChecker(fields, "post_check", trouble);
  if (fields.Find("chunk_shape") != nullptr) {
    task.chunk_shape = ReadCoordinate(fields, "chunk_shape");
  }
  task.env = fields.Env("env");
  return task;
}

JobOrigin ReadOrigin(const json& tree, const FieldPath& path, FirstTrouble& trouble) {
  const FieldReader fields(tree, path, {"user", "host", "submitted_at", "ended_at", "run", "files"},
                           trouble);
  JobOrigin origin;
  origin.user = fields.Text("user");
  origin.host = fields.Text("host");
  origin.run = fields.Text("run");
  for (const auto& [name, text] :
       {std::pair{"user", &origin.user}, {"host", &origin.host}, {"run", &origin.run}}) {
    if (text->size() > kOriginBytesMax) {
      trouble.Set(path.Key(name), "has " + std::to_string(text->size()) +
                                      " bytes; expected at most " +
                                      std::to_string(kOriginBytesMax));
    }
  }
  constexpr uint32_t kSecondsMax = std::numeric_limits<uint32_t>::max();
  origin.submitted_at = fields.Count("submitted_at", 0, 0, kSecondsMax);
  origin.ended_at = fields.Count("ended_at", 0, 0, kSecondsMax);
  origin.files = fields.Env("files");
  return origin;
}

JobSpec ReadJob(const json& tree, FirstTrouble& trouble) {
  const FieldReader fields(tree, FieldPath(), {"name", "serial", "cwd", "log_dir", "env", "tasks"},
                           trouble);
  JobSpec job;
  if (fields.Find("name") != nullptr) job.name = fields.Text("name");
  job.serial = fields.Flag("serial", job.serial);
  job.cwd = fields.Text("cwd");
  job.log_dir = fields.Text("log_dir");
  job.env = fields.Env("env");
  constexpr const char* kTasks = "an array of tables";
  uint64_t mask_bytes = 0;
  fields.ForEach("tasks", kTasks, kTasks, [&](const json& task, size_t i) {
    // A few kilobytes of a message may unpack to megabytes, so this stops at the limit of a job.
    if (mask_bytes > kJobMaskVoxelsMax / 8) {
      return trouble.Set(fields.PathOf("tasks").At(i),
                         "comes after masks of more than " + std::to_string(kJobMaskVoxelsMax) +
                             " (2^29) voxels; at most so many in a job");
    }
    job.tasks.push_back(ReadTask(task, fields.PathOf("tasks").At(i), trouble));
    if (job.tasks.back().mask) mask_bytes += job.tasks.back().mask->bits.size();
  });
  if (!trouble.any()) trouble.Set(FindTrouble(job));
  return job;
}

// ---- a job to a tree ----

template <typename T>
void PutUnless(json& table, const char* key, const T& value, const T& fallback) {
  if (!(value == fallback)) table[key] = value;
}

json RoiToJson(const Roi& roi) {
  return {{"offset", json(std::vector<int64_t>(roi.offset().begin(), roi.offset().end()))},
          {"shape", json(std::vector<int64_t>(roi.shape().begin(), roi.shape().end()))}};
}

json SecondsToJson(Duration duration) {
  constexpr int64_t kSecond = 1'000'000'000;
  if (duration.ns % kSecond == 0) return duration.ns / kSecond;
  return static_cast<double>(duration.ns) / static_cast<double>(kSecond);
}

json WorkerGroupToJson(const WorkerGroup& group) {
  json table = {{"command", group.command}};
  PutUnless(table, "count", group.count, WorkerGroup{}.count);
  PutUnless(table, "env", group.env, Environment{});
  return table;
}

json TaskToJson(const TaskSpec& task) {
  const TaskSpec defaults;
  json table = {{"task_id", task.task_id},
                {"total_roi", RoiToJson(task.total_roi)},
                {"read_roi", RoiToJson(task.read_roi)},
                {"write_roi", RoiToJson(task.write_roi)}};
  if (task.fit == Fit::kOverhang) table["fit"] = "overhang";
  if (task.fit == Fit::kShrink) table["fit"] = "shrink";
  if (task.order == Order::kFifo) table["order"] = "fifo";
  if (task.read_write_conflict == Conflict::kNone) table["read_write_conflict"] = false;
  if (task.read_write_conflict == Conflict::kExclusive) table["read_write_conflict"] = "exclusive";
  PutUnless(table, "max_retries", task.max_retries, defaults.max_retries);
  PutUnless(table, "max_worker_restarts", task.max_worker_restarts, defaults.max_worker_restarts);
  if (task.max_failures) table["max_failures"] = *task.max_failures;
  PutUnless(table, "upstream", task.upstream, defaults.upstream);
  PutUnless(table, "external_workers", task.external_workers, defaults.external_workers);
  PutUnless(table, "unsafe_leases", task.unsafe_leases, defaults.unsafe_leases);
  PutUnless(table, "paused", task.paused, defaults.paused);
  PutUnless(table, "requires", task.required, defaults.required);
  PutUnless(table, "min_workers", task.min_workers, defaults.min_workers);
  PutUnless(table, "release_idle", task.release_idle, defaults.release_idle);
  if (task.prefetch) table["prefetch"] = *task.prefetch;
  PutUnless(table, "env", task.env, defaults.env);
  if (task.timeout != Duration{}) table["timeout"] = SecondsToJson(task.timeout);
  for (const WorkerGroup& group : task.workers) {
    table["workers"].push_back(WorkerGroupToJson(group));
  }
  if (task.mask) table["mask"] = MaskToJson(*task.mask);
  if (task.check) table["check"] = WorkerGroupToJson(*task.check);
  if (task.post_check) table["post_check"] = WorkerGroupToJson(*task.post_check);
  if (task.chunk_shape.rank() > 0) {
    table["chunk_shape"] = std::vector<int64_t>(task.chunk_shape.begin(), task.chunk_shape.end());
  }
  return table;
}

// ---- TOML to a tree ----

/// Recursion is bounded by TomlGuard; dotted keys make nodes nest a little deeper than brackets do.
json ToTree(const toml::node& node, const FieldPath& path, FirstTrouble& trouble) {
  if (const auto* table = node.as_table()) {
    json object = json::object();
    for (const auto& [key, value] : *table) {
      object[std::string(key.str())] = ToTree(value, path.Key(key.str()), trouble);
    }
    return object;
  }
  if (const auto* array = node.as_array()) {
    json values = json::array();
    for (const toml::node& value : *array) {
      values.push_back(ToTree(value, path.At(values.size()), trouble));
    }
    return values;
  }
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return number->get();
  if (const auto* number = node.as_floating_point()) return number->get();
  if (const auto* flag = node.as_boolean()) return flag->get();
  trouble.Set(path, "is a date or a time; a string, a number, true or false, an array or a table");
  return nullptr;
}

/// "name:line: " of the node at `path`, or of the nearest node above it that has a line.
std::string Place(const std::string& name, const toml::table& root, const FieldPath& path) {
  const toml::node* node = &root;
  toml::source_index line = 0;
  for (const FieldPath::Step& step : path.steps()) {
    const auto* index = std::get_if<size_t>(&step);
    if (index != nullptr && node->is_array()) {
      node = node->as_array()->get(*index);
    } else if (index == nullptr && node->is_table()) {
      node = node->as_table()->get(std::get<std::string>(step));
    } else {
      node = nullptr;
    }
    if (node == nullptr) break;
    if (node->source().begin.line > 0) line = node->source().begin.line;
  }
  return name + (line > 0 ? ":" + std::to_string(line) : "") + ": ";
}

Error InvalidSpec(std::string message) {
  return Error{ErrorCode::kInvalidSpec, std::move(message)};
}

/// As ReadPipelineToml. A job without a name gets `default_name`, unless that is empty.
Result<JobSpec> ReadToml(std::string_view text, const std::string& name,
                         const std::string& default_name) {
  if (text.size() > kPipelineBytesMax) {
    return InvalidSpec(name + ": has more than " + std::to_string(kPipelineBytesMax) + " bytes");
  }
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  if (const auto refusal = TomlGuard(text).Check()) {
    return InvalidSpec(name + ":" + std::to_string(refusal->line) + ": " + refusal->words);
  }
  try {
    const toml::table root = toml::parse(text);
    FirstTrouble trouble;
    json tree = ToTree(root, FieldPath(), trouble);
    if (!default_name.empty() && !tree.contains("name")) tree["name"] = default_name;
    JobSpec job;
    if (!trouble.any()) job = ReadJob(tree, trouble);
    if (!trouble.any()) return job;
    return InvalidSpec(Place(name, root, trouble.get()->path) + trouble.get()->ToError().message);
  } catch (const toml::parse_error& error) {
    return InvalidSpec(name + ":" + std::to_string(error.source().begin.line) + ": " +
                       std::string(error.description()));
  }
}

/// The bytes of a file, but at most kPipelineBytesMax + 1.
Result<std::string> ReadBytes(const std::string& path) {
  std::error_code failure;
  const auto status = std::filesystem::status(path, failure);
  if (status.type() == std::filesystem::file_type::not_found) {
    return Error{ErrorCode::kNotFound, path + ": no such file"};
  }
  if (std::filesystem::is_directory(status)) {
    return Error{ErrorCode::kIo, path + ": is a folder; a pipeline file (TOML)"};
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string bytes(kPipelineBytesMax + 1, '\0');
  if (file) file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file && !file.eof()) {
    const char* reason = errno != 0 ? std::strerror(errno) : "cannot be read";
    return Error{ErrorCode::kIo, path + ": " + reason};
  }
  bytes.resize(static_cast<size_t>(file.gcount()));
  return bytes;
}

}  // namespace

json JobSpecToJson(const JobSpec& spec) {
  const JobSpec defaults;
  json table = {{"tasks", json::array()}};
  PutUnless(table, "name", spec.name, defaults.name);
  PutUnless(table, "serial", spec.serial, defaults.serial);
  PutUnless(table, "cwd", spec.cwd, defaults.cwd);
  PutUnless(table, "log_dir", spec.log_dir, defaults.log_dir);
  PutUnless(table, "env", spec.env, defaults.env);
  if (spec.origin != defaults.origin) {
    table["origin"] = {{"user", spec.origin.user},
                       {"host", spec.origin.host},
                       {"submitted_at", spec.origin.submitted_at},
                       {"ended_at", spec.origin.ended_at}};
    PutUnless(table["origin"], "run", spec.origin.run, std::string());
    PutUnless(table["origin"], "files", spec.origin.files, Environment{});
  }
  for (const TaskSpec& task : spec.tasks) table["tasks"].push_back(TaskToJson(task));
  return table;
}

Result<JobSpec> ReadJobSpec(const json& tree) {
  FirstTrouble trouble;
  const auto origin = tree.is_object() ? tree.find("origin") : tree.end();
  if (origin == tree.end()) {
    JobSpec job = ReadJob(tree, trouble);
    if (trouble.any()) return trouble.get()->ToError();
    return job;
  }
  // Only clients and the store may set a job's origin; a pipeline file has no such field.
  json fields = tree;
  fields.erase("origin");
  JobSpec job = ReadJob(fields, trouble);
  job.origin = ReadOrigin(*origin, FieldPath().Key("origin"), trouble);
  if (trouble.any()) return trouble.get()->ToError();
  return job;
}

Result<JobSpec> ReadPipelineToml(std::string_view text, const std::string& name) {
  return ReadToml(text, name, "");
}

Result<JobSpec> ReadPipelineFile(const std::string& path) {
  const Result<std::string> bytes = ReadBytes(path);
  if (!bytes.ok()) return bytes.error();
  Result<JobSpec> job = ReadToml(*bytes, path, std::filesystem::path(path).stem().string());
  if (!job.ok()) return job;
  std::error_code failure;
  const auto absolute = std::filesystem::absolute(path, failure);
  if (failure) return Error{ErrorCode::kIo, path + ": " + failure.message()};
  auto cwd = (absolute.parent_path() / job->cwd).lexically_normal();
  if (!cwd.has_filename()) cwd = cwd.parent_path();  // "/a/b/" is "/a/b"
  job->cwd = cwd.string();
  for (size_t t = 0; t < job->tasks.size(); ++t) {
    auto& mask = job->tasks[t].mask;
    if (!mask || mask->file.empty()) continue;
    const Status read = ReadNpyMask((absolute.parent_path() / mask->file).string(), &*mask);
    if (read.ok()) continue;
    const std::string at = FieldPath().Key("tasks").At(t).Key("mask").Key("file").ToString();
    return Error{read.error().code, path + ": " + at + ": " + read.error().message};
  }
  if (const Status valid = ValidateJob(*job); !valid.ok()) {
    return Error{valid.error().code, path + ": " + valid.error().message};
  }
  return job;
}

}  // namespace bellis
