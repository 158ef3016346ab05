/* A worker in C. `bellis run c.toml` starts it, with the folder build/release/bin on the PATH. */

#include <bellis.h>
#include <inttypes.h>
#include <stdio.h>

static int process(bellis_block* block, void* user) {
  int64_t offset[BELLIS_DIMS_MAX], shape[BELLIS_DIMS_MAX];
  (void)user;
  bellis_block_write_roi(block, offset, shape);
  printf("hello from block %" PRId64 ": writes %" PRId64 " x %" PRId64, bellis_block_id(block),
         shape[0], shape[1]);
  printf(" at %" PRId64 ", %" PRId64 "\n", offset[0], offset[1]);
  return fflush(stdout); /* the log has it at once; 0: completed */
}

int main(void) {
  if (bellis_work("c", process, NULL) == BELLIS_OK) return 0;
  fprintf(stderr, "%s\n", bellis_error());
  return 1;
}
