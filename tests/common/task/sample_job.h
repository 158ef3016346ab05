#pragma once

// A small job of two chained tasks, as a tree and as TOML. Tests change one thing in it.

#include <nlohmann/json.hpp>
#include <string>

namespace bellis {

inline nlohmann::json SampleTree() {
  return nlohmann::json::parse(R"({
    "name": "sample",
    "tasks": [
      {"task_id": "blur",
       "total_roi": {"offset": [0, 0], "shape": [100, 100]},
       "read_roi": {"offset": [0, 0], "shape": [12, 12]},
       "write_roi": {"offset": [1, 1], "shape": [10, 10]},
       "workers": [{"command": ["./blur", "in", "out"], "count": 2}]},
      {"task_id": "label",
       "total_roi": {"offset": [0, 0], "shape": [100, 100]},
       "read_roi": {"offset": [0, 0], "shape": [10, 10]},
       "write_roi": {"offset": [0, 0], "shape": [10, 10]},
       "upstream": ["blur"],
       "workers": [{"command": ["python", "label.py"]}]}
    ]})");
}

inline constexpr const char* kSampleToml = R"(name = "sample"

[[tasks]]
task_id = "blur"
total_roi = {offset = [0, 0], shape = [100, 100]}
read_roi = {offset = [0, 0], shape = [12, 12]}
write_roi = [[1, 1], [10, 10]]
fit = "shrink"
timeout = 2.5

[[tasks.workers]]
command = ["./blur", "in", "out"]
count = 2
env = {OMP_NUM_THREADS = "1"}

[[tasks]]
task_id = "label"
total_roi = {offset = [0, 0], shape = [100, 100]}
read_roi = {offset = [0, 0], shape = [10, 10]}
write_roi = {offset = [0, 0], shape = [10, 10]}
upstream = ["blur"]
external_workers = true
)";

/// `text` with the first `from` replaced by `to`; `from` must be there.
inline std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

}  // namespace bellis
