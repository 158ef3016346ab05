// libFuzzer target: reads any bytes as a pipeline file. The result is an error, or a job that obeys
// the rules and can be written and read again; never a crash. toml++ is compiled in, so that it is
// covered, too:
//
//   clang++-14 -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
//       -DTOML_HEADER_ONLY=1 -I. tests/fuzz/spec_fuzz.cc common/check.cc common/result.cc
//       common/geometry/*.cc common/task/*.cc -lz -o spec_fuzz
//   ./spec_fuzz -max_total_time=120 -max_len=4096 corpus/

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "common/check.h"
#include "common/task/field_text.h"
#include "common/task/pipeline.h"
#include "common/task/spec_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto job = bellis::ReadPipelineToml(text, "fuzz.toml");
  if (!job.ok()) {
    const std::string& words = job.error().message;
    BELLIS_CHECK(!words.empty() && bellis::IsUtf8(words), "an error is text that can be sent");
    return 0;
  }
  const bool files = std::any_of(job->tasks.begin(), job->tasks.end(), [](const auto& task) {
    return task.mask && !task.mask->file.empty();  // the mask's file was not read yet
  });
  BELLIS_CHECK(files || bellis::ValidateJob(*job).ok(), "a job that was read keeps to the rules");
  const std::string written = bellis::JobSpecToJson(*job).dump();
  const auto again = bellis::ReadJobSpec(nlohmann::json::parse(written));
  BELLIS_CHECK(again.ok() && *again == *job, "a job that is written is read as the same");
  return 0;
}
