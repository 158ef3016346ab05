#include "examples/astronaut/gaussian_smooth.h"

#include <cmath>
#include <stdexcept>

namespace bellis::examples {
namespace {

/// Replaces the `count` values at `first`, `first + step`, .. by their weighted sums.
/// `padded` is scratch memory.
void SmoothLine(double* first, size_t count, size_t step, std::span<const double> weights,
                std::vector<double>& padded) {
  const size_t radius = weights.size() / 2;
  padded.assign(count + 2 * radius, 0.0);
  for (size_t i = 0; i < count; ++i) padded[radius + i] = first[i * step];
  for (size_t i = 0; i < count; ++i) {
    const double* centre = &padded[radius + i];
    double sum = *centre * weights[radius];
    for (size_t distance = radius; distance > 0; --distance) {
      sum += (*(centre - distance) + *(centre + distance)) * weights[radius - distance];
    }
    first[i * step] = sum;
  }
}

}  // namespace

int GaussianRadius(double sigma) { return static_cast<int>(std::lround(4.0 * sigma)); }

std::vector<double> GaussianWeights(double sigma) {
  const int radius = GaussianRadius(sigma);
  std::vector<double> weights;
  double sum = 0.0;
  for (int i = -radius; i <= radius; ++i) {
    weights.push_back(std::exp(-0.5 / (sigma * sigma) * (i * i)));
    sum += weights.back();
  }
  for (double& weight : weights) weight /= sum;
  return weights;
}

std::vector<float> GaussianSmooth(std::span<const float> pixels, const Box& read, const Box& write,
                                  double sigma) {
  if (read.rank() != 3 || write.rank() != 3) {
    throw std::invalid_argument("read is " + ToString(read) + " and write is " + ToString(write) +
                                "; accepted: boxes (channel, row, column)");
  }
  if (static_cast<int64_t>(pixels.size()) != ElementCount(read.shape)) {
    throw std::invalid_argument(std::to_string(pixels.size()) + " pixels do not fill " +
                                ToString(read));
  }
  const auto rows = static_cast<size_t>(read.shape[1]);
  const auto columns = static_cast<size_t>(read.shape[2]);
  const size_t plane_size = rows * columns;
  const std::vector<double> weights = GaussianWeights(sigma);

  std::vector<double> values(pixels.begin(), pixels.end());
  std::vector<double> scratch;
  for (size_t plane = 0; plane < values.size(); plane += plane_size) {
    for (size_t column = 0; column < columns; ++column) {
      SmoothLine(&values[plane + column], rows, columns, weights, scratch);
    }
    for (size_t row = 0; row < rows; ++row) {
      SmoothLine(&values[plane + row * columns], columns, 1, weights, scratch);
    }
  }
  const std::vector<double> inner = Crop<double>(values, read, write);
  return {inner.begin(), inner.end()};
}

}  // namespace bellis::examples
