#include "common/task/programs.h"

#include <algorithm>
#include <set>

namespace bellis {
namespace {

class Comparison {
 public:
  void Environments(const std::string& at, const Environment& a, const Environment& b) {
    for (const std::string& name : DifferentKeys(a, b)) Add(at + "env." + name);
  }

  void Group(const std::string& at, const WorkerGroup& a, const WorkerGroup& b) {
    if (a.command != b.command) Add(at + "command");
    Environments(at, a.env, b.env);
  }

  void Groups(const std::string& at, const std::vector<WorkerGroup>& a,
              const std::vector<WorkerGroup>& b) {
    if (a.size() != b.size()) return Add(at);
    for (size_t g = 0; g < a.size(); ++g) Group(at + "[" + std::to_string(g) + "].", a[g], b[g]);
  }

  void Checkers(const std::string& at, const std::optional<WorkerGroup>& a,
                const std::optional<WorkerGroup>& b) {
    if (a.has_value() != b.has_value()) return Add(at);
    if (a) Group(at + ".", *a, *b);
  }

  void Files(const Environment& a, const Environment& b) {
    if (a.empty() || b.empty()) return;
    for (const std::string& path : DifferentKeys(a, b)) {
      Add((path.starts_with('/') ? "the file " : "") + path);  // or the name that Python gives a
                                                               // function
    }
  }

  std::vector<std::string> differences;

 private:
  void Add(std::string words) { differences.push_back(std::move(words)); }

  static std::set<std::string> DifferentKeys(const Environment& a, const Environment& b) {
    std::set<std::string> keys;
    for (const auto& [from, to] : {std::pair{&a, &b}, std::pair{&b, &a}}) {
      for (const auto& [key, value] : *from) {
        const auto other = to->find(key);
        if (other == to->end() || other->second != value) keys.insert(key);
      }
    }
    return keys;
  }
};

}  // namespace

std::vector<std::string> ProgramDifferences(const JobSpec& stored, const JobSpec& submitted) {
  Comparison compare;
  compare.Environments("", stored.env, submitted.env);
  for (size_t t = 0; t < std::min(stored.tasks.size(), submitted.tasks.size()); ++t) {
    const TaskSpec& a = stored.tasks[t];
    const TaskSpec& b = submitted.tasks[t];
    const std::string at = "tasks[\"" + a.task_id + "\"].";
    compare.Environments(at, a.env, b.env);
    compare.Groups(at + "workers", a.workers, b.workers);
    compare.Checkers(at + "check", a.check, b.check);
    compare.Checkers(at + "post_check", a.post_check, b.post_check);
  }
  compare.Files(stored.origin.files, submitted.origin.files);
  return compare.differences;
}

}  // namespace bellis
