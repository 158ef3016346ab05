#include "tools/local_broker.h"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include "common/nesting.h"
#include "common/text/printable.h"
#include "common/threads.h"
#include "tools/interrupt.h"
#include "tools/text.h"

namespace bellis {
namespace {

// The threads of libzmq (for broker and client), of the broker, its journal and its schedule
// builder, of the launcher keeper, and of the launcher.
constexpr int kThreads = 10;
constexpr int kWarningsShown = 20;
constexpr int kWarningWidthMax = 300;

class WarningSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit WarningSink(std::function<void(const std::string&)> say) : say_(std::move(say)) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    if (shown_ > kWarningsShown) return;
    if (++shown_ > kWarningsShown) {
      say_("bellis: further warnings are left out; see the summary");
      return;
    }
    const std::string line = FirstLine({message.payload.data(), message.payload.size()});
    say_("bellis: " + ClipToWidth(line, kWarningWidthMax));
  }
  void flush_() override {}

 private:
  std::function<void(const std::string&)> say_;
  int shown_ = 0;
};

}  // namespace

LocalBroker::LocalBroker(PrivateDir dir, std::string access_file, std::unique_ptr<Server> server)
    : dir_(std::move(dir)), access_file_(std::move(access_file)), server_(std::move(server)) {
  const InterruptsBlocked blocked;  // signals must reach the main thread, which waits for them
  thread_ = std::thread([this] { stored_ = server_->Run(); });
}

Result<std::unique_ptr<LocalBroker>> LocalBroker::Start(ServerOptions server_options) {
  if (const Status shallow = CheckNesting(); !shallow.ok()) return shallow.error();
  if (const Status room = CheckThreads(kThreads); !room.ok()) return room.error();
  Result<PrivateDir> dir = PrivateDir::Make();
  if (!dir.ok()) return dir.error();
  if (server_options.endpoint.empty()) {
    server_options.endpoint = "ipc://" + dir->path() + "/broker.sock";
  } else {
    server_options.access_file = dir->path() + "/access";
  }
  Result<std::unique_ptr<Server>> server = Server::Bind(server_options);
  if (!server.ok()) return server.error();
  std::unique_ptr<LocalBroker> broker(new LocalBroker(
      std::move(dir).value(), server_options.access_file, std::move(server).value()));
  LauncherOptions launcher_options;
  launcher_options.access = broker->server_->AccessOf(AccessRole::kLauncher);
  launcher_options.log_level = "error";  // the broker says why a worker did not start
  Result<LauncherKeeper> launcher = LauncherKeeper::Start(launcher_options);
  if (!launcher.ok()) return launcher.error();
  broker->launcher_.emplace(std::move(launcher).value());
  return broker;
}

LocalBroker::~LocalBroker() { static_cast<void>(Stop(/*at_once=*/true).ok()); }

Status LocalBroker::Stop(bool at_once) {
  if (!thread_.joinable()) return stored_;
  server_->RequestStop();
  if (at_once) server_->RequestStop();
  thread_.join();
  // The launcher has said bye, or had not reached the broker yet: no worker is left.
  launcher_.reset();
  return stored_;
}

void LogWarningsTo(std::function<void(const std::string&)> say) {
  auto logger =
      std::make_shared<spdlog::logger>("bellis", std::make_shared<WarningSink>(std::move(say)));
  logger->set_level(spdlog::level::warn);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace bellis
