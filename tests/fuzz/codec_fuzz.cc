// libFuzzer target: gives any bytes to the codec. A message that can be decoded is encoded and
// decoded again, and must then be equal. codec_test also calls this, with mutated messages.
//
//   clang++ -std=c++20 -g -O1 -I. -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
//       tests/fuzz/codec_fuzz.cc common/*.cc common/*/*.cc -lz -o codec_fuzz

#include <cstddef>
#include <cstdint>
#include <string>

#include "common/check.h"
#include "common/protocol/codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static bellis::Codec codec;  // one for all inputs: no input may leave traces in it
  bellis::DecodeResult first = codec.Decode({reinterpret_cast<const char*>(data), size});
  if (!first.ok()) {
    BELLIS_CHECK(!first.error().message.empty(), "a refusal without words");
    // The refusal goes back to the peer, which must be able to read it.
    const bellis::ErrorMsg error{first.error().code, first.error().message, first.error().req};
    const auto answer = codec.Encode(error);
    bellis::DecodeResult read = codec.Decode(std::string(answer.begin(), answer.end()));
    BELLIS_CHECK(read.ok(), "an error message that cannot be read");
    BELLIS_CHECK(read.message() == bellis::Message(error), "an error message that is not UTF-8");
    return 0;
  }
  const auto encoded = codec.Encode(first.message());
  const std::string bytes(encoded.begin(), encoded.end());
  if (bytes.size() > bellis::kMessageBytesMax) return 0;  // too long with the defaults written out
  bellis::DecodeResult second = codec.Decode(bytes);
  BELLIS_CHECK(second.ok(), second.error().message.c_str());
  BELLIS_CHECK(second.message() == first.message(), "another message after a round trip");
  return 0;
}
