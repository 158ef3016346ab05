#pragma once

// NumPy's array files (.npy): format 1.0 to 3.0, https://numpy.org/neps/nep-0001-npy-format.html

#include <string>

#include "bellis/mask.h"
#include "bellis/result.h"

namespace bellis {

/// Reads an array of bool or 8-bit integers (0 is false) into `shape` and `bits` of `mask`, which
/// is unchanged on failure. Errors (kNotFound, kIo, kInvalidSpec) say what the file has and what is
/// accepted. Cost: linear in the array, which is in memory once as bytes and once as bits.
Status ReadNpyMask(const std::string& path, MaskSpec* mask);

}  // namespace bellis
