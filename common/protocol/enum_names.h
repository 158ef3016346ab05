#pragma once

// The enumerations of messages by name: on the wire they are strings.

#include "common/protocol/messages.h"

namespace bellis::wire {

template <typename E>
struct EnumNames;
template <typename E>
concept NamedEnum = requires {
  EnumNames<E>::kCount;
};

template <>
struct EnumNames<Role> {
  static constexpr int kCount = 4;
  static constexpr bool kOpen = false;
  static const char* Name(Role role) { return RoleName(role); }
};

template <>
struct EnumNames<Duty> {
  static constexpr int kCount = kDuties;
  static constexpr bool kOpen = false;
  static const char* Name(Duty duty) { return DutyName(duty); }
};

template <>
struct EnumNames<Fit> {
  static constexpr int kCount = 3;
  static constexpr bool kOpen = false;
  static constexpr const char* Name(Fit fit) {
    switch (fit) {
      case Fit::kValid: return "valid";
      case Fit::kOverhang: return "overhang";
      case Fit::kShrink: return "shrink";
    }
    return "";
  }
};

template <>
struct EnumNames<BlockOutcome> {
  static constexpr int kCount = 3;
  static constexpr bool kOpen = false;
  static constexpr const char* Name(BlockOutcome outcome) {
    switch (outcome) {
      case BlockOutcome::kCompleted: return "completed";
      case BlockOutcome::kFailed: return "failed";
      case BlockOutcome::kReturned: return "returned";
    }
    return "";
  }
};

template <>
struct EnumNames<JobState> {
  static constexpr int kCount = 4;
  static constexpr bool kOpen = false;
  static const char* Name(JobState state) { return JobStateName(state); }
};

template <>
struct EnumNames<ErrorCode> {
  static constexpr int kCount = static_cast<int>(ErrorCode::kWorkerAlive) + 1;
  /// An unknown code, of a newer broker, is read as bad_message, so that the error's text reaches
  /// the user.
  static constexpr bool kOpen = true;
  static const char* Name(ErrorCode code) { return ErrorCodeName(code); }
};

}  // namespace bellis::wire
