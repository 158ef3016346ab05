// PythonWorker as a class of the module.

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <string>
#include <utility>

#include "client/cpp/stock_keeper.h"
#include "client/python/native/worker.h"

namespace bellis::python {
namespace {

/// `given` is a WorkerOptions of Python (options.py).
WorkerOptions OptionsOf(const nb::handle& given) {
  const auto text = [&given](const char* name) { return nb::cast<std::string>(given.attr(name)); };
  const nb::object access = given.attr("access");
  const auto key = [&access](const char* name) { return nb::cast<std::string>(access.attr(name)); };
  const auto seconds = [&given](const char* name) {
    return Duration::Seconds(nb::cast<double>(given.attr(name)));
  };
  WorkerOptions options;
  options.endpoint = key("endpoint");
  options.token = key("token");
  options.keys = {key("server_key"), key("public_key"), key("secret_key")};
  options.job = text("job");
  options.task = text("task");
  options.worker = WorkerId(nb::cast<uint64_t>(given.attr("worker_id")));
  options.work_page = text("work_page");
  const std::string duty = text("duty");
  for (const Duty one : kAllDuties) {
    if (duty == DutyName(one)) options.duty = one;
  }
  options.connect_timeout = seconds("connect_timeout_s");
  options.lost_timeout = seconds("lost_timeout_s");
  options.ping_interval = seconds("ping_interval_s");
  options.heartbeat_ms = nb::cast<uint32_t>(given.attr("heartbeat_ms"));
  options.prefetch = nb::cast<std::optional<uint32_t>>(given.attr("prefetch"));
  return options;
}

}  // namespace

void BindWorker(nb::module_& module) {
  nb::class_<Given>(module, "Given")
      .def_prop_ro("task_id", &Given::task_id)
      .def_prop_ro("attempt", &Given::attempt)
      .def_prop_ro("lease", &Given::lease)
      .def("block_id", &Given::block_id, nb::arg("index"))
      .def("rois", &Given::rois, nb::arg("index"));
  nb::class_<PythonWorker>(module, "Worker")
      .def(
          "__init__",
          [](PythonWorker* self, const nb::object& options, nb::object on_notice) {
            new (self) PythonWorker(OptionsOf(options), std::move(on_notice),
                                    options.attr("on_committed"), options.attr("on_fence"));
          },
          nb::arg("options"), nb::arg("on_notice"))
      .def_prop_ro("job", &PythonWorker::job)
      .def_prop_ro("task", &PythonWorker::task)
      .def_prop_ro("worker_id", &PythonWorker::worker_id)
      .def_prop_ro("slot", &PythonWorker::slot)
      .def_prop_ro("broker", &PythonWorker::broker)
      .def_prop_ro("is_inherited", &PythonWorker::is_inherited)
      .def("take", &PythonWorker::Take, nb::arg("maker"))
      .def("give_back", &PythonWorker::GiveBack, nb::arg("given"), nb::arg("error").none())
      .def(
          "run",
          [](PythonWorker& self, nb::callable function, const BlockMaker& maker,
             nb::object processing, nb::callable judge, bool always_judge, uint32_t stock_max) {
            return self.Run({std::move(function), &maker, std::move(processing), std::move(judge),
                             always_judge, stock_max});
          },
          nb::arg("function"), nb::arg("maker"), nb::arg("processing"), nb::arg("judge"),
          nb::arg("always_judge"), nb::arg("stock_max"))
      .def("ping", &PythonWorker::Ping)
      .def("await_message", &PythonWorker::AwaitMessage, nb::arg("timeout_s"))
      .def("close", &PythonWorker::Close);
  module.attr("STOCK_MAX") = kStockMax;
}

}  // namespace bellis::python
