// MESSAGES.md and the codec agree: the tables name the codec's fields, and the bytes of every
// example are the message that is shown beside them.

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>
#include <type_traits>

#include "common/protocol/kinds.h"
#include "common/protocol/message_fields.h"
#include "tests/common/protocol/sample_messages.h"

namespace bellis {
namespace {

using Json = nlohmann::json;

struct Row {
  std::string type;
  std::string standard;  // the column "default"
};

/// A section of the page, which has the name of a message.
struct Section {
  std::map<std::string, Row> rows;  // by field
  std::string json;                 // the example
  std::string bytes;
};

std::vector<std::string> Cells(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream rest(line);
  std::string cell;
  std::getline(rest, cell, '|');
  while (std::getline(rest, cell, '|')) {
    const size_t begin = cell.find_first_not_of(' ');
    const size_t end = cell.find_last_not_of(' ');
    cells.push_back(begin == std::string::npos ? "" : cell.substr(begin, end - begin + 1));
  }
  return cells;
}

/// All sections with a heading of the third order, by heading.
std::map<std::string, Section> ReadPage() {
  std::ifstream page(BELLIS_SOURCE_DIR "/common/protocol/MESSAGES.md");
  std::map<std::string, Section> sections;
  Section* section = nullptr;
  std::string* fenced = nullptr;
  bool in_fields = false;
  for (std::string line; std::getline(page, line);) {
    if (fenced != nullptr) {
      if (line == "```") {
        fenced = nullptr;
      } else {
        *fenced += line + "\n";
      }
    } else if (line.starts_with("## ")) {
      section = nullptr;
    } else if (line.starts_with("### ")) {
      section = &sections[line.substr(4)];
    } else if (section != nullptr && line == "```json") {
      fenced = &section->json;
    } else if (section != nullptr && line == "```msgpack") {
      fenced = &section->bytes;
    } else if (section != nullptr && line.starts_with("| field |")) {
      in_fields = true;
    } else if (!line.starts_with("|")) {
      in_fields = false;
    } else if (in_fields && !line.starts_with("| --- |")) {
      const std::vector<std::string> cells = Cells(line);
      EXPECT_EQ(cells.size(), 4u) << line;
      EXPECT_TRUE(section->rows.try_emplace(cells.at(0), Row{cells.at(1), cells.at(2)}).second)
          << line;
    }
  }
  return sections;
}

template <typename T>
constexpr bool kIsId = false;
template <typename Tag>
constexpr bool kIsId<Id<Tag>> = true;
template <typename T>
constexpr bool kIsVector = false;
template <typename T>
constexpr bool kIsVector<std::vector<T>> = true;
template <typename T>
constexpr bool kIsOptional = false;
template <typename T>
constexpr bool kIsOptional<std::optional<T>> = true;

/// The page's word for the type of a field.
template <typename T>
std::string TypeName() {
  if constexpr (std::is_same_v<T, bool>) return "bool";
  if constexpr (kIsId<T> || std::is_same_v<T, uint64_t>) return "uint";
  if constexpr (std::is_same_v<T, uint32_t>) return "uint32";
  if constexpr (std::is_same_v<T, int64_t>) return "int";
  if constexpr (std::is_same_v<T, int32_t>) return "int32";
  if constexpr (std::is_same_v<T, double>) return "float";
  if constexpr (std::is_same_v<T, Roi>) return "roi";
  if constexpr (std::is_same_v<T, Environment>) return "env";
  if constexpr (std::is_same_v<T, std::string> || wire::NamedEnum<T>) return "str";
  if constexpr (kIsOptional<T>) return TypeName<typename T::value_type>();
  if constexpr (kIsVector<T>) {
    using Element = typename T::value_type;
    return wire::HasFields<Element> ? "array" : "array of " + TypeName<Element>();
  }
  return "map";
}

/// The default as the page writes it.
template <typename T>
std::string Standard(const T& value) {
  if constexpr (wire::NamedEnum<T>) return wire::EnumNames<T>::Name(value);
  if constexpr (kIsId<T>) return std::to_string(value.value);
  if constexpr (kIsVector<T>) return "[]";
  if constexpr (std::is_same_v<T, Environment>) return "{}";
  if constexpr (kIsOptional<T>) return "none";
  if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>)
    return Json(value).dump();
  return "";
}

/// Checks the rows of one struct, and takes them out of `rows`.
class TableCheck {
 public:
  TableCheck(std::string section, std::map<std::string, Row> rows, bool by_broker)
      : section_(std::move(section)), rows_(std::move(rows)), by_broker_(by_broker) {}
  ~TableCheck() {
    for (const auto& [name, row] : rows_) ADD_FAILURE() << section_ << "." << name << ": no field";
  }

