#pragma once

// Nested runs. A worker may start a run itself. If a worker started the run that it belongs to,
// runs would nest without end. So each process that a run has started knows its depth
// (BELLIS_DEPTH), whatever its language.

#include <cstdint>

#include "bellis/result.h"

namespace bellis {

inline constexpr char kNestingVariable[] = "BELLIS_DEPTH";
inline constexpr uint32_t kNestingMax = 8;

/// How many runs this process is inside of; 0 if the variable holds no number.
uint32_t NestingDepth();

/// Error (kLimit) if a new run would be nested deeper than allowed.
Status CheckNesting();

}  // namespace bellis
