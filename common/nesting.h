#pragma once

// Runs inside of runs. A worker may start a run of its own. A worker that starts the run that it
// belongs to would nest runs without end. Each process that a run has started knows how deep it is
// (BELLIS_DEPTH), whatever its language.

#include <cstdint>

#include "bellis/result.h"

namespace bellis {

inline constexpr char kNestingVariable[] = "BELLIS_DEPTH";
inline constexpr uint32_t kNestingMax = 8;

/// How many runs this process is inside of; 0 where the variable holds no number.
uint32_t NestingDepth();

/// Error (kLimit) where a run would be inside of as many others as are allowed.
Status CheckNesting();

}  // namespace bellis
