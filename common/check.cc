#include "common/check.h"

#include <cstdio>
#include <cstdlib>

namespace bellis {

void CheckFailed(const char* file, int line, const char* condition, const char* words) {
  std::fprintf(stderr, "%s:%d: broken invariant: %s (%s)\n", file, line, words, condition);
  std::abort();
}

}  // namespace bellis
