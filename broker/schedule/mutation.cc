#include "broker/schedule/mutation.h"

#ifdef BELLIS_MUTATIONS

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace bellis {
namespace {

struct Known {
  Mutation mutation;
  std::string_view word;
  const char* words;
};

constexpr Known kKnown[] = {
#define BELLIS_MUTATION_ROW(name, word, words) {Mutation::name, word, words},
    BELLIS_MUTATION_LIST(BELLIS_MUTATION_ROW)
#undef BELLIS_MUTATION_ROW
};

/// The bug that BELLIS_MUTATION names; BELLIS_MUTATION=list prints all bugs.
Mutation FromEnvironment() {
  const char* value = std::getenv("BELLIS_MUTATION");
  const std::string_view wanted = value == nullptr ? "" : value;
  for (const Known& known : kKnown) {
    if (wanted == known.word) return known.mutation;
    if (wanted == "list") std::printf("%s\t%s\n", known.word.data(), known.words);
  }
  if (wanted == "list") std::exit(0);
  if (wanted.empty()) return Mutation::kNone;
  std::fprintf(stderr, "BELLIS_MUTATION is \"%s\", which is not in the list\n", value);
  std::exit(2);
}

}  // namespace

Mutation ActiveMutation() {
  static const Mutation active = FromEnvironment();
  return active;
}

}  // namespace bellis

#endif
