#include "tests/broker/core/story_text.h"

#include <algorithm>
#include <cctype>
#include <stdexcept>
#include <utility>

namespace bellis::test {
namespace {

constexpr size_t kColumns = 120;

bool IsBare(const std::string& text) {
  if (text.empty() || std::isalpha(static_cast<unsigned char>(text[0])) == 0) return false;
  if (text == "true" || text == "false" || text == "null") return false;
  return text.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./+") ==
         std::string::npos;
}

bool IsObjects(const Json& value) {
  return value.is_array() && !value.empty() && value[0].is_object();
}

/// Whether the object is printed over several lines, because it has lists of objects or is long.
bool IsDeep(const Json& value) {
  constexpr size_t kInlineMax = 60;
  if (!value.is_object()) return false;
  for (const auto& [key, field] : value.items()) {
    if (IsObjects(field)) return true;
  }
  return value.dump().size() > kInlineMax;
}

/// Whether the value is a ROI, {"offset": ..., "shape": ...} or [offset, shape].
bool IsRoi(const std::string& key, const Json& value) {
  const auto are_numbers = [](const Json& list) {
    if (!list.is_array() || list.empty()) return false;
    for (const Json& number : list) {
      if (!number.is_number_integer()) return false;
    }
    return true;
  };
  if (key == "read" || key == "write") {
    return value.is_array() && value.size() == 2 && are_numbers(value[0]) && are_numbers(value[1]);
  }
  return key.ends_with("_roi") && value.is_object() && value.size() == 2 &&
         value.contains("offset") && value.contains("shape") && are_numbers(value["offset"]) &&
         are_numbers(value["shape"]);
}

std::string Joined(const Json& numbers) {
  std::string text;
  for (const Json& number : numbers) text += (text.empty() ? "" : ",") + number.dump();
  return text;
}

/// The text, cut into pieces that fit in a line.
std::vector<std::string> InPieces(std::string text) {
  constexpr size_t kPiece = 80;
  std::vector<std::string> words;
  while (text.size() > kPiece && text.find(' ', kPiece) != std::string::npos) {
    const size_t end = text.find(' ', kPiece) + 1;
    words.push_back(Json(text.substr(0, end)).dump());
    text.erase(0, end);
  }
  words.push_back(Json(text).dump());
  return words;
}

/// The words that write a field.
std::vector<std::string> FormatField(const std::string& key, const Json& value) {
  constexpr size_t kListMax = 100;
  if (IsRoi(key, value)) {
    const bool named = value.is_object();
    return {key + "=" + Joined(named ? value["offset"] : value[0]) + "+" +
            Joined(named ? value["shape"] : value[1])};
  }
  std::vector<std::string> words;
  const auto add = [&words](const std::string& name, const Json& text) {
    std::vector<std::string> pieces = InPieces(text.get<std::string>());
    pieces[0] = name + pieces[0];
    words.insert(words.end(), pieces.begin(), pieces.end());
  };
  if (value.is_string()) {
    if (IsBare(value.get<std::string>())) return {key + "=" + value.get<std::string>()};
    add(key + "=", value);
  } else if (value.is_array() && value.dump().size() > kListMax && value[0].is_string()) {
    for (const Json& text : value) add(key + "+=", text);
  } else {
    words.push_back(key + "=" + value.dump());
  }
  return words;
}

void FormatFields(const Json& fields, const std::string& head, const std::string& indent,
                  std::vector<std::string>* lines) {
  std::string line = head;
  for (const auto& [key, value] : fields.items()) {
    if (IsObjects(value) || IsDeep(value)) continue;
    for (const std::string& word : FormatField(key, value)) {
      if (line.size() + 1 + word.size() > kColumns) {
        lines->push_back(line);
        line = "| " + indent + "..";
      }
      line += " " + word;
    }
  }
  lines->push_back(line);
  for (const auto& [key, value] : fields.items()) {
    if (IsObjects(value)) {
      for (const Json& object : value) {
        FormatFields(object, "| " + indent + key, indent + "  ", lines);
      }
    } else if (IsDeep(value)) {
      FormatFields(value, "| " + indent + key + ":", indent + "  ", lines);
    }
  }
}

/// The words of a line. Spaces divide them, except within strings and brackets.
std::vector<std::string> WordsOf(const std::string& line) {
  std::vector<std::string> words;
  std::string word;
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted && c == '\\')
      word += line[i++];
    else if (c == '"')
      quoted = !quoted;
    else if (!quoted)
      depth += (c == '[' || c == '{') - (c == ']' || c == '}');
    if (c == ' ' && !quoted && depth == 0) {
      if (!word.empty()) words.push_back(std::exchange(word, {}));
    } else {
      word += line[i];
    }
  }
  if (!word.empty()) words.push_back(word);
  return words;
}