  template <typename T>
  void Check(const std::string& prefix = "") {
    const T standards{};
    std::apply([&](const auto&... field) { (CheckField(prefix, field, standards), ...); },
               wire::kFields<T>);
  }

 private:
  template <typename F, typename T>
  void CheckField(const std::string& prefix, const F& field, const T& standards) {
    const auto& value = field.Of(standards);
    using Value = std::remove_cvref_t<decltype(value)>;
    const std::string name = prefix + std::string(field.name);
    auto found = rows_.extract(name);
    ASSERT_FALSE(found.empty()) << section_ << "." << name << " is not in its table";
    const auto& [type, standard] = found.mapped();
    EXPECT_EQ(type, TypeName<Value>()) << section_ << "." << name;
    const bool marked = by_broker_ && field.rule.omit_empty;
    const std::string expected =
        field.rule.required ? "required" : Standard(value) + (marked ? " *" : "");
    EXPECT_EQ(standard, expected) << section_ << "." << name;
    if constexpr (kIsOptional<Value>) {
      using Element = typename Value::value_type;
      if constexpr (wire::HasFields<Element>) Check<Element>(name + ".");
    }
    if constexpr (kIsVector<Value>) {
      using Element = typename Value::value_type;
      constexpr bool kOwnSection =
          std::is_same_v<Element, JobStatus> || std::is_same_v<Element, TaskStatus>;
      if constexpr (wire::HasFields<Element> && !kOwnSection) Check<Element>(name + "[].");
    }
  }

