// A message is the same after it was encoded and decoded.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "common/protocol/kinds.h"
#include "tests/common/protocol/sample_messages.h"

namespace bellis {
namespace {

TEST(CodecRoundTrip, KeepsEveryFieldOfEveryKind) {
  const std::vector<Message> messages = FullMessages();
  ASSERT_EQ(messages.size(), kMessageKinds);
  for (size_t kind = 0; kind < messages.size(); ++kind) {
    ASSERT_EQ(messages[kind].index(), kind);
    DecodeResult result = Decoded(Encoded(messages[kind]));
    ASSERT_TRUE(result.ok()) << KindName(messages[kind]) << ": " << result.error().message;
    EXPECT_EQ(result.message(), messages[kind]) << KindName(messages[kind]);
  }
}

TEST(CodecRoundTrip, KeepsDefaultsOfEveryKind) {
  for (const Message& message : DefaultMessages()) {
    if (std::holds_alternative<SubmitMsg>(message)) continue;  // a job has tasks
    DecodeResult result = Decoded(Encoded(message));
    ASSERT_TRUE(result.ok()) << KindName(message) << ": " << result.error().message;
    EXPECT_EQ(result.message(), message) << KindName(message);
  }
}

TEST(CodecRoundTrip, OneCodecTakesMessagesOneAfterTheOther) {
  Codec codec;
  for (int round = 0; round < 3; ++round) {
    for (const Message& message : FullMessages()) {
      const auto bytes = codec.Encode(message);
      const std::string copy(bytes.begin(), bytes.end());
      DecodeResult result = codec.Decode(copy);
      ASSERT_TRUE(result.ok());
      EXPECT_EQ(result.message(), message);
      EXPECT_FALSE(codec.Decode(std::string_view(copy).substr(1)).ok());
    }
  }
}

TEST(CodecRoundTrip, EveryKindIsFoundByItsName) {
  for (const Message& message : DefaultMessages()) {
    EXPECT_EQ(FindKind(KindName(message)), message.index());
  }
  EXPECT_EQ(FindKind(""), std::nullopt);
  EXPECT_EQ(FindKind("works"), std::nullopt);
}

// A field that is left out has the default of the struct, which MESSAGES.md states.
TEST(CodecRoundTrip, FieldsLeftOutHaveTheirDefaults) {
  const auto decode = [](std::string_view json) {
    DecodeResult result = Decoded(Packed(json));
    EXPECT_TRUE(result.ok()) << json << ": " << result.error().message;
    return result.ok() ? result.message() : Message();
  };
  EXPECT_EQ(decode(R"(["hello", {"role": "client"}])"), Message(HelloMsg{}));
  EXPECT_EQ(decode(R"(["ping", {}])"), Message(PingMsg{}));
  EXPECT_EQ(decode(R"(["bye", {}])"), Message(ByeMsg{}));
  EXPECT_EQ(decode(R"(["acquire", {}])"), Message(AcquireMsg{.want = 1}));
  EXPECT_EQ(decode(R"(["release", {}])"), Message(ReleaseMsg{}));
  EXPECT_EQ(decode(R"(["release", {"results": [{"lease": 3}]}])"),
            Message(ReleaseMsg{.results = {{.lease = LeaseId(3), .error = ""}}}));
  EXPECT_EQ(decode(R"(["status", {}])"), Message(StatusMsg{}));
  EXPECT_EQ(decode(R"(["cancel", {"job": "1"}])"),
            Message(CancelMsg{.req = 0, .job = "1", .reason = ""}));
  EXPECT_EQ(decode(R"(["watch", {"job": "1"}])"),
            Message(WatchMsg{.req = 0, .job = "1", .interval_ms = 200}));
}

TEST(CodecRoundTrip, KeysComeInAnyOrderAndUnknownOnesAreSkipped) {
  const char* kJson = R"(["release", {
      "future": [1, {"want": 7}, [[[]]], "x", null, true, 1.5, -3],
      "want": 2, "results": [{"more": {}, "status": "failed", "": 1, "lease": 3}], "wantx": 9}])";
  DecodeResult result = Decoded(Packed(kJson));
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_EQ(result.message(),
            Message(ReleaseMsg{
                .results = {{.lease = LeaseId(3), .outcome = BlockOutcome::kFailed, .error = ""}},
                .want = 2}));
}

TEST(CodecRoundTrip, UnknownKeysMayHoldValuesThatNoFieldHas) {
  // {"b": bin 8, "e": fixext 1, "m": {1: nan}, "s": a str that is not UTF-8, "want": 2}
  const std::string bytes = Hex("92") + PackedStr("acquire") + Hex("85") + PackedStr("b") +
                            Hex("c4 02 00 ff") + PackedStr("e") + Hex("d4 05 00") + PackedStr("m") +
                            Hex("81 01 cb 7ff8000000000000") + PackedStr("s") + Hex("a1 ff") +
                            PackedStr("want") + Hex("02");
  DecodeResult result = Decoded(bytes);
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_EQ(result.message(), Message(AcquireMsg{.want = 2}));
}

