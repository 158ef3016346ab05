#pragma once

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/tools/process.h"

namespace bellis {

struct TaskText {
  std::string upstream = {};
  int workers = 1;
  int max_retries = 2;
  std::string task = {};  // more lines of the task
  std::string command =
      {};                // TOML; empty: a shell script through `bellis exec`; "none": no workers
  std::string top = {};  // lines before the first task
};

/// A folder with a pipeline whose workers are shell scripts.
class RunTest : public testing::Test {
 protected:
  const std::string& dir() const { return dir_.path(); }
  std::string pipeline() const { return dir() + "/pipeline.toml"; }
  std::string Output(const std::string& name) const { return ReadAll(dir() + "/" + name); }

  /// The folder of the run's logs, to which the link `latest` leads.
  std::string LatestRun() const {
    std::error_code error;
    return std::filesystem::read_symlink(dir() + "/bellis_logs/latest", error).string();
  }
  /// A log without its first line, which says whose log it is.
  static std::string AfterHeading(const std::string& log) {
    const size_t end = log.find('\n');
    return log.starts_with("[bellis ") && end != std::string::npos ? log.substr(end + 1) : "";
  }

  /// Adds a task of `blocks` blocks of 10 without conflict; `script` runs for each.
  void WriteTask(const std::string& name, int blocks, const std::string& script,
                 const TaskText& more = {}) {
    const std::string file = "worker" + std::to_string(++tasks_) + ".sh";
    dir_.Write(file, script + "\n");
    const std::string length = std::to_string(10 * blocks);
    text_ = more.top + text_;
    text_ += "[[tasks]]\ntask_id = \"" + name + "\"\n";
    text_ += "total_roi = { offset = [0], shape = [" + length + "] }\n";
    text_ += "read_roi = { offset = [0], shape = [10] }\n";
    text_ += "write_roi = { offset = [0], shape = [10] }\n";
    text_ += "read_write_conflict = false\n";
    text_ += "max_retries = " + std::to_string(more.max_retries) + "\n";
    text_ += more.task;
    if (!more.upstream.empty()) text_ += "upstream = [\"" + more.upstream + "\"]\n";
    std::string command = more.command;
    if (command.empty()) {
      command = "[\"" + Program("bellis") + "\", \"exec\", \"--\", \"sh\", \"" + file + "\"]";
    }
    if (command != "none") AddWorkers(command, more.workers);
    dir_.Write("pipeline.toml", text_);
  }
  void Write(const std::string& name, const std::string& contents) { dir_.Write(name, contents); }

  std::vector<std::string> RunCommand(const std::vector<std::string>& options = {}) const {
    std::vector<std::string> command = {Program("bellis"), "run"};
    command.insert(command.end(), options.begin(), options.end());
    command.push_back(pipeline());
    return command;
  }
  static std::map<std::string, std::string> Environment() { return {}; }

  /// `bellis run` in the pipeline's folder.
  ProcessEnd Run(const std::vector<std::string>& options = {}) const {
    return RunProcess(RunCommand(options), {}, dir());
  }

 private:
  void AddWorkers(const std::string& command, int count) {
    text_ += "[[tasks.workers]]\ncommand = " + command + "\n";
    text_ += "count = " + std::to_string(count) + "\n";
  }

  TemporaryDir dir_;
  std::string text_;
  int tasks_ = 0;
};

}  // namespace bellis
