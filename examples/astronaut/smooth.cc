// A Bellis worker in C++: smooths the blocks of the task "smooth". smooth.py is the same worker in
// Python; pipeline.toml runs both on one task.

#include <bellis/worker.h>

#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>

#include "examples/astronaut/gaussian_smooth.h"
#include "examples/zarr/zarr_array.h"

namespace {

using bellis::examples::Box;
using bellis::examples::ZarrArray;

constexpr double kSigma = 5.0;

/// The box of a block in all channels. Blocks are 2-d, but the arrays are (channel, row, column).
Box AllChannels(const bellis::Roi& roi) {
  return {.begin = {0, roi.begin()[0], roi.begin()[1]},
          .shape = {3, roi.shape()[0], roi.shape()[1]}};
}

}  // namespace

int main() {
  try {
    const char* chosen = std::getenv("ASTRONAUT_ZARR");
    const std::filesystem::path store =
        chosen != nullptr && *chosen != '\0' ? chosen : "astronaut.zarr";
    const ZarrArray raw = ZarrArray::Open(store / "raw");
    const ZarrArray smoothed = ZarrArray::Open(store / "smoothed");

    bellis::Worker worker = bellis::Worker::FromEnvironment();
    worker.Run([&](const bellis::Block& block) {
      const Box read = AllChannels(block.read_roi());
      const Box write = AllChannels(block.write_roi());
      smoothed.Write<float>(write, GaussianSmooth(raw.Read<float>(read), read, write, kSigma));
    });
    return EXIT_SUCCESS;
  } catch (const std::exception& error) {
    std::cerr << "astronaut_smooth: " << error.what() << "\n";
    return EXIT_FAILURE;
  }
}
