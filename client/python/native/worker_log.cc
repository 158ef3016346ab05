// The bounds of workers' log files, as bellis-launcher keeps them.

#include "broker/launcher/worker_log.h"

#include <nanobind/stl/string.h>

#include "broker/launcher/ended_logs.h"
#include "client/python/native/tiling.h"

namespace bellis::python {

void BindWorkerLog(nb::module_& module) {
  module.def(
      "trim_log_file",
      [](const std::string& path) {
        struct stat seen {};
        if (lstat(path.c_str(), &seen) == 0) TrimLogFile(path, seen);
      },
      nb::arg("path"), nb::call_guard<nb::gil_scoped_release>());
  nb::class_<EndedLogs>(module, "EndedLogs")
      .def(nb::init<>())
      .def("add", &EndedLogs::Add, nb::arg("stem"))
      .def("sweep", &EndedLogs::Sweep)
      .def("watched", &EndedLogs::watched);
  module.attr("ENDED_LOGS_MAX") = kEndedLogsMax;
  module.attr("LOG_CUT_NOTICE") = nb::str(kLogCutNotice.data(), kLogCutNotice.size());
}

}  // namespace bellis::python
