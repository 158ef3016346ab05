#pragma once

// Finds the known word that the user of an unknown word probably meant.

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace bellis {

/// The number of insertions, deletions and replacements that turn `a` into `b` (Wagner and Fischer
/// 1974).
inline size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

/// The word of `known` that `word` probably means: one that differs in a few letters, or one of
/// which the other is a part ("num_workers" and "workers"). Returns the first of the nearest words;
/// nullopt: none is near.
inline std::optional<std::string_view> NearestWord(std::string_view word,
                                                   const std::vector<std::string_view>& known) {
  constexpr size_t kLongest = 64;
  if (word.size() < 2 || word.size() > kLongest) return std::nullopt;
  std::optional<std::string_view> nearest;
  size_t least = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string_view candidate : known) {
    const bool part = candidate.find(word) != std::string_view::npos ||
                      word.find(candidate) != std::string_view::npos;
    const size_t distance = part ? 1 : EditDistance(word, candidate);
    if (distance < least) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace bellis
