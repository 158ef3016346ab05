// The error that the peer gets: which field, its value, and what would have been accepted.

#include <gtest/gtest.h>

#include "tests/common/protocol/sample_messages.h"

namespace bellis {
namespace {

DecodeError Refusal(std::string_view bytes) {
  DecodeResult result = Decoded(bytes);
  EXPECT_FALSE(result.ok()) << nlohmann::json(bytes).dump(-1, ' ', true,
                                                          nlohmann::json::error_handler_t::replace);
  return result.ok() ? DecodeError{} : result.error();
}

/// The text of the refusal as bad_message.
std::string BadMessage(std::string_view json) {
  const DecodeError error = Refusal(Packed(json));
  EXPECT_EQ(error.code, ErrorCode::kBadMessage) << json;
  return error.message;
}

TEST(CodecErrors, NameTheFieldTheValueAndWhatIsAccepted) {
  EXPECT_EQ(BadMessage(R"(["acquire", {"want": "x"}])"),
            "acquire.want is \"x\" (str); expected a uint of at most 1024");
  EXPECT_EQ(BadMessage(R"(["acquire", {"want": -3}])"),
            "acquire.want is -3 (int); expected a uint of at most 1024");
  EXPECT_EQ(BadMessage(R"(["acquire", {"want": 1.5}])"),
            "acquire.want is 1.5 (float); expected a uint of at most 1024");
  EXPECT_EQ(BadMessage(R"(["acquire", {"want": null}])"),
            "acquire.want is nil; expected a uint of at most 1024");
  EXPECT_EQ(BadMessage(R"(["acquire", {"want": true}])"),
            "acquire.want is true (bool); expected a uint of at most 1024");
  EXPECT_EQ(BadMessage(R"(["acquire", {"want": [1]}])"),
            "acquire.want is an array of 1; expected a uint of at most 1024");
  EXPECT_EQ(BadMessage(R"(["ping", {"nonce": 9223372036854775808}])"),
            "ping.nonce is 9223372036854775808 (uint); expected a uint");
  EXPECT_EQ(BadMessage(R"(["stop", {"worker": 1, "grace_ms": 4294967296}])"),
            "stop.grace_ms is 4294967296 (uint); expected a uint of at most 4294967295");
  EXPECT_EQ(BadMessage(R"(["watch", {"job": "1", "interval_ms": 19}])"),
            "watch.interval_ms is 19 (uint); expected a uint from 20 to 60000");
  EXPECT_EQ(BadMessage(R"(["watch", {"job": "1", "interval_ms": 60001}])"),
            "watch.interval_ms is 60001 (uint); expected a uint from 20 to 60000");
  EXPECT_EQ(
      BadMessage(R"(["exited", {"worker": 1, "exit_code": 2147483648}])"),
      "exited.exit_code is 2147483648 (uint); expected an int from -2147483648 to 2147483647");
  EXPECT_EQ(BadMessage(R"(["launched", {"worker": 1, "pid": 9223372036854775808}])"),
            "launched.pid is 9223372036854775808 (uint); expected an int of 64 bits");
  EXPECT_EQ(BadMessage(R"(["bye", {"reason": 7}])"), "bye.reason is 7 (uint); expected a str");
  EXPECT_EQ(BadMessage(R"(["hello", {"role": "checker"}])"),
            "hello.role is \"checker\" (str); expected worker, client, launcher or pulse");
  EXPECT_EQ(BadMessage(R"(["hello", {"role": 1}])"),
            "hello.role is 1 (uint); expected worker, client, launcher or pulse");
  EXPECT_EQ(BadMessage(R"(["ended", {"status": 3}])"), "ended.status is 3 (uint); expected a map");
  EXPECT_EQ(BadMessage(R"(["jobs", {"jobs": {}}])"), "jobs.jobs is a map of 0; expected an array");
  EXPECT_EQ(BadMessage(R"(["launch", {"worker": 1, "command": ["a"], "env": []}])"),
            "launch.env is an array of 0; expected a map of str to str");
}

TEST(CodecErrors, PathsLeadIntoArraysAndMaps) {
  EXPECT_EQ(BadMessage(R"(["release", {"results": [{"lease": 1}, {"lease": 2, "status": "ok"}]}])"),
            "release.results[1].status is \"ok\" (str); expected completed, failed or returned");
  EXPECT_EQ(BadMessage(R"(["progress", {"status": {"job": "1", "tasks": [{"task": "t",
                           "failures": [{"block": 1}, {"block": 1, "attempt": -1}]}]}}])"),
            "progress.status.tasks[0].failures[1].attempt is -1 (int); expected a uint of at most "
            "4294967295");
  EXPECT_EQ(BadMessage(R"(["launch", {"worker": 1, "command": ["a", 2]}])"),
            "launch.command[1] is 2 (uint); expected a str");
  EXPECT_EQ(BadMessage(R"(["launch", {"worker": 1, "command": [], "env": {"A": 2}}])"),
            "launch.env.\"A\" is 2 (uint); expected a str");
}

