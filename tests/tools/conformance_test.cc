// The text of a conformance run: messages, traces and the table.

#include <gtest/gtest.h>

#include "common/protocol/codec.h"
#include "tools/conformance/checks.h"
#include "tools/conformance/packing.h"
#include "tools/conformance/report.h"
#include "tools/conformance/trace.h"

namespace bellis::conformance {
namespace {

using Kind = TraceLine::Kind;

Json WorkFields() {
  return {{"blocks",
           {{{"lease", 300},
             {"index", 41},
             {"id", 61},
             {"read", {{-2, 0}, {14, 10}}},
             {"write", {{0, 0}, {10, 10}}},
             {"attempt", 2}}}}};
}

TEST(ConformanceTrace, ShowsAMessageAsKindAndFields) {
  EXPECT_EQ(MessageText(PackMessage("release", {{"results", {{{"lease", 3}}}}, {"want", 1}})),
            R"(release {"results": [{"lease": 3}], "want": 1})");
}

TEST(ConformanceTrace, ShowsBytesThatAreNoMessage) {
  EXPECT_EQ(MessageText(std::string("\xc1\x00", 2)), "no msgpack: c1 00");
}

TEST(ConformanceTrace, CutsLongTexts) {
  const std::string text = MessageText(PackMessage("bye", {{"reason", std::string(5000, 'x')}}));
  EXPECT_LT(text.size(), 700u);
  EXPECT_TRUE(text.ends_with("xxx ... (5018 bytes)")) << text;
}

TEST(ConformanceTrace, HasTimesAndDirections) {
  EXPECT_EQ(TraceText({{Duration::Millis(214), Kind::kFromWorker, "worker", "ping {}"},
                       {Duration::Millis(215), Kind::kToWorker, "pulse", "pong {}"},
                       {Duration::Millis(1300), Kind::kNote, "", "the connections are cut"}},
                      "  "),
            "     0.214 s  worker > broker  ping {}\n"
            "     0.215 s  pulse  < broker  pong {}\n"
            "     1.300 s  ---------------  the connections are cut\n");
}

TEST(ConformanceTrace, LeavesOutTheMiddleOfALongTrace) {
  const std::vector<TraceLine> lines(200, TraceLine{Duration(), Kind::kNote, "", "x"});
  const std::string text = TraceText(lines, "");
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 81);
  EXPECT_NE(text.find("... 120 lines ..."), std::string::npos);
}

TEST(ConformancePacking, EveryStyleIsTheSameMessage) {
  using Integers = Style::Integers;
  Codec codec;
  DecodeResult plain = codec.Decode(PackMessage("work", WorkFields()));
  ASSERT_TRUE(plain.ok()) << plain.error().message;
  EXPECT_EQ(std::get<WorkMsg>(plain.message()).blocks.at(0).lease, LeaseId(300));
  for (const Integers integers :
       {Integers::kShortest, Integers::kUint16, Integers::kUint64, Integers::kInt64}) {
    for (const int bits : {0, 8, 16, 32}) {
      for (const bool flag : {false, true}) {
        const Style style{integers, bits, bits, flag, flag};
        const std::string bytes = PackMessage("work", WorkFields(), style);
        DecodeResult same = codec.Decode(bytes);
        ASSERT_TRUE(same.ok()) << same.error().message;
        EXPECT_EQ(same.message(), plain.message());
        EXPECT_EQ(bytes == PackMessage("work", WorkFields()),
                  integers == Integers::kShortest && bits == 0 && !flag);
      }
    }
  }
}

std::vector<Outcome> SomeOutcomes() {
  static const Check must{"hello", 0, true, "says who it is", "MESSAGES.md", "hello"};
  static const Check optional{"keys", 0, false, "encrypts", "TRANSPORT.md", "Keys"};
  static const Check slow{"lease-ends", 1, true, "stops", "WORKERS.md", "Leases end"};
  Outcome failed{&must, Verdict::kFails, "expected a hello, and it did not come"};
  failed.trace.push_back({Duration::Millis(5), Kind::kNote, "", "the worker is started"});
  failed.output = "Traceback:\noh";
  return {failed, {&optional, Verdict::kHolds}, {&slow, Verdict::kNotShown, "be slow"}};
}

TEST(ConformanceReport, IsATableThenWhatFailedThenTheSum) {
  EXPECT_EQ(ReportText(SomeOutcomes(), 1),
            "level  check               verdict\n"
            "0      hello               FAILS             says who it is\n"
            "0      keys                holds             encrypts\n"
            "1      lease-ends          not shown         stops\n"
            "\n"
            "hello: FAILS\n"
            "    expected a hello, and it did not come\n"
            "    common/protocol/MESSAGES.md, \"hello\"\n"
            "       0.005 s  ---------------  the worker is started\n"
            "    Its output ends:\n"
            "      | Traceback:\n"
            "      | oh\n"
            "\n"
            "lease-ends: not shown\n"
            "    be slow\n"
            "    common/protocol/WORKERS.md, \"Leases end\"\n"
            "\n"
            "level 1: 0 of 2 MUSTs hold, 1 fail, 1 not shown; 1 of 1 optional hold\n");
}

TEST(ConformanceReport, IsJson) {
  const Json report = ReportJson(SomeOutcomes(), 1);
  EXPECT_EQ(report["holds"], false);
  EXPECT_EQ(report["checks"].size(), 3u);
  EXPECT_EQ(report["checks"][0]["verdict"], "fails");
  EXPECT_EQ(report["checks"][2]["verdict"], "not shown");
}

TEST(ConformanceReport, ListsAllChecks) {
  EXPECT_EQ(ListJson().size(), AllChecks().size());
  EXPECT_NE(ListText().find("\n0      keys"), std::string::npos);
}

}  // namespace
}  // namespace bellis::conformance
