#include "tools/program_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>
#include <vector>

namespace bellis {
namespace {

namespace fs = std::filesystem;

constexpr uintmax_t kFileBytesMax = 64 << 20;
constexpr size_t kFilesMax = 1000;

/// FNV-1a, 64 bits. That suffices here: nobody deliberately makes two versions of a script with the
/// same digest.
std::string Digest(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  uint64_t hash = 14695981039346656037ull;
  std::vector<char> bytes(1 << 16);
  while (file.read(bytes.data(), static_cast<std::streamsize>(bytes.size())), file.gcount() > 0) {
    for (std::streamsize i = 0; i < file.gcount(); ++i) {
      hash = (hash ^ static_cast<unsigned char>(bytes[static_cast<size_t>(i)])) * 1099511628211ull;
    }
  }
  return fmt::format("{:016x}", hash);
}

/// Whether the file's mode or name says that it is part of a program, and not data that blocks may
/// write to.
bool IsProgram(const fs::path& path) {
  static constexpr std::array<std::string_view, 24> kSuffixes = {
      ".py",   ".ipynb", ".sh", ".bash", ".jl",   ".r",    ".R",   ".m",
      ".js",   ".mjs",   ".ts", ".rb",   ".pl",   ".lua",  ".ijm", ".groovy",
      ".java", ".jar",   ".so", ".toml", ".json", ".yaml", ".yml", ".cfg"};
  std::error_code ignored;
  const auto executable = fs::perms::owner_exec | fs::perms::group_exec | fs::perms::others_exec;
  if ((fs::status(path, ignored).permissions() & executable) != fs::perms::none) return true;
  const std::string suffix = path.extension().string();
  return std::find(kSuffixes.begin(), kSuffixes.end(), suffix) != kSuffixes.end();
}

/// Whether the program is bellis itself or one of the system's, both of which may be updated at any
/// time.
bool IsForeign(const fs::path& path) {
  std::error_code failure;
  const std::string file = fs::canonical(path, failure).string();
  if (failure || file == fs::canonical("/proc/self/exe", failure).string()) return true;
  for (const std::string_view system : {"/usr/", "/bin/", "/sbin/", "/lib/"}) {
    if (file.starts_with(system) && !file.starts_with("/usr/local/")) return true;
  }
  return false;
}

/// The path of a program that is named without a folder, from PATH; empty: not found.
fs::path OnPath(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    std::error_code ignored;
    const fs::path found = fs::path(folder) / program;
    if (!folder.empty() && fs::is_regular_file(found, ignored)) return found;
  }
  return {};
}

class Files {
 public:
  explicit Files(const JobSpec& spec) : cwd_(spec.cwd) {}

  void Add(const WorkerGroup& group) {
    for (size_t i = 0; i < group.command.size(); ++i) {
      const std::string& argument = group.command[i];
      const bool on_path = i == 0 && argument.find('/') == std::string::npos;
      if (on_path) {
        AddFile(OnPath(argument));
        continue;
      }
      AddWord(argument);
      std::istringstream words(argument);
      for (std::string word; words >> word;) AddWord(word);
    }
  }

  Environment Take() { return std::move(files_); }

 private:
  void AddWord(const std::string& word) {
    AddFile(cwd_ / word);
    const size_t value = word.find('=');
    if (value != std::string::npos) AddFile(cwd_ / word.substr(value + 1));
  }

  void AddFile(const fs::path& path) {
    std::error_code failure;
    if (path.empty() || files_.size() >= kFilesMax || !fs::is_regular_file(path, failure)) return;
    const uintmax_t size = fs::file_size(path, failure);
    if (failure || size > kFileBytesMax || !IsProgram(path) || IsForeign(path)) return;
    const std::string name = fs::absolute(path, failure).lexically_normal().string();
    if (!failure && !files_.contains(name)) files_[name] = Digest(path);
  }

  const fs::path cwd_;
  Environment files_;
};

}  // namespace

Environment ProgramFiles(const JobSpec& spec) {
  Files files(spec);
  for (const TaskSpec& task : spec.tasks) {
    for (const WorkerGroup& group : task.workers) files.Add(group);
    if (task.check) files.Add(*task.check);
    if (task.post_check) files.Add(*task.post_check);
  }
  return files.Take();
}

}  // namespace bellis
