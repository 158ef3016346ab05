// The control side of bellis.h, over bellis::Control.

#include "bellis/control.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "bellis/pipeline_file.h"
#include "client/c/error.h"
#include "common/task/pipeline.h"
#include "common/task/spec_reader.h"
#include "common/task/status_json.h"

using bellis::Control;
using bellis::Error;
using bellis::ErrorCode;
using bellis::JobSpec;
using bellis::JobStatus;
using bellis::Result;
using bellis::WatchOrder;
using bellis::c::Fail;
using bellis::c::FailNull;
using bellis::c::Guarded;

struct bellis_control {
  bellis::ControlOptions options;
  Control control;
  std::string text;  // what the last call returned
};

namespace {

using Clock = std::chrono::steady_clock;

std::string TextOf(const char* text) { return text == nullptr ? "" : text; }

Result<JobSpec> JobOfJson(const std::string& text) {
  if (text.size() > bellis::kPipelineBytesMax) {
    return Error{ErrorCode::kTooLarge, "the job has " + std::to_string(text.size()) +
                                           " bytes; at most " +
                                           std::to_string(bellis::kPipelineBytesMax)};
  }
  try {
    return bellis::ReadJobSpec(nlohmann::json::parse(text));
  } catch (const nlohmann::json::exception& error) {
    return Error{ErrorCode::kInvalidSpec, std::string("the job is no JSON: ") + error.what()};
  }
}

Result<JobSpec> JobOf(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  const bool is_json = first != std::string::npos && text[first] == '{';
  return is_json ? JobOfJson(text) : bellis::ReadPipelineToml(text, "job");
}

int Submit(bellis_control& control, const Result<JobSpec>& spec, int fresh, const char** job) {
  if (!spec.ok()) return Fail(spec.error());
  const auto stored = fresh == 0 ? bellis::Stored::kGoOn : bellis::Stored::kForget;
  Result<bellis::Submitted> submitted = control.control.Submit(*spec, stored);
  if (!submitted.ok()) return Fail(submitted.error());
  control.text = std::move(submitted->job);
  if (job != nullptr) *job = control.text.c_str();
  return BELLIS_OK;
}

/// Watches over a connection of its own, because only its end ends a watch that is given up.
/// The first status has come before `tick` may end it.
int Watch(bellis_control& control, const char* job, bellis::WatchOptions watch, const char** json) {
  bool is_known = false;
  watch.progress = [&, progress = std::move(watch.progress)](const JobStatus& status) {
    is_known = true;
    if (progress) progress(status);
  };
  watch.tick = [&, tick = std::move(watch.tick)] { return is_known ? tick() : WatchOrder::kGoOn; };
  Result<Control> connected = Control::Connect(control.options);
  if (!connected.ok()) return Fail(connected.error());
  const Result<JobStatus> last = connected->Watch(job, watch);
  if (!last.ok()) return Fail(last.error());
  control.text = bellis::JsonLine(bellis::StatusToJson(*last));
  if (json != nullptr) *json = control.text.c_str();
  switch (last->state) {
    case bellis::JobState::kRunning: return BELLIS_RUNNING;
    case bellis::JobState::kCompleted: return BELLIS_OK;
    default: return BELLIS_FAILED;
  }
}

int CodeOf(const bellis::Status& status) { return status.ok() ? BELLIS_OK : Fail(status.error()); }

WatchOrder OrderOf(int answer) {
  switch (answer) {
    case BELLIS_CANCEL: return WatchOrder::kCancel;
    case BELLIS_STOP: return WatchOrder::kStop;
    default: return WatchOrder::kGoOn;
  }
}

template <typename Function>
int With(bellis_control* control, Function&& function) noexcept {
  if (control == nullptr) return FailNull("control");
  return Guarded(std::forward<Function>(function));
}

template <typename Function>
int WithJob(bellis_control* control, const char* job, Function&& function) noexcept {
  if (job == nullptr) return FailNull("job");
  return With(control, std::forward<Function>(function));
}

}  // namespace

int bellis_control_open(bellis_control** control) {
  if (control == nullptr) return FailNull("control");
  *control = nullptr;
  return Guarded([&]() -> int {
    const Result<bellis::ControlOptions> options = bellis::ControlOptions::FromEnvironment();
    if (!options.ok()) return Fail(options.error());
    Result<Control> connected = Control::Connect(*options);
    if (!connected.ok()) return Fail(connected.error());
    *control = new bellis_control{*options, std::move(connected).value(), ""};
    return BELLIS_OK;
  });
}