Json ParseRoi(const std::string& key, const std::string& text) {
  const size_t plus = text.find('+');
  const Json offset = Json::parse("[" + text.substr(0, plus) + "]");
  const Json shape = Json::parse("[" + text.substr(plus + 1) + "]");
  if (key.ends_with("_roi")) return {{"offset", offset}, {"shape", shape}};
  return Json::array({offset, shape});
}

Json ParseValue(const std::string& key, const std::string& text) {
  const bool is_roi_key = key == "read" || key == "write" || key.ends_with("_roi");
  if (is_roi_key && text.find_first_not_of("-0123456789,+") == std::string::npos &&
      text.find('+') != std::string::npos) {
    return ParseRoi(key, text);
  }
  return IsBare(text) ? Json(text) : Json::parse(text);
}

/// Adds the words from position `first` on to the fields.
void ParseWords(const std::string& line, size_t first, Json* fields) {
  const std::vector<std::string> words = WordsOf(line);
  for (size_t i = first; i < words.size(); ++i) {
    if (words[i][0] == '"' && !fields->empty()) {  // continues the text before
      Json& last = fields->rbegin().value();
      Json& text = last.is_array() ? last.back() : last;
      text = text.get<std::string>() + Json::parse(words[i]).get<std::string>();
      continue;
    }
    const size_t equals = words[i].find('=');
    const size_t colon = words[i].find(':');
    if (equals != std::string::npos && words[i].find_first_of("\"[{") > equals) {
      std::string key = words[i].substr(0, equals);
      const bool one_more = key.ends_with('+');
      if (one_more) key.pop_back();
      const Json value = ParseValue(key, words[i].substr(equals + 1));
      if (one_more) {
        (*fields)[key].push_back(value);
      } else {
        (*fields)[key] = value;
      }
    } else if (colon != std::string::npos) {  // a result
      (*fields)["results"].push_back({{"lease", Json::parse(words[i].substr(0, colon))},
                                      {"status", words[i].substr(colon + 1)}});
    } else {
      throw std::runtime_error("\"" + words[i] +
                               "\" is neither KEY=VALUE nor LEASE:STATUS in: " + line);
    }
  }
}

}  // namespace

Json ParseMessage(const std::vector<std::string>& lines) {
  const std::string kind = WordsOf(lines.at(0)).at(0);
  Json fields = Json::object();
  ParseWords(lines[0], 1, &fields);
  std::vector<Json*> open{&fields};  // the objects that the next line may belong to, by depth
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::string& line = lines[i];
    const size_t at = line.find_first_not_of(' ', 1);
    const size_t depth = at == std::string::npos ? 0 : (at - 2) / 2;
    if (line.empty() || line[0] != '|' || at == std::string::npos || depth >= open.size()) {
      throw std::runtime_error("this belongs to no line above it: " + line);
    }
    std::string key = WordsOf(line).at(1);
    if (key == "..") {
      ParseWords(line, 2, open.back());
      continue;
    }
    open.resize(depth + 1);
    const bool one = key.back() == ':';
    if (one) key.pop_back();
    Json& value = (*open.back())[key];
    if (!one) value.push_back(Json::object());
    open.push_back(one ? &value : &value.back());
    if (one) value = Json::object();
    ParseWords(line, 2, open.back());
  }
  return Json::array({kind, fields});
}

std::vector<std::string> FormatMessage(const Json& message) {
  std::vector<std::string> lines;
  FormatFields(message.at(1), message.at(0).get<std::string>(), "", &lines);
  return lines;
}

std::vector<std::string> WrapWords(const std::string& text) {
  std::vector<std::string> lines;
  std::string line;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    if (!line.empty() && line.size() + 1 + word.size() > kColumns) {
      lines.push_back(std::exchange(line, "| .."));
    }
    line += (line.empty() ? "" : " ") + word;
    at = end + 1;
  }
  lines.push_back(line);
  return lines;
}

}  // namespace bellis::test
