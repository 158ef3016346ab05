// A broker inside this process, in a separate thread.

#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>
#include <spdlog/sinks/null_sink.h>
#include <spdlog/spdlog.h>

#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include "broker/server.h"
#include "client/python/native/tiling.h"
#include "common/host_address.h"
#include "common/signals_blocked.h"

namespace bellis::python {
namespace {

class Broker {
 public:
  /// Starts a broker that listens at `endpoint`. `lease_ms`: how long a silent worker keeps its
  /// blocks. `hello_wait_ms`: how long a launched worker may take to say hello. `state_dir`: where
  /// progress is kept; empty: nowhere. `job_memory_max`: bytes that a job's schedule may take; 0:
  /// half of the memory that this process may have. Raises RuntimeError, which says what is wrong
  /// with the endpoint or the folder.
  Broker(const std::string& endpoint, bool insecure, uint32_t lease_ms, uint32_t hello_wait_ms,
         const std::string& state_dir, uint64_t job_memory_max) {
    ServerOptions options;
    options.state_dir = state_dir;
    options.job_memory_max = job_memory_max;
    options.hello_wait = Duration::Millis(hello_wait_ms);
    options.lease = Duration::Millis(lease_ms);
    options.endpoint = endpoint;
    options.insecure = insecure;
    Result<std::unique_ptr<Server>> server = Server::Bind(options);
    if (!server.ok()) throw std::runtime_error(server.error().message);
    server_ = std::move(server).value();
    const SignalsBlocked blocked;  // they must reach the interpreter's thread
    thread_ = std::thread([this] { static_cast<void>(server_->Run().ok()); });
  }
  ~Broker() { Stop(/*at_once=*/true); }
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  const std::string& endpoint() const { return server_->endpoint(); }

  /// The endpoint and keys that a peer of this role ("owner", "launcher", "watcher") needs to
  /// connect, with the names of an access file.
  std::map<std::string, std::string> Access(const std::string& role) const {
    for (const AccessRole known :
         {AccessRole::kOwner, AccessRole::kLauncher, AccessRole::kWatcher}) {
      if (role != AccessRoleName(known)) continue;
      const bellis::Access access = server_->AccessOf(known);
      return {{"endpoint", access.endpoint},
              {"server_key", access.keys.server_key},
              {"public_key", access.keys.public_key},
              {"secret_key", access.keys.secret_key},
              {"token", access.token}};
    }
    throw std::invalid_argument("role is '" + role + "'; owner, launcher or watcher");
  }

  /// Tells workers and launchers to leave, and waits for the launchers' bye, unless `at_once`. Does
  /// nothing the second time.
  void Stop(bool at_once) {
    if (!thread_.joinable()) return;
    server_->RequestStop();
    if (at_once) server_->RequestStop();
    thread_.join();
  }

 private:
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

}  // namespace

void BindBroker(nb::module_& module) {
  // The broker logs nothing: the job's status says the same.
  spdlog::set_default_logger(
      std::make_shared<spdlog::logger>("bellis", std::make_shared<spdlog::sinks::null_sink_mt>()));
  nb::class_<Broker>(module, "Broker")
      .def(nb::init<const std::string&, bool, uint32_t, uint32_t, const std::string&, uint64_t>(),
           nb::arg("endpoint"), nb::arg("insecure") = false, nb::arg("lease_ms") = 20'000,
           nb::arg("hello_wait_ms") = 60'000, nb::arg("state_dir") = "",
           nb::arg("job_memory_max") = 0)
      .def_prop_ro("endpoint", &Broker::endpoint)
      .def("access", &Broker::Access, nb::arg("role"))
      .def("stop", &Broker::Stop, nb::arg("at_once") = false,
           nb::call_guard<nb::gil_scoped_release>());
  module.def("own_address", &OwnAddress, nb::arg("ipv6"));
}

}  // namespace bellis::python