void bellis_control_close(bellis_control* control) {
  Guarded([&] {
    delete control;
    return int{BELLIS_OK};
  });
}

int bellis_submit(bellis_control* control, const char* text, int fresh, const char** job) {
  if (job != nullptr) *job = nullptr;
  if (text == nullptr) return FailNull("text");
  return With(control, [&] { return Submit(*control, JobOf(text), fresh, job); });
}

int bellis_submit_file(bellis_control* control, const char* path, int fresh, const char** job) {
  if (job != nullptr) *job = nullptr;
  if (path == nullptr) return FailNull("path");
  return With(control,
              [&] { return Submit(*control, bellis::ReadPipelineFile(path), fresh, job); });
}

int bellis_status(bellis_control* control, const char* job, const char** json) {
  if (json == nullptr) return FailNull("json");
  *json = nullptr;
  return With(control, [&]() -> int {
    const Result<std::vector<JobStatus>> jobs = control->control.Jobs(TextOf(job));
    if (!jobs.ok()) return Fail(jobs.error());
    auto all = nlohmann::ordered_json::array();
    for (const JobStatus& status : *jobs) all.push_back(bellis::StatusToJson(status));
    if (job != nullptr && all.empty()) return Fail(BELLIS_E_UNKNOWN_JOB, "no such job");
    control->text = bellis::JsonLine(job == nullptr ? all : all.front());
    *json = control->text.c_str();
    return BELLIS_OK;
  });
}

int bellis_wait(bellis_control* control, const char* job, int64_t timeout_ms, const char** json) {
  if (json != nullptr) *json = nullptr;
  return WithJob(control, job, [&] {
    const Clock::time_point begin = Clock::now();
    bellis::WatchOptions watch;
    watch.tick = [&] {
      const auto waited = std::chrono::floor<std::chrono::milliseconds>(Clock::now() - begin);
      const bool over = timeout_ms >= 0 && waited.count() >= timeout_ms;
      return over ? WatchOrder::kStop : WatchOrder::kGoOn;
    };
    return Watch(*control, job, std::move(watch), json);
  });
}

int bellis_watch(bellis_control* control, const char* job, int interval_ms, bellis_watcher watcher,
                 void* user, const char** json) {
  if (json != nullptr) *json = nullptr;
  if (watcher == nullptr) return FailNull("watcher");
  constexpr int kIntervalMin = 20;
  constexpr int kIntervalMax = 60'000;
  if (interval_ms < kIntervalMin || interval_ms > kIntervalMax) {
    return Fail(BELLIS_E_ARGUMENT, "interval_ms is out of range; 20 to 60000");
  }
  return WithJob(control, job, [&] {
    WatchOrder order = WatchOrder::kGoOn;
    bellis::WatchOptions watch;
    watch.interval_ms = static_cast<uint32_t>(interval_ms);
    watch.progress = [&](const JobStatus& status) {
      const std::string text = bellis::JsonLine(bellis::StatusToJson(status));
      order = std::max(order, OrderOf(watcher(text.c_str(), user)));
    };
    watch.tick = [&] { return order = std::max(order, OrderOf(watcher(nullptr, user))); };
    return Watch(*control, job, std::move(watch), json);
  });
}

int bellis_cancel(bellis_control* control, const char* job, const char* reason) {
  return WithJob(control, job,
                 [&] { return CodeOf(control->control.Cancel(job, TextOf(reason))); });
}

int bellis_pause(bellis_control* control, const char* job, const char* task) {
  return WithJob(control, job, [&] { return CodeOf(control->control.Pause(job, TextOf(task))); });
}

int bellis_resume(bellis_control* control, const char* job, const char* task) {
  return WithJob(control, job, [&] { return CodeOf(control->control.Resume(job, TextOf(task))); });
}

int bellis_set_workers(bellis_control* control, const char* job, const char* task, int group,
                       int count) {
  if (group < 0) return Fail(BELLIS_E_ARGUMENT, "group is below 0");
  if (count < 0) return Fail(BELLIS_E_ARGUMENT, "count is below 0");
  return WithJob(control, job, [&] {
    return CodeOf(control->control.SetWorkers(job, TextOf(task), static_cast<uint32_t>(count),
                                              static_cast<uint32_t>(group)));
  });
}

int bellis_retry_failed(bellis_control* control, const char* job, int64_t* blocks) {
  return WithJob(control, job, [&]() -> int {
    const Result<uint64_t> opened = control->control.RetryFailed(job);
    if (!opened.ok()) return Fail(opened.error());
    if (blocks != nullptr) *blocks = static_cast<int64_t>(*opened);
    return BELLIS_OK;
  });
}