TEST(CodecErrors, MissingFields) {
  EXPECT_EQ(BadMessage(R"(["hello", {}])"),
            "hello.role is missing; expected worker, client, launcher or pulse");
  EXPECT_EQ(BadMessage(R"(["release", {"results": [{"status": "failed"}]}])"),
            "release.results[0].lease is missing; expected a uint");
  EXPECT_EQ(BadMessage(R"(["work", {}])"), "work.blocks is missing; expected an array");
  EXPECT_EQ(
      BadMessage(R"(["work", {"blocks": [{"lease": 1, "index": 1, "id": 1, "read": [[0],[1]]}]}])"),
      "work.blocks[0].write is missing; expected [offset, shape]");
  EXPECT_EQ(BadMessage(R"(["cancel", {}])"), "cancel.job is missing; expected a str");
  EXPECT_EQ(BadMessage(R"(["submit", {}])"),
            "submit.job is missing; expected a map: a job, as in a pipeline file");
  EXPECT_EQ(BadMessage(R"(["ended", {}])"), "ended.status is missing; expected a map");
}

TEST(CodecErrors, KeysGivenTwice) {
  const auto twice = [](const std::string& kind, const std::string& key, const std::string& value) {
    return Refusal(Hex("92") + PackedStr(kind) + Hex("82") + PackedStr(key) + value +
                   PackedStr(key) + value)
        .message;
  };
  EXPECT_EQ(twice("acquire", "want", Hex("01")), "acquire.want is given twice; expected once");
  // The codec does not check fields that it does not know.
  EXPECT_TRUE(Decoded(Hex("92") + PackedStr("ping") + Hex("82 a1 78 01 a1 78 01")).ok());
  EXPECT_EQ(Refusal(Hex("92") + PackedStr("launch") + Hex("81") + PackedStr("env") +
                    Hex("82 a1 41 a0 a1 41 a0"))
                .message,
            "launch.env.\"A\" is given twice; expected once");
  EXPECT_EQ(Refusal(Hex("92") + PackedStr("submit") + Hex("81") + PackedStr("job") +
                    Hex("82 a1 41 a0 a1 41 a0"))
                .message,
            "submit.job.\"A\" is given twice; expected once");
}

TEST(CodecErrors, KeysThatAreNotStr) {
  EXPECT_EQ(Refusal(Hex("92") + PackedStr("ping") + Hex("81 01 01")).message,
            "ping has the key 1 (uint); expected keys that are str");
  EXPECT_EQ(
      Refusal(Hex("92") + PackedStr("launch") + Hex("81") + PackedStr("env") + Hex("81 01 a0"))
          .message,
      "launch.env.(key) is 1 (uint); expected a str");
}

TEST(CodecErrors, Regions) {
  const auto read = [](const std::string& roi) {
    return BadMessage(R"(["work", {"blocks": [{"lease": 1, "index": 1, "id": 1, "read": )" + roi +
                      R"(, "write": [[0], [1]]}]}])");
  };
  const std::string path = "work.blocks[0].read";
  EXPECT_EQ(read("5"), path + " is 5 (uint); expected [offset, shape]");
  EXPECT_EQ(read("[[0]]"), path + " is an array of 1; expected [offset, shape]");
  EXPECT_EQ(read("[0, 1]"), path + "[0] is 0 (uint); expected an array of 1 to 8 ints");
  EXPECT_EQ(read("[[], []]"), path + "[0] is an array of 0; expected an array of 1 to 8 ints");
  EXPECT_EQ(read("[[0], [1,2,3,4,5,6,7,8,9]]"),
            path + "[1] is an array of 9; expected an array of 1 to 8 ints");
  EXPECT_EQ(read("[[0], [1.5]]"), path + "[1][0] is 1.5 (float); expected an int of 64 bits");
  EXPECT_EQ(read("[[0, 9223372036854775808], [1, 1]]"),
            path + "[0][1] is 9223372036854775808 (uint); expected an int of 64 bits");
  EXPECT_EQ(read("[[0, 0], [1]]"), path + " is not a ROI: shape has 1 dimensions; expected 2");
  EXPECT_EQ(read("[[0, 0], [1, -3]]"), path + " is not a ROI: shape[1] is -3; at least 0");
  EXPECT_EQ(read("[[9223372036854775807], [1]]"),
            path +
                " is not a ROI: offset + shape in dimension 0 does not fit in a signed 64-bit "
                "integer");
}

