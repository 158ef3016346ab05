#pragma once

// What a worker does with its blocks.
//
// Example:
//
//     const bellis::Duty duty = bellis::Duty::kPostCheck;
//     return std::string(bellis::DutyName(duty)) == "post_check" ? 0 : 1;

#include <array>

#include "bellis/export.h"

namespace bellis {

/// kWork: does the blocks. Checkers have one of the other two duties, and only answer a question:
/// does the block's output exist already (kCheck)? Is the output of a block that was just done
/// right (kPostCheck)? A checker answers yes by completing the block, and no by failing it.
enum class Duty { kWork, kCheck, kPostCheck };
inline constexpr int kDuties = 3;
inline constexpr std::array kAllDuties = {Duty::kWork, Duty::kCheck, Duty::kPostCheck};

/// "work", "check", "post_check".
BELLIS_API const char* DutyName(Duty duty);

}  // namespace bellis
