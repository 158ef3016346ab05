#include "common/protocol/messages.h"

#include "common/protocol/kinds.h"

namespace bellis {

Message::Message() = default;
Message::Message(const Message&) = default;
Message::Message(Message&&) noexcept = default;
Message& Message::operator=(const Message&) = default;
Message& Message::operator=(Message&&) noexcept = default;
Message::~Message() = default;

const char* RoleName(Role role) {
  switch (role) {
    case Role::kWorker: return "worker";
    case Role::kClient: return "client";
    case Role::kLauncher: return "launcher";
    case Role::kPulse: return "pulse";
  }
  return "unknown";
}

const char* DutyName(Duty duty) {
  switch (duty) {
    case Duty::kWork: return "work";
    case Duty::kCheck: return "check";
    case Duty::kPostCheck: return "post_check";
  }
  return "unknown";
}

const char* KindName(const Message& message) { return kKindNames[message.index()].data(); }

std::vector<LeaseId> LeasesOf(const WorkMsg& work) {
  std::vector<LeaseId> leases;
  for (const LeasedBlock& block : work.blocks) leases.push_back(block.lease);
  for (const WorkRun& run : work.runs) {
    for (uint32_t i = 0; i < run.count; ++i) leases.emplace_back(run.lease.value + i);
  }
  return leases;
}

uint64_t RequestNumber(const Message& message) {
  return std::visit(
      [](const auto& fields) -> uint64_t {
        if constexpr (requires { fields.req; }) return fields.req;
        return 0;
      },
      message);
}

}  // namespace bellis