TEST(CodecErrors, NumbersThatAreNotFinite) {
  const auto elapsed = [](const std::string& number) {
    return Refusal(Hex("92") + PackedStr("ended") + Hex("81") + PackedStr("status") + Hex("82") +
                   PackedStr("job") + Hex("a0") + PackedStr("elapsed_s") + Hex(number))
        .message;
  };
  EXPECT_EQ(elapsed("cb 7ff8000000000000"),
            "ended.status.elapsed_s is nan (float); expected a finite number");
  EXPECT_EQ(elapsed("cb fff0000000000000"),
            "ended.status.elapsed_s is -inf (float); expected a finite number");
  EXPECT_EQ(elapsed("ca 7f800000"),
            "ended.status.elapsed_s is inf (float); expected a finite number");
  EXPECT_EQ(Refusal(Hex("92") + PackedStr("submit") + Hex("81") + PackedStr("job") + Hex("81") +
                    PackedStr("timeout") + Hex("ca 7fc00000"))
                .message,
            "submit.job.\"timeout\" is nan (float); expected a finite number");
}

TEST(CodecErrors, TextThatIsNotUtf8) {
  EXPECT_EQ(
      Refusal(Hex("92") + PackedStr("bye") + Hex("81") + PackedStr("reason") + Hex("a3 61 c3 28"))
          .message,
      "bye.reason is \"a?(\" (str); expected UTF-8");
  EXPECT_EQ(Refusal(Hex("92") + PackedStr("submit") + Hex("81") + PackedStr("job") + Hex("81") +
                    PackedStr("name") + Hex("a1 ff"))
                .message,
            "submit.job.\"name\" is \"?\" (str); expected UTF-8");
  // A bin is not accepted as a str, whatever its bytes.
  EXPECT_EQ(
      Refusal(Hex("92") + PackedStr("bye") + Hex("81") + PackedStr("reason") + Hex("c4 01 61"))
          .message,
      "bye.reason is 1 bytes (bin); expected a str");
}

TEST(CodecErrors, LongValuesAreShortened) {
  const std::string message =
      BadMessage(R"(["acquire", {"want": ")" + std::string(5000, 'x') + "\"}]");
  EXPECT_LT(message.size(), 200u);
  EXPECT_NE(message.find("xxx...\" (str); expected"), std::string::npos) << message;
}

TEST(CodecErrors, UnknownKindsAreNamed) {
  DecodeError error = Refusal(Packed(R"(["heartbeat", {"req": 4}])"));
  EXPECT_EQ(error.code, ErrorCode::kUnknownKind);
  EXPECT_EQ(error.message, "the kind \"heartbeat\" is not one of bellis/1");
  EXPECT_EQ(error.req, 4u);
  error = Refusal(Packed("[\"" + std::string(5000, 'k') + "\", {}]"));
  EXPECT_EQ(error.code, ErrorCode::kUnknownKind);
  EXPECT_LT(error.message.size(), 120u);
}

TEST(CodecErrors, MessagesThatAreNotKindAndFields) {
  EXPECT_EQ(BadMessage("5"), "the message is 5 (uint); expected [kind, fields]");
  EXPECT_EQ(BadMessage("{}"), "the message is a map of 0; expected [kind, fields]");
  EXPECT_EQ(BadMessage("[\"ping\"]"), "the message is an array of 1; expected [kind, fields]");
  EXPECT_EQ(BadMessage("[\"ping\", {}, 1]"),
            "the message is an array of 3; expected [kind, fields]");
  EXPECT_EQ(BadMessage("[1, {}]"), "the kind of the message is 1 (uint); expected a str");
  EXPECT_EQ(BadMessage("[\"ping\", []]"), "ping is an array of 0; expected a map");
}

