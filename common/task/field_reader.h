#pragma once

// Reads typed fields from a JSON-like tree. An error is noted in a FirstTrouble, with the field,
// the value and what is accepted. Reading then goes on with the default, so that a reader is simply
// a list of fields. Private to common/task.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bellis/job_spec.h"
#include "common/check.h"
#include "common/task/field_path.h"
#include "common/task/job_rules.h"
#include "common/text/nearest_word.h"

namespace bellis {

/// The value in the words of an error message: scalars as they are, "a table", "an array".
inline std::string ValueText(const nlohmann::json& value) {
  switch (value.type()) {
    case nlohmann::json::value_t::object: return "a table";
    case nlohmann::json::value_t::array: return value.empty() ? "an empty array" : "an array";
    case nlohmann::json::value_t::string: return Quoted(value.get_ref<const std::string&>());
    case nlohmann::json::value_t::binary: return "binary data";
    case nlohmann::json::value_t::number_float: {
      const double number = value.get<double>();
      if (std::isnan(number)) return "nan";
      if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
      break;
    }
    default: break;
  }
  return value.dump();
}

/// The value if it is an int64. Neither true nor 1.0 nor 2^63 is one.
inline std::optional<int64_t> WholeNumber(const nlohmann::json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<uint64_t>();
    if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
    return static_cast<int64_t>(number);
  }
  if (value.is_number_integer()) return value.get<int64_t>();
  return std::nullopt;
}

/// Reads the fields of one table. The tree, the words in `known` and `trouble` outlive the reader.
class FieldReader {
 public:
  using Json = nlohmann::json;
  template <typename Value>
  using Choices = std::initializer_list<std::pair<std::string_view, Value>>;

  /// Notes trouble if `table` is not a table, or has a key that is not in `known`.
  FieldReader(const Json& table, FieldPath path, std::vector<std::string_view> known,
              FirstTrouble& trouble)
      : table_(table), path_(std::move(path)), known_(std::move(known)), trouble_(trouble) {
    if (!table_.is_object()) {
      trouble_.Set(path_, "is " + ValueText(table_) + "; a table");
      return;
    }
    for (const auto& [key, value] : table_.items()) CheckKnown(key);
  }

  /// The value of `key`; nullptr if there is none, which is trouble if the key is `required`.
  const Json* Find(std::string_view key, const char* required = nullptr) const {
    BELLIS_CHECK(std::find(known_.begin(), known_.end(), key) != known_.end(),
                 "a field that is read but not known");
    const auto found = table_.is_object() ? table_.find(std::string(key)) : table_.end();
    if (found != table_.end()) return &*found;
    if (required != nullptr) Fail(key, std::string("is missing; ") + required);
    return nullptr;
  }

  std::string Text(std::string_view key, const char* required = nullptr) const {
    const Json* value = Find(key, required);
    return value == nullptr ? "" : TextAt(*value, path_.Key(key));
  }

  bool Flag(std::string_view key, bool fallback) const {
    const Json* value = Find(key);
    if (value == nullptr) return fallback;
    if (value->is_boolean()) return value->get<bool>();
    Fail(key, "is " + ValueText(*value) + "; true or false");
    return fallback;
  }

  uint32_t Count(std::string_view key, uint32_t fallback, uint32_t min, uint32_t max) const {
    const Json* value = Find(key);
    if (value == nullptr) return fallback;
    const auto number = WholeNumber(*value);
    if (number && *number >= min && *number <= max) return static_cast<uint32_t>(*number);
    Fail(key, "is " + ValueText(*value) + "; a whole number from " + std::to_string(min) + " to " +
                  std::to_string(max));
    return fallback;
  }

  /// A table of whole numbers from 1 to `max`, by name.
  std::map<std::string, uint32_t> Counts(std::string_view key, uint32_t max) const {
    std::map<std::string, uint32_t> counts;
    const Json* table = Find(key);
    if (table == nullptr) return counts;
    std::vector<std::string_view> names;
    if (table->is_object()) {
      for (const auto& [name, value] : table->items()) names.push_back(name);
    }
    const FieldReader fields(*table, path_.Key(key), names, trouble_);
    for (const std::string_view name : names) {
      counts[std::string(name)] = fields.Count(name, 1, 1, max);
    }
    return counts;
  }

  /// Seconds, rounded to the nearest microsecond. A value above 0 is not rounded to 0, which would
  /// mean none.
  Duration Seconds(std::string_view key) const {
    const Json* value = Find(key);
    if (value == nullptr) return {};
    const double seconds = value->is_number() ? value->get<double>() : -1;
    if (seconds >= 0 && seconds <= static_cast<double>(kTimeoutSecondsMax)) {  // nan is not
      const int64_t micros = std::llround(seconds * 1e6);
      return Duration{1000 * (seconds > 0 ? std::max<int64_t>(1, micros) : 0)};
    }
    Fail(key, "is " + ValueText(*value) + "; a number of seconds, 0 (none) to " +
                  std::to_string(kTimeoutSecondsMax) + " (ten years)");
    return {};
  }

