#define _POSIX_C_SOURCE 200809L

#include <bellis.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct volume {
  int scan, mean;
  long nx, ny, nz;
};

static int mean_of_block(bellis_block* block, void* user) {
  const struct volume* v = user;
  int64_t begin[BELLIS_DIMS_MAX], shape[BELLIS_DIMS_MAX];
  bellis_block_write_roi(block, begin, shape);
  for (int64_t x = begin[0]; x < begin[0] + shape[0]; ++x) {
    for (int64_t y = begin[1]; y < begin[1] + shape[1]; ++y) {
      unsigned char row[64];
      int sums[64] = {0};
      const size_t width = (size_t)shape[2];
      if (width + 2 > sizeof row) return 1;
      for (int near = 0; near < 9; ++near) {
        const int64_t place =
            ((x + near / 3 - 1) * v->ny + y + near % 3 - 1) * v->nz + begin[2] - 1;
        if (pread(v->scan, row, width + 2, place) != (ssize_t)width + 2) return 2;
        for (size_t z = 0; z < width; ++z) sums[z] += row[z] + row[z + 1] + row[z + 2];
      }
      for (size_t z = 0; z < width; ++z) row[z] = (unsigned char)((sums[z] + 13) / 27);
      if (pwrite(v->mean, row, width, (x * v->ny + y) * v->nz + begin[2]) != (ssize_t)width)
        return 3;
    }
  }
  return 0;
}

int main(void) {
  struct volume v;
  sscanf(getenv("POLYGLOT_SHAPE"), "%ld %ld %ld", &v.nx, &v.ny, &v.nz);
  v.scan = open(getenv("POLYGLOT_INPUT"), O_RDONLY);
  v.mean = open(getenv("POLYGLOT_OUTPUT"), O_WRONLY);
  if (bellis_work("c", mean_of_block, &v) == BELLIS_OK) return 0;
  fprintf(stderr, "%s\n", bellis_error());
  return 1;
}
