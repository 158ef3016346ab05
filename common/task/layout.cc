#include "common/task/layout.h"

namespace bellis {
namespace {

std::string Text(const Coordinate& coordinate) {
  std::string text = "[";
  for (const int64_t value : coordinate) {
    text += (text.size() > 1 ? ", " : "") + std::to_string(value);
  }
  return text + "]";
}

std::string Text(const Roi& roi) {
  return "[" + Text(roi.offset()) + ", " + Text(roi.shape()) + "]";
}

std::string Text(Fit fit) {
  switch (fit) {
    case Fit::kValid: return "valid";
    case Fit::kOverhang: return "overhang";
    case Fit::kShrink: return "shrink";
  }
  return "";
}

std::string Text(Conflict conflict) {
  switch (conflict) {
    case Conflict::kNone: return "false";
    case Conflict::kOrdered: return "true";
    case Conflict::kExclusive: return "\"exclusive\"";
  }
  return "";
}

std::string Text(const std::vector<std::string>& names) {
  std::string text = "[";
  for (const std::string& name : names) text += (text.size() > 1 ? ", \"" : "\"") + name + "\"";
  return text + "]";
}

std::string Text(const std::optional<MaskSpec>& mask) {
  if (!mask) return "none";
  return "one of shape " + Text(mask->shape) + ", offset " + Text(mask->offset) + ", voxel_size " +
         Text(mask->voxel_size);
}

class Comparison {
 public:
  template <typename T>
  void Field(const std::string& field, const T& stored, const T& submitted) {
    if (stored == submitted) return;
    const std::string before = Text(stored);
    std::string now = Text(submitted);
    if (before == now) now += " with other content";
    lines.push_back(field + ": stored " + before + ", submitted " + now);
  }
  std::vector<std::string> lines;
};

std::vector<std::string> Names(const JobSpec& job) {
  std::vector<std::string> names;
  for (const TaskSpec& task : job.tasks) names.push_back(task.task_id);
  return names;
}

}  // namespace

std::vector<std::string> LayoutDifferences(const JobSpec& stored, const JobSpec& submitted) {
  Comparison compare;
  compare.Field("tasks", Names(stored), Names(submitted));
  if (!compare.lines.empty()) return compare.lines;
  for (size_t t = 0; t < stored.tasks.size(); ++t) {
    const TaskSpec& a = stored.tasks[t];
    const TaskSpec& b = submitted.tasks[t];
    const std::string at = "tasks[\"" + a.task_id + "\"].";
    compare.Field(at + "total_roi", a.total_roi, b.total_roi);
    compare.Field(at + "read_roi", a.read_roi, b.read_roi);
    compare.Field(at + "write_roi", a.write_roi, b.write_roi);
    compare.Field(at + "fit", a.fit, b.fit);
    compare.Field(at + "read_write_conflict", a.read_write_conflict, b.read_write_conflict);
    compare.Field(at + "mask", a.mask, b.mask);
    compare.Field(at + "upstream", a.upstream, b.upstream);
  }
  return compare.lines;
}

}  // namespace bellis
