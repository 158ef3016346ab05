#include "tools/conformance/report.h"

#include <fmt/format.h>

#include "common/text/printable.h"
#include "tools/conformance/checks.h"

namespace bellis::conformance {
namespace {

constexpr const char* kHead = "level  check               ";

std::string Beginning(const Check& check) {
  return fmt::format("{:<6} {:<19}", check.level, check.name);
}

std::string Word(const Outcome& outcome) {
  if (outcome.verdict == Verdict::kFails) return outcome.check->must ? "FAILS" : "fails (optional)";
  return VerdictName(outcome.verdict);
}

std::string Section(const Check& check) {
  return fmt::format("common/protocol/{}, \"{}\"", check.page, check.heading);
}

std::string Details(const Outcome& outcome) {
  std::string text = fmt::format("\n{}: {}\n", outcome.check->name, Word(outcome));
  text += fmt::format("    {}\n    {}\n", Printable(outcome.sentence), Section(*outcome.check));
  if (outcome.verdict != Verdict::kFails) return text;
  text += TraceText(outcome.trace, "    ");
  if (outcome.output.empty()) return text;
  text += "    Its output ends:\n";
  size_t begin = 0;
  while (begin < outcome.output.size()) {
    const size_t end = std::min(outcome.output.find('\n', begin), outcome.output.size());
    text += "      | " + Printable(outcome.output.substr(begin, end - begin)) + "\n";
    begin = end + 1;
  }
  return text;
}

Json CheckJson(const Check& check) {
  return {{"name", check.name},   {"level", check.level}, {"must", check.must},
          {"holds", check.holds}, {"page", check.page},   {"heading", check.heading}};
}

}  // namespace

Summary Summarize(const std::vector<Outcome>& outcomes) {
  Summary sum;
  for (const Outcome& outcome : outcomes) {
    const bool holds = outcome.verdict == Verdict::kHolds;
    if (!outcome.check->must) {
      ++sum.optional;
      sum.optional_hold += holds;
    } else if (outcome.verdict == Verdict::kNotShown) {
      ++sum.must_not_shown;
    } else {
      ++(holds ? sum.must_hold : sum.must_fail);
    }
  }
  return sum;
}

std::string ReportText(const std::vector<Outcome>& outcomes, int level) {
  std::string text = std::string(kHead) + "verdict\n";
  std::string details;
  for (const Outcome& outcome : outcomes) {
    text += fmt::format("{} {:<16}  {}\n", Beginning(*outcome.check), Word(outcome),
                        outcome.check->holds);
    if (outcome.verdict != Verdict::kHolds) details += Details(outcome);
  }
  const Summary sum = Summarize(outcomes);
  text += details;
  text += fmt::format(
      "\nlevel {}: {} of {} MUSTs hold, {} fail, {} not shown; {} of {} optional hold\n", level,
      sum.must_hold, sum.must_hold + sum.must_fail + sum.must_not_shown, sum.must_fail,
      sum.must_not_shown, sum.optional_hold, sum.optional);
  return text;
}

Json ReportJson(const std::vector<Outcome>& outcomes, int level) {
  Json checks = Json::array();
  for (const Outcome& outcome : outcomes) {
    Json check = CheckJson(*outcome.check);
    check["verdict"] = VerdictName(outcome.verdict);
    check["sentence"] = Printable(outcome.sentence);
    check["seconds"] = outcome.took.seconds();
    check["trace"] = Json::array();
    for (const TraceLine& line : outcome.trace) check["trace"].push_back(TraceText(line));
    check["output"] = Printable(outcome.output);
    checks.push_back(check);
  }
  const Summary sum = Summarize(outcomes);
  return {{"level", level}, {"holds", sum.must_fail == 0}, {"checks", checks}};
}

std::string ListText() {
  std::string text = std::string(kHead) + "what holds\n";
  for (const Check& check : AllChecks()) {
    text +=
        fmt::format("{} {}{}\n", Beginning(check), check.holds, check.must ? "" : " (optional)");
  }
  return text;
}

Json ListJson() {
  Json list = Json::array();
  for (const Check& check : AllChecks()) list.push_back(CheckJson(check));
  return list;
}

}  // namespace bellis::conformance
