#include "common/protocol/codec.h"

#include <algorithm>
#include <array>
#include <new>
#include <optional>
#include <utility>

#include "common/protocol/byte_buffer.h"
#include "common/protocol/kinds.h"
#include "common/protocol/token_tape.h"
#include "common/protocol/value_reader.h"
#include "common/protocol/value_writer.h"
#include "common/protocol/wire_text.h"

namespace bellis {
namespace {

using namespace wire;  // the namespace is private to this room

constexpr FieldRule kNoRule = {};
constexpr size_t kResultsKept = 1024;

/// The uint under `key` in the map at `fields`, at any position; nullopt if there is none. For
/// answers to refused messages.
std::optional<uint64_t> FindUint(const Token* fields, std::string_view key) {
  if (fields->type != TokenType::kMap) return std::nullopt;
  const Token* token = fields + 1;
  for (uint32_t pair = 0; pair < fields->size; ++pair) {
    const Token* value = SkipValue(token);
    if (token->type == TokenType::kStr && token->text() == key) {
      if (value->type != TokenType::kUint || value->uint > INT64_MAX) return std::nullopt;
      return value->uint;
    }
    token = SkipValue(value);
  }
  return std::nullopt;
}

DecodeError Refused(ErrorCode code, std::string message, uint64_t req = 0) {
  return {code, std::move(message), req};
}

/// The error for a message whose fields could not be read.
DecodeError RefusedFields(std::string_view kind, const TapeReader& reader, const Token* fields) {
  Error error = reader.MakeError(kind);
  // A hello of another version may have other fields: then the error is the version.
  const auto version = FindUint(fields, "version");
  if (kind == "hello" && version && *version != kProtocolVersion) {
    error = {ErrorCode::kVersion, "hello.version is " + std::to_string(*version) + "; expected " +
                                      std::to_string(kProtocolVersion)};
  }
  return Refused(error.code, std::move(error.message), FindUint(fields, "req").value_or(0));
}

/// Reads the message of kind kKind whose fields are at `fields`. The message is built in the
/// returned object, so that it is not moved when it is full.
template <size_t kKind>
DecodeResult ReadFields(const Token* fields, ReleaseMsg& spare) {
  DecodeResult result{Message(std::in_place_index<kKind>)};
  if (auto* release = std::get_if<ReleaseMsg>(&result.message())) std::swap(*release, spare);
  TapeReader reader(fields);
  if (!ReadValue(reader, kNoRule, std::get<kKind>(result.message()))) {
    result = RefusedFields(kKindNames[kKind], reader, fields);
  }
  return result;
}

/// One reader for each kind, in the order of kKindNames.
template <size_t... kKind>
constexpr auto MakeReaders(std::index_sequence<kKind...>) {
  return std::array{&ReadFields<kKind>...};
}
constexpr auto kReaders = MakeReaders(std::make_index_sequence<kKindNames.size()>());

}  // namespace

struct Codec::Impl {
  ReleaseMsg spare_release;  // empty
  wire::TokenTape tape;
  wire::ByteBuffer buffer;
  wire::WireWriter writer{buffer};
};

Codec::Codec() : impl_(std::make_unique<Impl>()) {}
Codec::~Codec() = default;

DecodeResult Codec::Decode(std::span<const char> bytes) {
  if (bytes.size() > kMessageBytesMax) {
    return Refused(ErrorCode::kTooLarge, "the message has " + std::to_string(bytes.size()) +
                                             " bytes; expected at most " +
                                             std::to_string(kMessageBytesMax));
  }
  TokenTape& tape = impl_->tape;
  if (!tape.Parse(bytes)) {
    return Refused(ErrorCode::kBadMessage,
                   "the message is not msgpack: " + tape.problem() + "; expected [kind, fields]");
  }
  const Token* root = tape.begin();
  if (root->type != TokenType::kArray || root->size != 2) {
    return Refused(ErrorCode::kBadMessage,
                   "the message is " + Describe(*root) + "; expected [kind, fields]");
  }
  const Token* kind = root + 1;
  if (kind->type != TokenType::kStr) {
    const Token* fields = SkipValue(kind);
    return Refused(ErrorCode::kBadMessage,
                   "the kind of the message is " + Describe(*kind) + "; expected a str",
                   FindUint(fields, "req").value_or(0));
  }
  const Token* fields = kind + 1;
  const auto index = FindKind(kind->text());
  if (!index) {
    return Refused(ErrorCode::kUnknownKind,
                   "the kind " + Quoted(kind->text()) + " is not one of bellis/1",
                   FindUint(fields, "req").value_or(0));
  }
  try {
    return kReaders[*index](fields, impl_->spare_release);
  } catch (const std::bad_alloc&) {  // a mask's kilobyte may inflate to a megabyte here
    return Refused(ErrorCode::kLimit,
                   "there is not enough memory to read this " + std::string(kind->text()),
                   FindUint(fields, "req").value_or(0));
  }
}

void Codec::Reuse(Message& message) {
  auto* release = std::get_if<ReleaseMsg>(&message);
  if (release == nullptr) return;
  if (std::max(release->results.capacity(), release->runs.capacity()) > kResultsKept) return;
  release->results.clear();
  release->runs.clear();
  release->want = 0;
  std::swap(*release, impl_->spare_release);
}

std::span<const char> Codec::Encode(const Message& message) {
  impl_->buffer.Clear();
  impl_->writer.Array(2);
  impl_->writer.Name(kKindNames[message.index()]);
  std::visit([this](const auto& fields) { WriteValue(impl_->writer, kNoRule, fields); }, message);
  return impl_->buffer.bytes();
}

}  // namespace bellis
