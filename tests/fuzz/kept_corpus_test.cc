// Runs the kept inputs of a fuzz target, each as it is and with random changes. So every run of the
// tests does for a moment what `make fuzz` does for long. Linked with one target (FUZZ_CORPUS: its
// inputs).

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace bellis {
namespace {

std::vector<std::string> KeptInputs() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(FUZZ_CORPUS)) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> inputs;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return inputs;
}

/// Changes, removes or repeats some bytes, or takes the rest from another input.
std::string Changed(std::string input, const std::vector<std::string>& all,
                    std::mt19937_64* random) {
  const auto pick = [random](size_t below) { return (*random)() % below; };
  for (uint64_t changes = 1 + pick(6); changes > 0 && !input.empty(); --changes) {
    const size_t at = pick(input.size());
    const size_t length = 1 + pick(16);
    switch (pick(4)) {
      case 0: input[at] = static_cast<char>(pick(256)); break;
      case 1: input.erase(at, length); break;
      case 2: input.insert(at, input.substr(at, length)); break;
      default: {
        const std::string& other = all[pick(all.size())];
        input = input.substr(0, at) + other.substr(pick(other.size() + 1));
      }
    }
  }
  return input;
}

void Survive(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

TEST(KeptCorpus, AndSimilarInputsAreSurvived) {
  const std::vector<std::string> inputs = KeptInputs();
  ASSERT_FALSE(inputs.empty()) << FUZZ_CORPUS;
  for (const std::string& input : inputs) Survive(input);
  std::mt19937_64 random(1);
  for (int i = 0; i < 3000; ++i) {
    Survive(Changed(inputs[random() % inputs.size()], inputs, &random));
  }
}

}  // namespace
}  // namespace bellis
