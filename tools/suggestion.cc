#include "tools/suggestion.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "common/text/nearest_word.h"

namespace bellis {
namespace {

std::string Unknown(std::string_view kind, std::string_view word,
                    const std::vector<std::string>& known, std::string_view help) {
  const std::vector<std::string_view> views(known.begin(), known.end());
  const std::optional<std::string_view> nearest = NearestWord(word, views);
  std::string text = "there is no " + std::string(kind) + " '" + std::string(word) + "'";
  if (nearest) text += "; did you mean " + std::string(*nearest) + "?";
  return text + " (" + std::string(help) + " lists all)";
}

/// Only long options, because an option of one letter is near to everything.
std::vector<std::string> LongOptions(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

}  // namespace

std::string UnknownWordText(const CLI::App& app, int argc, char** argv) {
  const std::string_view command = argc < 2 ? "-" : argv[1];
  if (command.starts_with('-')) return "";
  std::vector<std::string> commands;
  const CLI::App* chosen = nullptr;
  for (const CLI::App* each : app.get_subcommands([](const CLI::App*) { return true; })) {
    commands.push_back(each->get_name());
    if (command == each->get_name()) chosen = each;
  }
  if (chosen == nullptr) return Unknown("command", command, commands, "bellis --help");
  const std::vector<std::string> options = LongOptions(*chosen);
  for (int i = 2; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const std::string_view name = argument.substr(0, argument.find('='));
    if (name == "--") break;
    if (!name.starts_with("--")) continue;
    if (std::find(options.begin(), options.end(), name) == options.end()) {
      return Unknown("option", name, options, "bellis " + std::string(command) + " --help");
    }
  }
  return "";
}

}  // namespace bellis
