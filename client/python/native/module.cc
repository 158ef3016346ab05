// bellis._core: the scheduler, a broker, a worker and a launcher's log files, for Python.

#include "bellis/version.h"
#include "client/python/native/tiling.h"

NB_MODULE(_core, module) {
  nanobind::set_leak_warnings(false);  // interned names outlive the interpreter's last check
  bellis::python::BindTiling(module);
  bellis::python::BindSchedule(module);
  bellis::python::BindBroker(module);
  bellis::python::BindWorker(module);
  bellis::python::BindWorkerLog(module);
  bellis::python::BindWorkPages(module);
  module.attr("__version__") = BELLIS_VERSION;
}
