// A worker whose blocks take microseconds, fetched eight at a time: dying_worker INDEX FILE. Its
// process ends at the block with index INDEX, after appending a byte to FILE.
// tests/system/test_blame.py counts the bytes.

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "bellis/worker.h"
#include "common/check.h"

int main(int argc, char** argv) {
  BELLIS_CHECK(argc == 3, "dying_worker INDEX FILE");
  const uint64_t bad = std::strtoull(argv[1], nullptr, 10);
  bellis::Result<bellis::WorkerOptions> options = bellis::WorkerOptions::FromEnvironment();
  BELLIS_CHECK(options.ok(), "a launcher started it");
  options->prefetch = 8;
  try {
    bellis::Worker(*options).Run([&](const bellis::Block& block) {
      if (block.index() != bad) return;
      const int fd = ::open(argv[2], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
      BELLIS_CHECK(fd >= 0 && ::write(fd, "x", 1) == 1, "the file can be written");
      ::raise(SIGKILL);
    });
  } catch (const bellis::WorkerError& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
