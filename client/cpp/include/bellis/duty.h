#pragma once

// What a worker does with the blocks that it gets.
//
// Example:
//
//     const bellis::Duty duty = bellis::Duty::kPostCheck;
//     return std::string(bellis::DutyName(duty)) == "post_check" ? 0 : 1;

#include <array>

#include "bellis/export.h"

namespace bellis {

/// kWork: works on them. The other two only look: is the block's output there already (kCheck)? is
/// what was just done right (kPostCheck)? Of those two, a completed block says yes and a failed one
/// no.
enum class Duty { kWork, kCheck, kPostCheck };
inline constexpr int kDuties = 3;
inline constexpr std::array kAllDuties = {Duty::kWork, Duty::kCheck, Duty::kPostCheck};

/// "work", "check", "post_check".
BELLIS_API const char* DutyName(Duty duty);

}  // namespace bellis
