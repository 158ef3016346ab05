#include "common/text/headline.h"

#include "common/text/printable.h"

namespace bellis {
namespace {

constexpr std::string_view kTraceback = "Traceback (most recent call last):";

/// `line` without the frame that Python draws around the members of an exception group. Sets
/// `*framed` if there was a frame.
std::string_view WithoutFrame(std::string_view line, bool* framed) {
  const size_t begin = line.find_first_not_of(' ');
  *framed =
      begin != std::string_view::npos && begin > 0 && (line[begin] == '|' || line[begin] == '+');
  if (!*framed) return line;
  line.remove_prefix(begin + 1);
  if (!line.empty() && line.front() == ' ') line.remove_prefix(1);
  return line;
}

/// Whether the line is part of a stack frame, a rule between exceptions, or the note that a text
/// was cut.
bool IsPassage(std::string_view line) {
  return line.empty() || line.front() == ' ' || line.front() == '\t' || line.front() == '-' ||
         line.rfind("[... ", 0) == 0;
}

}  // namespace

std::string Headline(std::string_view error) {
  const size_t begin = error.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return "";
  const std::string_view first = error.substr(begin, error.find('\n', begin) - begin);
  if (first.find(kTraceback) == std::string_view::npos) return FirstLine(error);

  // The exception follows the last stack frame (" File ..."): it is the first line that is not
  // indented. Python prints the causes of an exception first, so the last traceback is the most
  // relevant one.
  std::string headline;
  std::string group;
  bool wanted = false;
  for (std::string_view rest = error; !rest.empty();) {
    const size_t end = rest.find('\n');
    bool framed = false;
    const std::string_view line = WithoutFrame(rest.substr(0, end), &framed);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (line.find(kTraceback) != std::string_view::npos || line.rfind("  File ", 0) == 0) {
      wanted = true;
    } else if ((wanted || !group.empty()) && !IsPassage(line)) {
      wanted = false;
      headline = Printable(line);
      if (!group.empty()) return group + ": " + headline;  // the group's first exception
      if (framed) group = headline;
    }
  }
  return headline.empty() ? FirstLine(error) : headline;
}

}  // namespace bellis
