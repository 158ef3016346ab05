#include "tools/progress_printer.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "client/cpp/connection.h"

namespace bellis {
namespace {

constexpr Duration kBarInterval = Duration::Millis(100);
constexpr Duration kLineInterval = Duration::Seconds(10);

struct Screen {
  int width = 80;
  int height = 24;
};

Screen ScreenOfStderr() {
  Screen screen;
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    screen = {size.ws_col, size.ws_row > 0 ? size.ws_row : screen.height};
  }
  return screen;
}

/// Writes everything at once, so that a redraw does not flicker.
void WriteOut(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace

ProgressPrinter::Style ProgressPrinter::StyleOfStderr() {
  const char* term = std::getenv("TERM");
  const bool dumb = term == nullptr || *term == '\0' || std::string_view(term) == "dumb";
  return ::isatty(STDERR_FILENO) != 0 && !dumb ? Style::kBars : Style::kLines;
}

void ProgressPrinter::Show(const JobStatus& status) {
  const std::lock_guard<std::mutex> lock(mutex_);
  progress_.Update(status, ClientNow());
  known_ = true;
  Draw(/*now=*/false);
}

void ProgressPrinter::Tick() {
  const std::lock_guard<std::mutex> lock(mutex_);
  Draw(/*now=*/false);
}

void ProgressPrinter::Finish(const JobStatus& status) {
  const std::lock_guard<std::mutex> lock(mutex_);
  progress_.Update(status, ClientNow());
  known_ = true;
  Draw(/*now=*/true);
  bar_lines_ = 0;
  known_ = false;
}

void ProgressPrinter::Say(const std::string& line) {
  const std::lock_guard<std::mutex> lock(mutex_);
  EraseBars();
  WriteOut(line + "\n");
  if (style_ == Style::kBars) Draw(/*now=*/true);
}

void ProgressPrinter::Draw(bool now) {
  if (style_ == Style::kNone || !known_) return;
  const Instant time = ClientNow();
  const Duration interval = style_ == Style::kBars ? kBarInterval : kLineInterval;
  if (!now && drawn_at_ && time - *drawn_at_ < interval) return;
  drawn_at_ = time;
  if (style_ == Style::kBars) {
    DrawBars(time);
  } else {
    WriteOut(progress_.PlainLine(time) + "\n");
  }
}

void ProgressPrinter::DrawBars(Instant now) {
  const Screen screen = ScreenOfStderr();
  // Leaves the last column free, because writing to it makes some terminals wrap.
  const auto lines = progress_.Lines(screen.width - 1, screen.height - 1, now);
  std::string text;
  if (bar_lines_ > 0) text += "\x1b[" + std::to_string(bar_lines_) + "A";
  for (const std::string& line : lines) text += "\r\x1b[2K" + line + "\n";
  if (lines.size() < bar_lines_) text += "\x1b[J";
  bar_lines_ = lines.size();
  WriteOut(text);
}

void ProgressPrinter::EraseBars() {
  if (bar_lines_ == 0) return;
  WriteOut("\x1b[" + std::to_string(bar_lines_) + "A\r\x1b[J");
  bar_lines_ = 0;
}

}  // namespace bellis
