#pragma once

// The path of a field in a job ("tasks[1].read_roi.shape[0]"), and what is wrong with it. The same
// path leads to the line of a TOML file. Private to common/task.

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "bellis/result.h"
#include "common/task/field_text.h"

namespace bellis {

class FieldPath {
 public:
  using Step = std::variant<std::string, size_t>;  // a key of a table, a position in an array

  FieldPath Key(std::string_view key) const { return With(std::string(key)); }
  FieldPath At(size_t index) const { return With(index); }
  const std::vector<Step>& steps() const { return steps_; }

  /// "tasks[1].env.\"a key\"": keys that are not plain words are quoted. The root: "the job".
  std::string ToString() const {
    if (steps_.empty()) return "the job";
    std::string text;
    for (const Step& step : steps_) {
      if (const auto* index = std::get_if<size_t>(&step)) {
        text += "[" + std::to_string(*index) + "]";
        continue;
      }
      const std::string& key = std::get<std::string>(step);
      if (!text.empty()) text += ".";
      text += IsPlainWord(key) ? key : Quoted(key);
    }
    return text;
  }

 private:
  FieldPath With(Step step) const {
    FieldPath longer = *this;
    longer.steps_.push_back(std::move(step));
    return longer;
  }

  std::vector<Step> steps_;
};

/// Something that is wrong: a path and words about it, such as "serial" and "is 3; true or false".
struct Trouble {
  FieldPath path;
  std::string words;

  Error ToError() const { return Error{ErrorCode::kInvalidSpec, path.ToString() + " " + words}; }
};

/// Keeps only the first Trouble, so that checks can be written one below the other.
class FirstTrouble {
 public:
  void Set(FieldPath path, std::string words) {
    if (!trouble_) trouble_ = Trouble{std::move(path), std::move(words)};
  }
  void Set(std::optional<Trouble> trouble) {
    if (!trouble_) trouble_ = std::move(trouble);
  }
  bool any() const { return trouble_.has_value(); }
  const std::optional<Trouble>& get() const { return trouble_; }

 private:
  std::optional<Trouble> trouble_;
};

}  // namespace bellis