  template <typename Value>
  Value OneOf(std::string_view key, Value fallback, Choices<Value> choices) const {
    const Json* value = Find(key);
    if (value == nullptr) return fallback;
    std::vector<std::string> words;
    for (const auto& [word, choice] : choices) {
      if (value->is_string() && value->get_ref<const std::string&>() == word) return choice;
      words.push_back(Quoted(word));
    }
    const std::string last = words.back();
    words.pop_back();
    Fail(key, "is " + ValueText(*value) + "; " + Listed(words) + " or " + last);
    return fallback;
  }

  std::vector<std::string> Texts(std::string_view key, const char* required = nullptr) const {
    std::vector<std::string> texts;
    ForEach(key, "an array of strings", required, [&](const Json& value, size_t i) {
      // The path is made only on failure, since there may be a million strings.
      texts.push_back(value.is_string() ? value.get<std::string>()
                                        : TextAt(value, path_.Key(key).At(i)));
    });
    return texts;
  }

  Environment Env(std::string_view key) const {
    Environment env;
    const Json* table = Find(key);
    if (table == nullptr) return env;
    if (!table->is_object()) Fail(key, "is " + ValueText(*table) + "; a table of strings");
    if (!table->is_object()) return env;
    for (const auto& [name, value] : table->items()) {
      env[name] = TextAt(value, path_.Key(key).Key(name));
    }
    return env;
  }

  /// Calls `fn(value, position)` for every element of the array at `key`.
  template <typename Fn>
  void ForEach(std::string_view key, const char* accepted, const char* required, Fn fn) const {
    const Json* array = Find(key, required);
    if (array == nullptr) return;
    if (!array->is_array()) {
      Fail(key, "is " + ValueText(*array) + "; " + accepted);
      return;
    }
    for (size_t i = 0; i < array->size() && !trouble_.any(); ++i) fn((*array)[i], i);
  }

  FieldPath PathOf(std::string_view key) const { return path_.Key(key); }
  FirstTrouble& trouble() const { return trouble_; }

 private:
  void Fail(std::string_view key, std::string words) const {
    trouble_.Set(path_.Key(key), std::move(words));
  }

  std::string TextAt(const Json& value, const FieldPath& path) const {
    if (value.is_string()) return value.get<std::string>();
    trouble_.Set(path, "is " + ValueText(value) + "; a string");
    return "";
  }

  void CheckKnown(const std::string& key) const {
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) return;
    if (const auto nearest = NearestWord(key, known_)) {
      Fail(key, "is not a known field; did you mean " + std::string(*nearest) + "?");
    } else {
      Fail(key,
           "is not a known field; known here: " +
               Listed(std::vector<std::string>(known_.begin(), known_.end()), ", ", known_.size()));
    }
  }

  const Json& table_;
  const FieldPath path_;
  const std::vector<std::string_view> known_;
  FirstTrouble& trouble_;
};

/// Reads the array of whole numbers at `key`, in order. Does not check how many there are.
inline std::vector<int64_t> ReadNumbers(const FieldReader& fields, std::string_view key) {
  constexpr const char* kNumbers = "an array of 1 to 8 whole numbers";
  std::vector<int64_t> read;
  fields.ForEach(key, kNumbers, kNumbers, [&](const nlohmann::json& number, size_t i) {
    const auto whole = WholeNumber(number);
    if (!whole) {
      fields.trouble().Set(fields.PathOf(key).At(i),
                           "is " + ValueText(number) + "; a whole number");
    }
    read.push_back(whole.value_or(0));
  });
  return read;
}

/// The same as a Coordinate of 1 to kRankMax numbers, whose values are not checked.
inline Coordinate ReadCoordinate(const FieldReader& fields, std::string_view key) {
  const std::vector<int64_t> numbers = ReadNumbers(fields, key);
  if (numbers.empty() || numbers.size() > kRankMax) {
    fields.trouble().Set(fields.PathOf(key),
                         "has " + std::to_string(numbers.size()) + " numbers; 1 to 8");
    return {};
  }
  return Coordinate(numbers);
}

/// `{offset = [..], shape = [..]}` or `[[..], [..]]`.
inline Roi ReadRoi(const FieldReader& fields, std::string_view key, int64_t shape_min) {
  constexpr const char* kAccepted = "{offset = [...], shape = [...]}";
  const nlohmann::json* value = fields.Find(key, kAccepted);
  if (value == nullptr) return {};
  const FieldPath path = fields.PathOf(key);
  FirstTrouble& trouble = fields.trouble();
  if (value->is_array() && value->size() != 2) {
    trouble.Set(path, "is an array of " + std::to_string(value->size()) + "; " + kAccepted);
    return {};
  }
  if (!value->is_array() && !value->is_object()) {
    trouble.Set(path, "is " + ValueText(*value) + "; " + kAccepted);
    return {};
  }
  // A pair is converted to a table, so both forms are read as a table.
  const nlohmann::json pair =
      value->is_object() ? *value : nlohmann::json{{"offset", (*value)[0]}, {"shape", (*value)[1]}};
  const FieldReader box(pair, path, {"offset", "shape"}, trouble);
  const std::vector<int64_t> offset = ReadNumbers(box, "offset");
  const std::vector<int64_t> shape = ReadNumbers(box, "shape");
  if (!trouble.any()) trouble.Set(FindBoxTrouble(path, offset, shape, shape_min));
  return trouble.any() ? Roi() : Roi(Coordinate(offset), Coordinate(shape));
}

}  // namespace bellis