TEST(CodecRoundTrip, IntegersMayHaveAnyWidth) {
  for (const char* five : {"05", "cc05", "cd0005", "ce00000005", "cf0000000000000005", "d005",
                           "d10005", "d200000005", "d30000000000000005"}) {
    DecodeResult result =
        Decoded(Hex("92") + PackedStr("acquire") + Hex("81") + PackedStr("want") + Hex(five));
    ASSERT_TRUE(result.ok()) << five << ": " << result.error().message;
    EXPECT_EQ(result.message(), Message(AcquireMsg{.want = 5})) << five;
  }
}

TEST(CodecRoundTrip, FractionsAreReadWhereTimesAreExpected) {
  for (const auto& [json, seconds] : {std::pair("3", 3.0), {"-3", -3.0}, {"0.5", 0.5}}) {
    DecodeResult result = Decoded(
        Packed(std::string(R"(["ended", {"status": {"job": "1", "elapsed_s": )") + json + "}}]"));
    ASSERT_TRUE(result.ok()) << result.error().message;
    EXPECT_EQ(std::get<EndedMsg>(result.message()).status.elapsed_s, seconds);
  }
}

// A newer peer must get the answer `version`, not a complaint about a number.
TEST(CodecRoundTrip, AnyVersionOfHelloIsRead) {
  DecodeResult result = Decoded(Packed(R"(["hello", {"role": "worker", "version": 5000000000}])"));
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_EQ(std::get<HelloMsg>(result.message()).version, UINT32_MAX);
}

TEST(CodecRoundTrip, CodesOfNewerBrokersReadAsBadMessage) {
  DecodeResult result = Decoded(Packed(R"(["error", {"code": "tired", "message": "no"}])"));
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_EQ(result.message(),
            Message(ErrorMsg{.code = ErrorCode::kBadMessage, .message = "no", .req = 0}));
}

TEST(CodecRoundTrip, TextThatIsNotUtf8IsRepairedWhenItIsWritten) {
  DecodeResult result = Decoded(Encoded(ExitedMsg{.worker = WorkerId(1),
                                                  .exit_code = 0,
                                                  .signal = 0,
                                                  .start_error = "",
                                                  .stderr_tail = "a\xff\xc3(\xc3\xa4"}));
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_EQ(std::get<ExitedMsg>(result.message()).stderr_tail, "a?\x3f(\xc3\xa4");
}

TEST(CodecRoundTrip, OfNamesThatBecomeEqualTheFirstIsKept) {
  LaunchMsg launch;
  launch.env = {{"A\x80", "1"}, {"A\x81", "2"}, {"B", "\x80"}};
  DecodeResult result = Decoded(Encoded(launch));
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_EQ(std::get<LaunchMsg>(result.message()).env, (Environment{{"A?", "1"}, {"B", "?"}}));
}

TEST(CodecRoundTrip, NumbersThatAreNotFiniteAreWrittenAsZero) {
  for (const double number : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    ProgressMsg progress;
    progress.status.elapsed_s = number;
    DecodeResult result = Decoded(Encoded(progress));
    ASSERT_TRUE(result.ok()) << result.error().message;
    EXPECT_EQ(std::get<ProgressMsg>(result.message()).status.elapsed_s, 0);
  }
}

TEST(CodecRoundTrip, LongErrorsOfBlocksAreCutInTheMiddleOnBothSides) {
  const std::string error = "first line\n" + std::string(100'000, 'x') + "\nlast line";
  const auto expect_cut = [](DecodeResult result) {
    ASSERT_TRUE(result.ok()) << result.error().message;
    const std::string& text = std::get<ReleaseMsg>(result.message()).results.at(0).error;
    EXPECT_LE(text.size(), kErrorTextBytesMax);
    EXPECT_GT(text.size(), kErrorTextBytesMax - 8);
    EXPECT_EQ(text.substr(0, 12), "first line\nx");
    EXPECT_EQ(text.substr(text.size() - 11), "x\nlast line");
  };
  expect_cut(Decoded(Encoded(ReleaseMsg{
      .results = {{.lease = LeaseId(1), .outcome = BlockOutcome::kFailed, .error = error}},
      .want = 1})));
  nlohmann::json other = nlohmann::json::array({"release", {{"results", {{{"lease", 1}}}}}});
  other[1]["results"][0]["error"] = error;
  expect_cut(Decoded(Packed(other.dump())));
}

}  // namespace
}  // namespace bellis
