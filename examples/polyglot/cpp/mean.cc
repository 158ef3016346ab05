#include <bellis/worker.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <vector>

int main() {
  int64_t nx = 0;
  int64_t ny = 0;
  int64_t nz = 0;
  std::istringstream(std::getenv("POLYGLOT_SHAPE")) >> nx >> ny >> nz;
  const int scan = ::open(std::getenv("POLYGLOT_INPUT"), O_RDONLY | O_CLOEXEC);
  const int mean = ::open(std::getenv("POLYGLOT_OUTPUT"), O_WRONLY | O_CLOEXEC);

  auto worker = bellis::Worker::FromEnvironment();
  worker.Run([&](const bellis::Block& block) {
    const bellis::Coordinate& begin = block.write_roi().begin();
    const bellis::Coordinate end = block.write_roi().end();
    const auto width = static_cast<size_t>(end[2] - begin[2]);
    std::vector<uint8_t> row(width + 2);
    for (int64_t x = begin[0]; x < end[0]; ++x) {
      for (int64_t y = begin[1]; y < end[1]; ++y) {
        std::vector<int> sums(width, 13);
        for (int64_t near = 0; near < 9; ++near) {
          const int64_t place = ((x + near / 3 - 1) * ny + y + near % 3 - 1) * nz + begin[2] - 1;
          if (::pread(scan, row.data(), width + 2, place) < 0) throw std::runtime_error("no scan");
          for (size_t z = 0; z < width; ++z) sums[z] += row[z] + row[z + 1] + row[z + 2];
        }
        for (size_t z = 0; z < width; ++z) row[z] = static_cast<uint8_t>(sums[z] / 27);
        const int64_t place = (x * ny + y) * nz + begin[2];
        if (::pwrite(mean, row.data(), width, place) < 0) throw std::runtime_error("no output");
      }
    }
  });
}
