// Workers' log files, as bellis-launcher keeps them.

#include "broker/launcher/worker_log.h"

#include <nanobind/stl/string.h>

#include <utility>

#include "broker/launcher/ended_logs.h"
#include "broker/launcher/run_links.h"
#include "client/python/native/tiling.h"

namespace bellis::python {
namespace {

WorkerLog Open(const LogLabel& label) {
  Result<WorkerLog> log = WorkerLog::Open(label);
  if (log.ok()) return std::move(*log);
  PyErr_SetString(PyExc_OSError, log.error().message.c_str());
  throw nb::python_error();
}

}  // namespace

void BindWorkerLog(nb::module_& module) {
  nb::class_<LogLabel>(module, "LogLabel")
      .def(
          "__init__",
          [](LogLabel* self, const std::string& log_dir, const std::string& run,
             const std::string& job, const std::string& task, uint64_t worker,
             const std::string& slot, const std::string& duty) {
            new (self) LogLabel{log_dir, run, job, task, WorkerId(worker), slot, duty};
          },
          nb::arg("log_dir"), nb::arg("run"), nb::arg("job"), nb::arg("task"), nb::arg("worker"),
          nb::arg("slot"), nb::arg("duty"));
  nb::class_<WorkerLog>(module, "WorkerLog")
      .def_static("open", &Open, nb::arg("label"))
      .def_prop_ro("stdout_fd", &WorkerLog::stdout_fd)
      .def_prop_ro("stderr_fd", &WorkerLog::stderr_fd)
      .def_prop_ro("stem", &WorkerLog::stem)
      .def(
          "first_line",
          [](const WorkerLog& log, int pid) { return WorkerLog::HeadingOf(log.heading(), pid); },
          nb::arg("pid"))
      .def("started", &WorkerLog::Started, nb::arg("pid"))
      .def("trim", &WorkerLog::Trim, nb::call_guard<nb::gil_scoped_release>())
      .def("stderr_tail", [](const WorkerLog& log) {
        const std::string tail = log.StderrTail();
        return nb::bytes(tail.data(), tail.size());
      });
  nb::class_<RunLinks>(module, "RunLinks")
      .def(nb::init<>())
      .def("point", &RunLinks::Point, nb::arg("label"));
  nb::class_<EndedLogs>(module, "EndedLogs")
      .def(nb::init<>())
      .def("add", &EndedLogs::Add, nb::arg("stem"))
      .def("sweep", &EndedLogs::Sweep)
      .def("watched", &EndedLogs::watched);
  module.def("log_stem", &LogStem, nb::arg("label"));
  module.attr("ENDED_LOGS_MAX") = kEndedLogsMax;
  module.attr("LOG_CUT_NOTICE") = nb::str(kLogCutNotice.data(), kLogCutNotice.size());
}

}  // namespace bellis::python
