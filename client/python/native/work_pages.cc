// The pages in which workers' processes note the lease that they work on (common/work_page.h).

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <utility>

#include "client/python/native/tiling.h"
#include "common/work_page.h"

namespace bellis::python {
namespace {

/// (worker, lease) of each connection; lease 0: it works on none.
std::vector<std::pair<uint64_t, uint64_t>> Read(const WorkPages& pages, WorkPages::Index page) {
  std::vector<std::pair<uint64_t, uint64_t>> noted;
  for (const WorkingOn& one : pages.Read(page)) {
    noted.emplace_back(one.worker.value, one.lease.value);
  }
  return noted;
}

}  // namespace

void BindWorkPages(nb::module_& module) {
  nb::class_<WorkPages>(module, "WorkPages")
      .def(nb::init<>())
      .def("take", &WorkPages::Take)
      .def("name_of", &WorkPages::NameOf, nb::arg("page"))
      .def("read", &Read, nb::arg("page"))
      .def("give_back", &WorkPages::GiveBack, nb::arg("page"));
  module.attr("WORK_PAGE_VARIABLE") = kWorkPageVariable;
}

}  // namespace bellis::python