  std::string section_;
  std::map<std::string, Row> rows_;
  bool by_broker_;
};

/// What peers send: they may leave out any default.
bool IsSaidByPeers(std::string_view kind) {
  for (const char* said : {"hello", "ping", "bye", "acquire", "release", "submit", "status",
                           "cancel", "watch", "explain", "retry_failed", "pause", "resume",
                           "set_workers", "worker_gone", "launched", "exited"}) {
    if (kind == said) return true;
  }
  return false;
}

template <size_t... kKind>
void CheckTables(const std::map<std::string, Section>& page, std::index_sequence<kKind...>) {
  const auto check = [&]<typename M>(std::string_view kind, const M&) {
    const std::string name(kind);
    ASSERT_TRUE(page.contains(name)) << name << " has no section";
    TableCheck(name, page.at(name).rows, !IsSaidByPeers(kind)).template Check<M>();
  };
  (check(kKindNames[kKind], std::variant_alternative_t<kKind, AnyMessage>{}), ...);
}

TEST(MessagesPage, TablesNameTheFieldsWithTheirTypesAndDefaults) {
  const auto page = ReadPage();
  CheckTables(page, std::make_index_sequence<kMessageKinds>());
  TableCheck("Job status", page.at("Job status").rows, true).Check<JobStatus>();
  TableCheck("Task status", page.at("Task status").rows, true).Check<TaskStatus>();
}

TEST(MessagesPage, EveryKindHasAnExampleWhoseBytesAreTheMessageShown) {
  const auto page = ReadPage();
  for (const std::string_view kind : kKindNames) {
    const Section& section = page.at(std::string(kind));
    ASSERT_FALSE(section.json.empty()) << kind;
    const std::string bytes = Hex(section.bytes);
    const Json shown = Json::parse(section.json);
    EXPECT_EQ(shown[0], kind);
    EXPECT_EQ(Json::from_msgpack(bytes), shown);
    DecodeResult decoded = Decoded(bytes);
    ASSERT_TRUE(decoded.ok()) << kind << ": " << decoded.error().message;
    const Message& message = decoded.message();
    EXPECT_EQ(KindName(message), kind);
    if (kind == "submit") continue;  // a job is written with all that its fields say by default
    EXPECT_EQ(Hex(section.bytes), Encoded(message)) << kind << ": as this project writes it";
  }
}

std::string TextOf(const std::string& name) {
  std::ifstream page(BELLIS_SOURCE_DIR "/common/protocol/" + name);
  return {std::istreambuf_iterator<char>(page), {}};
}

TEST(MessagesPage, TheGrammarHasEveryKindAndSaysWhoSendsIt) {
  const std::string page = TextOf("MESSAGES.md");
  const size_t begin = page.find("### Grammar");
  std::istringstream grammar(page.substr(begin, page.find("### Roles") - begin));
  const std::set<std::string> words{std::istream_iterator<std::string>(grammar), {}};
  for (const std::string_view kind : kKindNames) {
    std::string name(kind);
    std::replace(name.begin(), name.end(), '_', '-');
    const bool said_by_peers = IsSaidByPeers(kind);
    EXPECT_EQ(words.contains("C-" + name), said_by_peers) << kind;
    EXPECT_EQ(words.contains("S-" + name), !said_by_peers) << kind;
  }
}

TEST(MessagesPage, TheErrorsAreThoseThatTheBrokerSends) {
  const std::string page = TextOf("MESSAGES.md");
  const std::string errors = page.substr(page.find("\n## Errors"));
  for (int i = 0; i < wire::EnumNames<ErrorCode>::kCount; ++i) {
    const auto code = static_cast<ErrorCode>(i);
    const bool of_this_side =
        code == ErrorCode::kNotFound || code == ErrorCode::kIo || code == ErrorCode::kTimeout;
    const std::string name = ErrorCodeName(code);
    const bool listed = errors.find("| " + name + " |") != std::string::npos ||
                        errors.find("| " + name + ", ") != std::string::npos ||
                        errors.find(", " + name + " |") != std::string::npos;
    EXPECT_EQ(listed, !of_this_side) << name;
  }
}

/// How a ping is answered whose fields, after "92 a4 ping", have these bytes; "" if it is read.
std::string Refusal(std::string_view fields) {
  DecodeResult result = Decoded(Hex("92 a4 70696e67") + Hex(fields));
  return result.ok() ? "" : ErrorCodeName(result.error().code);
}

TEST(MessagesPage, WhatItSaysOfTypesHolds) {
  const std::string nonce = "81 a5 6e6f6e6365 ";
  EXPECT_EQ(Refusal(nonce + "cf 0000000000000005"), "");
  EXPECT_EQ(Refusal(nonce + "d3 0000000000000005"), "");
  EXPECT_EQ(Refusal("df 00000001 db 00000005 6e6f6e6365 05"), "") << "map 32, str 32";
  EXPECT_EQ(Refusal(nonce + "c0"), "bad_message") << "nil for a default";
  EXPECT_EQ(Refusal(nonce + "c3"), "bad_message") << "true for a uint";
  EXPECT_EQ(Refusal(nonce + "ca 40a00000"), "bad_message") << "5.0 for a uint";
  EXPECT_EQ(Refusal(nonce + "cf ffffffffffffffff"), "bad_message") << "2^64-1";
  EXPECT_EQ(Refusal("81 c4 05 6e6f6e6365 05"), "bad_message") << "a key that is bin";
}

TEST(MessagesPage, WhatItSaysOfUnknownKeysHolds) {
  EXPECT_EQ(Refusal("81 a1 78 d6 ff 00000000"), "") << "an extension type";
  EXPECT_EQ(Refusal("81 a1 78 81 05 c0"), "") << "a map with a key that is no str";
  EXPECT_EQ(Refusal("82 a1 78 01 a1 78 02"), "") << "twice";
  EXPECT_EQ(Refusal("82 a5 6e6f6e6365 01 a5 6e6f6e6365 01"), "bad_message") << "known, twice";
}

TEST(MessagesPage, TheMessagesOwnArrayIsTheFirstOfSixteenLevels) {
  const auto nested = [](int levels) {
    std::string text = "81 a1 78";
    for (int level = 0; level < levels; ++level) text += "91";
    return Refusal(text + "c0");
  };
  EXPECT_EQ(nested(14), "");
  EXPECT_EQ(nested(15), "bad_message");
}

TEST(MessagesPage, AFloatOfAWholeValueComesAsAnInteger) {
  ProgressMsg progress;
  progress.status.elapsed_s = 9;
  EXPECT_TRUE(Json::from_msgpack(Encoded(progress))[1]["status"]["elapsed_s"].is_number_integer());
}

}  // namespace
}  // namespace bellis
