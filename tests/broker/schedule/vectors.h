#pragma once

// Reads the worked cases of blockwise_vectors.json.

#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "bellis/job_spec.h"

namespace bellis::test {

inline Coordinate ToCoordinate(const nlohmann::json& values) {
  return Coordinate(std::span<const int64_t>(values.get<std::vector<int64_t>>()));
}

inline Roi ToRoi(const nlohmann::json& roi) {
  return Roi(ToCoordinate(roi["offset"]), ToCoordinate(roi["shape"]));
}

inline TaskSpec ToTask(const nlohmann::json& tree) {
  TaskSpec task;
  task.task_id = tree["task_id"];
  task.total_roi = ToRoi(tree["total_roi"]);
  task.read_roi = ToRoi(tree["read_roi"]);
  task.write_roi = ToRoi(tree["write_roi"]);
  const std::string fit = tree["fit"];
  task.fit = fit == "valid" ? Fit::kValid : fit == "shrink" ? Fit::kShrink : Fit::kOverhang;
  task.read_write_conflict =
      tree["read_write_conflict"].get<bool>() ? Conflict::kOrdered : Conflict::kNone;
  task.external_workers = true;
  return task;
}

inline nlohmann::json LoadVectors() {
  std::ifstream file(std::string(BELLIS_SOURCE_DIR) +
                     "/tests/broker/schedule/blockwise_vectors.json");
  return nlohmann::json::parse(file);
}

}  // namespace bellis::test
