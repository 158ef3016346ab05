#pragma once

// Gaussian smoothing of an image, in double arithmetic:
//
//     out(y, x) = sum over i, j in [-r, r] of  w(i) w(j) in(y + i, x + j),
//     w(i) ~ exp(-i^2 / (2 sigma^2)),   sum of w = 1,   r = round(4 sigma),   in = 0 outside
//
// This is scipy.ndimage.gaussian_filter(..., mode="constant", truncate=4). The additions come in
// the same order as in smooth.py. So both workers write the same bits, and a block's result does
// not depend on which of the two did it.

#include <span>
#include <vector>

#include "examples/zarr/box.h"

namespace bellis::examples {

/// The radius r: the context that a block needs to be exact.
int GaussianRadius(double sigma);

/// The weights w(-r) .. w(r).
std::vector<double> GaussianWeights(double sigma);

/// Smooths the pixels of the box `read` (channel, row, column), which are in `pixels` in C order,
/// and returns the pixels of the box `write`. Channels are smoothed separately. The result is
/// rounded to float once, at the end.
/// Throws std::invalid_argument unless both boxes have rank 3, `read` contains `write` and `pixels`
/// fills `read`.
std::vector<float> GaussianSmooth(std::span<const float> pixels, const Box& read, const Box& write,
                                  double sigma);

}  // namespace bellis::examples
