#include "tools/wire_trace.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>

#include "tools/text.h"
#include "tools/wire_text.h"

namespace bellis {
namespace {

constexpr int kLineWidthMax = 200;
constexpr int kNameWidth = 10;
constexpr int kKindWidth = 9;

struct Now {
  double unix_s = 0;
  std::string text;  // of this machine's time zone
};

Now ReadClock() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  const auto seconds = static_cast<time_t>(ms / 1000);
  return {static_cast<double>(ms) / 1000,
          fmt::format("{:%H:%M:%S}.{:03}", fmt::localtime(seconds), ms % 1000)};
}

}  // namespace

void WireTrace::Line(const std::string& text, bool is_bounded) {
  const std::string line = is_bounded ? ClipToWidth(text, kLineWidthMax) : text;
  std::fprintf(options_.out, "%s\n", line.c_str());
  std::fflush(options_.out);
}

void WireTrace::Learn(int peer, Direction direction, const std::string& kind,
                      std::span<const char> bytes) {
  if (direction == Direction::kToBroker && kind == "hello") {
    const std::string role = TextOfField(bytes, "role");
    if (!names_[peer].starts_with(role)) names_[peer] = role;
  } else if (direction == Direction::kFromBroker && kind == "welcome") {
    std::string& name = names_[peer];
    const auto worker = NumberOfField(bytes, "worker");
    if (worker && *worker > 0) {
      name = fmt::format("{} {}", name.substr(0, name.find(' ')), *worker);
    }
  }
}

void WireTrace::Message(int peer, Direction direction, std::span<const char> bytes, int frames) {
  const bool to_broker = direction == Direction::kToBroker;
  MessageText message = TextOfMessage(bytes, options_.json ? TextStyle::kJson : TextStyle::kPeople);
  if (frames != 1 && message.problem.empty()) message.problem = "not one frame";
  Learn(peer, direction, message.kind, bytes);
  const Now now = ReadClock();
  if (options_.json) {
    std::string line = fmt::format(
        R"({{"time":{:.3f},"peer":{},"name":"{}","to":"{}","bytes":{},"frames":{})", now.unix_s,
        peer, names_[peer], to_broker ? "broker" : "peer", bytes.size(), frames);
    if (message.kind.empty()) {
      line += fmt::format(R"(,"hex":"{}")", message.fields);
    } else {
      line += fmt::format(R"(,"kind":"{}","fields":{})", message.kind, message.fields);
    }
    if (!message.problem.empty()) line += fmt::format(R"(,"problem":"{}")", message.problem);
    return Line(line + "}", false);
  }
  std::string what = message.kind;
  if (!message.problem.empty()) {
    what =
        fmt::format("no message ({}; {} bytes, {} frames)", message.problem, bytes.size(), frames);
  }
  Line(fmt::format("{} {} {} {} {} {}", now.text, peer, PadRight(names_[peer], kNameWidth),
                   to_broker ? "->" : "<-",
                   message.problem.empty() ? PadRight(what, kKindWidth) : what, message.fields),
       !options_.full);
}

void WireTrace::Gone(int peer) {
  const Now now = ReadClock();
  if (options_.json) {
    return Line(fmt::format(R"({{"time":{:.3f},"peer":{},"name":"{}","gone":true}})", now.unix_s,
                            peer, names_[peer]),
                false);
  }
  Line(fmt::format("{} {} {} -- gone", now.text, peer, PadRight(names_[peer], kNameWidth)), true);
}

}  // namespace bellis
