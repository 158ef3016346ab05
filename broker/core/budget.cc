#include "broker/core/budget.h"

#include <fmt/format.h>

#include "common/check.h"

namespace bellis {
namespace {

uint64_t AmountOf(const Resources& resources, const std::string& name) {
  const auto found = resources.find(name);
  return found == resources.end() ? 0 : found->second;
}

}  // namespace

Status Budget::Fits(const JobSpec& spec) const {
  if (there_.empty()) return OkStatus();
  for (const TaskSpec& task : spec.tasks) {
    for (const auto& [name, amount] : task.required) {
      const uint64_t there = AmountOf(there_, name);
      if (amount <= there || task.workers.empty()) continue;
      return Error{ErrorCode::kInvalidSpec,
                   fmt::format("task \"{}\": requires.{} is {}; this broker has {}", task.task_id,
                               name, amount, there)};
    }
  }
  return OkStatus();
}

std::string Budget::Lacking(const TaskSpec& spec) const {
  if (there_.empty()) return "";
  for (const auto& [name, amount] : spec.required) {
    if (there_.count(name) == 0 || used(name) + amount > AmountOf(there_, name)) return name;
  }
  return "";
}

Budget::Share Budget::Take(const TaskSpec& spec) {
  if (there_.empty()) return {};
  for (const auto& [name, amount] : spec.required) used_[name] += amount;
  return spec.required;
}

std::set<Budget::WaitingTask> Budget::GiveBack(Share* share) {
  if (share->empty()) return {};
  for (const auto& [name, amount] : std::exchange(*share, {})) {
    uint64_t& used = used_[name];
    BELLIS_CHECK(used >= amount, "only what was taken is given back");
    used -= amount;
  }
  return std::exchange(waiting_, {});
}

uint64_t Budget::used(const std::string& name) const { return AmountOf(used_, name); }

}  // namespace bellis