TEST(CodecErrors, BytesThatAreNotMsgpack) {
  EXPECT_EQ(Refusal("").message,
            "the message is not msgpack: no bytes at all; expected [kind, fields]");
  EXPECT_EQ(Refusal(Hex("92 c1 c1")).message,
            "the message is not msgpack: a byte that starts no value (at byte 1 of 3); expected "
            "[kind, fields]");
  EXPECT_EQ(Refusal(Hex("92 a3 6279")).message,
            "the message is not msgpack: the end comes too early (at byte 2 of 4); expected "
            "[kind, fields]");
  EXPECT_EQ(Refusal(Encoded(PingMsg{}) + "xy").message,
            "the message is not msgpack: 2 bytes after the end of the message; expected [kind, "
            "fields]");
}

TEST(CodecErrors, MoreBlocksThanAWorkerMayWantIsALimit) {
  for (const char* kind : {"acquire", "release"}) {
    const DecodeError error = Refusal(Packed("[\"" + std::string(kind) + R"(", {"want": 1025}])"));
    EXPECT_EQ(error.code, ErrorCode::kLimit);
    EXPECT_EQ(error.message,
              std::string(kind) + ".want is 1025 (uint); expected a uint of at most 1024");
    const std::string begin = "[\"" + std::string(kind) + R"(", {"want": )";
    EXPECT_EQ(Refusal(Packed(begin + "9223372036854775807}]")).code, ErrorCode::kLimit);
    for (const char* no_uint : {"9223372036854775808", "1.0", "-1"}) {
      EXPECT_EQ(Refusal(Packed(begin + no_uint + "}]")).code, ErrorCode::kBadMessage) << no_uint;
    }
  }
}

TEST(CodecErrors, MessagesOverTheLimitAreTooLarge) {
  std::string bytes = Encoded(ByeMsg{.reason = std::string(kMessageBytesMax - 18, 'x')});
  ASSERT_EQ(bytes.size(), kMessageBytesMax);
  EXPECT_TRUE(Decoded(bytes).ok());
  bytes = Encoded(ByeMsg{.reason = std::string(kMessageBytesMax - 17, 'x')});
  const DecodeError error = Refusal(bytes);
  EXPECT_EQ(error.code, ErrorCode::kTooLarge);
  EXPECT_EQ(error.message, "the message has 1048577 bytes; expected at most 1048576");
}

TEST(CodecErrors, TheRequestsNumberSurvivesOtherFieldsThatAreBad) {
  for (const char* json :
       {R"(["cancel", {"job": 5, "req": 77}])", R"(["cancel", {"req": 77, "job": 5}])",
        R"(["cancel", {"req": 77}])",
        R"(["watch", {"job": "1", "interval_ms": [[{"req": 1}]], "req": 77}])",
        R"(["submit", {"job": {"tasks": []}, "req": 77}])", R"(["submit", {"job": [], "req": 77}])",
        R"(["nothing", {"x": [1, 2], "req": 77}])", R"([5, {"x": {"req": 1}, "req": 77}])"}) {
    EXPECT_EQ(Refusal(Packed(json)).req, 77u) << json;
  }
  EXPECT_EQ(Refusal(Packed(R"(["cancel", {"req": -1, "job": "1"}])")).req, 0u);
  EXPECT_EQ(Refusal(Packed(R"(["cancel", {"req": 9223372036854775808, "job": "1"}])")).req, 0u);
  EXPECT_EQ(Refusal(Packed(R"(["cancel", [77]])")).req, 0u);
}

TEST(CodecErrors, AJobThatCannotBeScheduledIsInvalidSpec) {
  const DecodeError error = Refusal(Packed(R"(["submit", {"job": {"tasks": 5}, "req": 3}])"));
  EXPECT_EQ(error.code, ErrorCode::kInvalidSpec);
  EXPECT_EQ(error.message.find("tasks"), 0u) << error.message;
  EXPECT_EQ(error.req, 3u);
}

TEST(CodecErrors, AHelloOfAnotherVersionIsRefusedForItsVersion) {
  const DecodeError error =
      Refusal(Packed(R"(["hello", {"role": {"kind": "checker"}, "version": 2}])"));
  EXPECT_EQ(error.code, ErrorCode::kVersion);
  EXPECT_EQ(error.message, "hello.version is 2; expected 1");
  EXPECT_EQ(Refusal(Packed(R"(["hello", {"role": 5, "version": 1}])")).code,
            ErrorCode::kBadMessage);
}

}  // namespace
}  // namespace bellis
