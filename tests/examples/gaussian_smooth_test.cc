#include "examples/astronaut/gaussian_smooth.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>
#include <stdexcept>

namespace bellis::examples {
namespace {

constexpr double kSigma = 5.0;

/// A pixel of a plane with `columns` columns.
float At(const std::vector<float>& plane, int columns, int row, int column) {
  return plane[static_cast<size_t>(row) * static_cast<size_t>(columns) +
               static_cast<size_t>(column)];
}

std::vector<float> RandomPixels(const Box& box, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(0.0F, 1.0F);
  std::vector<float> pixels(static_cast<size_t>(ElementCount(box.shape)));
  for (float& pixel : pixels) pixel = uniform(random);
  return pixels;
}

TEST(GaussianWeights, SumToOneAndReachFourSigma) {
  const std::vector<double> weights = GaussianWeights(kSigma);
  ASSERT_EQ(GaussianRadius(kSigma), 20);
  ASSERT_EQ(weights.size(), 41u);
  EXPECT_NEAR(std::accumulate(weights.begin(), weights.end(), 0.0), 1.0, 1e-15);
  for (size_t i = 0; i < weights.size(); ++i) EXPECT_EQ(weights[i], weights[40 - i]);
  EXPECT_NEAR(weights[20 + 5] / weights[20], std::exp(-0.5), 1e-15);
}

TEST(GaussianSmooth, SpreadsOnePixelIntoTheProductOfTheWeights) {
  const Box box{{0, 0, 0}, {1, 60, 70}};
  std::vector<float> pixels(4200, 0.0F);
  pixels[30 * 70 + 40] = 1.0F;
  const std::vector<float> smoothed = GaussianSmooth(pixels, box, box, kSigma);
  const std::vector<double> weights = GaussianWeights(kSigma);
  for (int row = 0; row < 60; ++row) {
    for (int column = 0; column < 70; ++column) {
      const int up = row - 30 + 20;
      const int left = column - 40 + 20;
      const bool near = up >= 0 && up <= 40 && left >= 0 && left <= 40;
      const double expected =
          near ? weights[static_cast<size_t>(up)] * weights[static_cast<size_t>(left)] : 0.0;
      EXPECT_NEAR(At(smoothed, 70, row, column), expected, 1e-9);
    }
  }
}

// Follows the definition in the header, pixel by pixel.
TEST(GaussianSmooth, AgreesWithTheDoubleSum) {
  const Box box{{0, 0, 0}, {1, 24, 31}};
  const std::vector<float> pixels = RandomPixels(box, 3);
  const std::vector<float> smoothed = GaussianSmooth(pixels, box, box, 1.5);
  const std::vector<double> weights = GaussianWeights(1.5);
  const int radius = GaussianRadius(1.5);
  const auto weight = [&](int i) {
    return weights[static_cast<size_t>(i) + static_cast<size_t>(radius)];
  };
  for (int row = 0; row < 24; ++row) {
    for (int column = 0; column < 31; ++column) {
      double sum = 0;
      for (int i = -radius; i <= radius; ++i) {
        for (int j = -radius; j <= radius; ++j) {
          const int y = row + i;
          const int x = column + j;
          if (y < 0 || y >= 24 || x < 0 || x >= 31) continue;
          sum += weight(i) * weight(j) * At(pixels, 31, y, x);
        }
      }
      EXPECT_NEAR(At(smoothed, 31, row, column), sum, 1e-7);
    }
  }
}

TEST(GaussianSmooth, LeavesAConstantAsItIsFarFromTheBorder) {
  const Box box{{0, 0, 0}, {1, 50, 50}};
  const std::vector<float> ones(2500, 1.0F);
  for (const float pixel : GaussianSmooth(ones, box, {{0, 20, 20}, {1, 10, 10}}, kSigma)) {
    EXPECT_FLOAT_EQ(pixel, 1.0F);
  }
  EXPECT_NEAR(GaussianSmooth(ones, box, {{0, 0, 25}, {1, 1, 1}}, kSigma)[0], 0.54, 0.01);
}

TEST(GaussianSmooth, GivesABlockWithContextTheBitsOfTheWholeImage) {
  const Box whole{{0, 0, 0}, {3, 100, 120}};
  const std::vector<float> pixels = RandomPixels(whole, 5);
  const std::vector<float> smoothed = GaussianSmooth(pixels, whole, whole, kSigma);
  const Box write{{0, 30, 40}, {3, 32, 32}};
  const Box read{{0, 10, 20}, {3, 72, 72}};
  EXPECT_EQ(GaussianSmooth(Crop<float>(pixels, whole, read), read, write, kSigma),
            Crop<float>(smoothed, whole, write));
}

TEST(GaussianSmooth, KeepsChannelsApart) {
  const Box box{{0, 0, 0}, {2, 8, 8}};
  std::vector<float> pixels(128, 0.0F);
  std::fill(pixels.begin(), pixels.begin() + 64, 1.0F);
  const std::vector<float> smoothed = GaussianSmooth(pixels, box, box, kSigma);
  EXPECT_GT(smoothed[0], 0.1F);
  for (size_t i = 64; i < smoothed.size(); ++i) EXPECT_EQ(smoothed[i], 0.0F);
}

TEST(GaussianSmooth, RefusesBoxesThatDoNotFit) {
  const std::vector<float> pixels(64);
  const Box box{{0, 0, 0}, {1, 8, 8}};
  EXPECT_THROW(GaussianSmooth(pixels, box, {{0, 4, 4}, {1, 8, 8}}, kSigma), std::invalid_argument);
  EXPECT_THROW(GaussianSmooth(pixels, {{0, 0, 0}, {1, 8, 9}}, box, kSigma), std::invalid_argument);
  EXPECT_THROW(GaussianSmooth(pixels, {{0, 0}, {8, 8}}, {{0, 0}, {8, 8}}, kSigma),
               std::invalid_argument);
}

}  // namespace
}  // namespace bellis::examples
