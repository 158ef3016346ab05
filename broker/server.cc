#include "broker/server.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <optional>
#include <string_view>
#include <utility>

#include "broker/core/broker_core.h"
#include "broker/core/refusal_log.h"
#include "broker/journal/journal.h"
#include "broker/net/closed_peers.h"
#include "broker/net/gate.h"
#include "broker/net/listen_address.h"
#include "broker/net/outbox.h"
#include "broker/net/peer_book.h"
#include "broker/net/permissions.h"
#include "broker/net/process_limits.h"
#include "broker/net/router.h"
#include "broker/schedule_builder.h"
#include "broker/server_parts.h"
#include "broker/spare_memory.h"
#include "common/machine.h"
#include "common/protocol/codec.h"
#include "common/text/printable.h"

namespace bellis {
namespace {

constexpr int kMessagesPerWait = 256;
constexpr Duration kStopWait = Duration::Seconds(10);

Instant Now() {
  return {std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1)};
}

void WriteLog(const LogLine& line) {
  switch (line.level) {
    case LogLevel::kDebug: return spdlog::debug(line.text);
    case LogLevel::kInfo: return spdlog::info(line.text);
    case LogLevel::kWarning: return spdlog::warn(line.text);
    case LogLevel::kError: return spdlog::error(line.text);
  }
}

}  // namespace

struct Server::Impl {
  ServerOptions options;
  std::unique_ptr<Gate> gate;
  std::optional<EndpointLock> lock;
  std::unique_ptr<Router> router;
  std::string endpoint;  // for peers
  int wake_fd = -1;
  std::atomic<int> stop_requests = 0;
  std::atomic<bool> journal_has_news = false;
  RefusalLog refusals;
  std::unique_ptr<Journal> journal;
  Journal::State journal_state;
  BrokerCore core;
  std::unique_ptr<ScheduleBuilder> builder = std::make_unique<ScheduleBuilder>([this] { Wake(); });
  Codec codec;
  Effects effects;
  PeerBook peers;
  const size_t peers_max = PeersMax();
  std::optional<Outbox> outbox;  // once the router is there
  ClosedPeers closed_peers;
  Router::Cuts cuts_told_at{1, 1};  // counts at which the next warning is logged
  std::vector<std::string> closed;  // scratch
  std::deque<Event> follow_ups;     // events that carrying out effects has caused
  const std::string machine = MachineName();

  explicit Impl(const ServerOptions& o) : options(o), core(CoreOptionsOf(o, Now())) {}
  ~Impl() {
    journal.reset();  // its thread uses the descriptor
    builder.reset();
    router.reset();
    if (lock) lock->RemoveSocketFile();
    if (wake_fd >= 0) close(wake_fd);
  }

  void Wake() {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake_fd, &one, sizeof(one));
  }

  Status OpenJournal() {
    if (options.state_dir.empty()) return OkStatus();
    JournalOptions journal_options;
    journal_options.dir = options.state_dir;
    journal_options.durability = options.sync ? Durability::kFull : Durability::kOs;
    journal_options.wake = [this] {
      journal_has_news = true;
      Wake();
    };
    TakeOver taken;
    auto opened = Journal::Open(journal_options, &taken.saved);
    if (!opened.ok()) return opened.error();
    journal = std::move(*opened);
    for (const SavedJob& job : taken.saved.jobs) {
      if (job.state != JobState::kRunning) continue;
      if (!options.only_job.empty() && job.spec.name != options.only_job) {
        return Error{
            ErrorCode::kStorage,
            fmt::format("state directory {} holds job \"{}\", which has not ended, and only "
                        "job \"{}\" is to be resumed: choose another directory "
                        "(--state-dir), or let bellis-broker resume it",
                        options.state_dir, Printable(job.spec.name), options.only_job)};
      }
      auto progress = journal->Load(job.job);
      if (!progress.ok()) return progress.error();
      taken.progress.emplace(job.job, std::move(*progress));
    }
    Step(std::move(taken));
    return OkStatus();
  }

  void PollJournal() {
    if (!journal_has_news.exchange(false)) return;
    const Journal::State before = std::exchange(journal_state, journal->Poll());
    if (journal_state.trouble != before.trouble) Step(StoreTrouble{journal_state.trouble});
    if (journal_state.committed != before.committed) Step(Committed{journal_state.committed});
  }

  /// What the core leaves of the event may be used again.
  void Step(Event&& event) {
    StepOnce(std::move(event));
    while (!follow_ups.empty()) {
      Event next = std::move(follow_ups.front());
      follow_ups.pop_front();
      StepOnce(std::move(next));
    }
  }

  void StepOnce(Event&& event) {
    core.Step(Now(), std::move(event), &effects);
    CarryOut();
  }

  void CarryOut() {
    for (const LogLine& line : effects.log) WriteLog(line);
    if (journal) {
      journal->Append(std::move(effects.records));
      if (effects.commit_now) journal->CommitNow();
    }
    gate->Begin(effects.jobs_begun);
    for (Send& send : effects.sends) Deliver(send);
    gate->End(effects.jobs_ended);
    for (const PeerId peer : effects.forget) {
      peers.Remove(peer);
      outbox->Forget(peer);
    }
    for (const JobNumber job : effects.load) {
      Loaded loaded{job, std::nullopt};
      auto progress = journal->Load(job);
      if (progress.ok()) {
        loaded.progress = std::move(*progress);
      } else {
        spdlog::error(progress.error().message);
      }
      follow_ups.push_back(std::move(loaded));
    }
    for (Build& build : effects.builds) builder->Add(std::move(build));
    for (const Probe& probe : effects.probes) {
      if (probe.process.machine != machine || !ProcessIsGone(probe.process.pid)) continue;
      follow_ups.push_back(ProcessGone{probe.subject, probe.process.pid});
    }
  }

  void Deliver(Send& send) {
    const KnownPeer* peer = peers.Find(send.to);
    if (peer == nullptr) return;
    if (auto* launch = std::get_if<LaunchMsg>(&send.message)) {
      const Access access = gate->AccessOf(AccessRole::kWorker, launch->job, "");
      for (const auto& [name, value] : AccessVariables(access)) launch->env[name] = value;
    }
    switch (outbox->Send(send.to, peer->routing_id, &send.message)) {
      case Outbox::Sent::kYes:
      case Outbox::Sent::kLeftOut: return;
      case Outbox::Sent::kUnread:
        spdlog::warn("a peer does not read what it is sent; it is taken for lost");
        return Lost(send);
      case Outbox::Sent::kUnroutable: return Lost(send);
    }
  }

  void Lost(const Send& send) {
    PeerGone gone{send.to, {}};
    if (const auto* work = std::get_if<WorkMsg>(&send.message)) {
      gone.undelivered = LeasesOf(*work);
    }
    follow_ups.push_back(std::move(gone));
  }

  void Refuse(std::string_view routing_id, ErrorCode code, const std::string& text, uint64_t req) {
    if (const auto line = refusals.Line(Now(), text)) spdlog::info("{}", *line);
    router->Send(routing_id, codec.Encode(ErrorMsg{code, text, req}));
  }

  void OnFrame(std::string_view routing_id, std::span<const char> payload) {
    DecodeResult decoded = codec.Decode(payload);
    if (!decoded.ok()) {
      return Refuse(routing_id, decoded.error().code, decoded.error().message, decoded.error().req);
    }
    KnownPeer* peer = peers.Find(routing_id);
    if (auto* hello = std::get_if<HelloMsg>(&decoded.message())) {
      peer = Admit(routing_id, peer, hello, decoded.message());
      if (peer == nullptr) return;
    } else if (peer == nullptr || peer->key != router->SenderKey()) {
      // The key is another one: this peer chose the routing id of a peer that has just left.
      return Refuse(routing_id, ErrorCode::kHelloFirst, "say hello before anything else", 0);
    } else if (!Permits(routing_id, *peer->grant, decoded.message())) {
      return;
    }
    Event event = Received{peer->id, std::move(decoded.message())};
    Step(std::move(event));
    codec.Reuse(std::get<Received>(event).message);  // NOLINT(bugprone-use-after-move)
  }

  /// Lets in the peer that says this hello (which is in `message`), with the permissions of its
  /// key. A worker's hello gets the job of its key. Returns nullptr if the hello was refused.
  /// `peer`: the peer's entry, if it is known.
  KnownPeer* Admit(std::string_view routing_id, KnownPeer* peer, HelloMsg* hello,
                   const Message& message) {
    const auto refuse = [&](ErrorCode code, const std::string& text) {
      Refuse(routing_id, code, text, 0);
      return nullptr;
    };
    if (hello->version != kProtocolVersion) {
      return refuse(ErrorCode::kVersion, fmt::format("hello.version is {}; this broker speaks {}",
                                                     hello->version, kProtocolVersion));
    }
    const auto grant = gate->GrantOf(*hello, routing_id, router->SenderKey());
    if (!grant.ok()) return refuse(grant.error().code, grant.error().message);
    if (!Permits(routing_id, **grant, message)) return nullptr;
    if (peer == nullptr) {
      if (peers.size() >= peers_max) {
        return refuse(ErrorCode::kLimit,
                      fmt::format("this broker has {} connections, and takes no more{}",
                                  peers.size(), WhyNoMorePeers(peers_max)));
      }
      peer = &peers.Add(routing_id);
    }
    router->WatchPeer(routing_id);
    peer->grant = *grant;
    peer->key = router->SenderKey();
    if ((*grant)->role == AccessRole::kWorker) hello->job = (*grant)->job;
    return peer;
  }

  /// Whether the peer may send this message; if not, answers with the error.
  bool Permits(std::string_view routing_id, const Grant& grant, const Message& message) {
    if (grant.role == AccessRole::kOwner) return true;
    if (IsTooLate(grant, message)) return false;
    WorkerId worker;
    if (const auto* hello = std::get_if<HelloMsg>(&message)) worker = hello->worker;
    if (const auto* explain = std::get_if<ExplainMsg>(&message)) worker = explain->worker;
    const std::string job = worker.set() ? core.JobOfWorker(worker) : "";
    const Status permitted = MaySay(grant, message, job);
    if (permitted.ok()) return true;
    Refuse(routing_id, permitted.error().code, permitted.error().message, RequestNumber(message));
    return false;
  }

  Duration UntilNextStep() const {
    if (effects.more_work) return {0};
    const Instant next = std::min(effects.next_deadline, closed_peers.next_deadline());
    if (next == Instant::Never()) return {-1};
    return std::max(Duration{0}, next - Now());
  }

  /// Warns about cut connections, each time that their number has doubled.
  void TellOfCuts() {
    const Router::Cuts cuts = router->cuts();
    if (cuts.silent >= cuts_told_at.silent) {
      spdlog::warn(
          "few descriptors are left (RLIMIT_NOFILE), so connections that had said no hello were "
          "closed: {} so far",
          cuts.silent);
      cuts_told_at.silent = 2 * cuts.silent;
    }
    if (cuts.unending >= cuts_told_at.unending) {
      spdlog::warn(
          "connections that sent more than {} bytes without the end of a message were closed: {} "
          "so far; a message is one frame",
          2 * Router::kUnreadInputMax, cuts.unending);
      cuts_told_at.unending = 2 * cuts.unending;
    }
  }

  /// Finds out at once whose connection has ended, instead of at the next message to it. Sends a
  /// pong, which living peers ignore.
  void LookForClosed() {
    router->ClosedPeers(&closed);
    TellOfCuts();
    for (std::string& id : closed) closed_peers.Add(std::move(id), Now());
    closed.clear();
    closed_peers.Look(Now(), [this](const std::string& routing_id) {
      const KnownPeer* peer = peers.Find(routing_id);
      if (peer == nullptr) return false;
      const Router::Sent sent = router->Send(routing_id, codec.Encode(PongMsg{}));
      if (sent != Router::Sent::kUnroutable) return true;
      Step(PeerGone{peer->id, {}});
      return false;
    });
  }

  /// Another thread has woken this one up.
  void TakeNews() {
    uint64_t count;
    while (read(wake_fd, &count, sizeof(count)) > 0) {
    }
    if (journal) PollJournal();
    for (Built& built : builder->Take()) Step(std::move(built));
  }

  /// Waits, then handles messages that have arrived and deadlines that are due. Answers each
  /// request as fast as possible: one frame in, one Step, its frames out.
  void Turn(Duration wait) {
    RefillSpareMemory();
    if (router->Wait(wake_fd, wait)) TakeNews();
    const auto handler = [this](std::string_view id, std::span<const char> payload, size_t frames) {
      if (frames == 1) return OnFrame(id, payload);
      Refuse(id, ErrorCode::kBadMessage,
             "the message has " + std::to_string(frames) + " frames; expected one", 0);
    };
    int messages = 0;
    while (messages < kMessagesPerWait && router->Receive(handler)) ++messages;
    LookForClosed();
    if (messages == 0 || effects.more_work || effects.next_deadline <= Now()) Step(TimePassed{});
  }
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

const std::string& Server::endpoint() const { return impl_->endpoint; }
const std::string& Server::bound() const { return impl_->router->endpoint(); }

Access Server::AccessOf(AccessRole role, const std::string& job) const {
  return impl_->gate->AccessOf(role, job, endpoint());
}

Result<std::unique_ptr<Server>> Server::Bind(const ServerOptions& options) {
  const auto address = ListenAddress(options.endpoint);
  if (!address.ok()) return address.error();
  auto lock = EndpointLock::Take(*address);
  if (!lock.ok()) return lock.error();
  auto gate = Gate::Open(GateOptionsOf(options));
  if (!gate.ok()) return gate.error();
  const auto let_in = [at = gate->get()](std::string_view key) { return at->LetsIn(key); };
  auto router = Router::Bind(*address, (*gate)->curve_secret(), let_in);
  if (!router.ok()) return router.error();
  auto endpoint = AdvertisedAddress((*router)->endpoint(), options.advertise);
  if (!endpoint.ok()) return endpoint.error();
  auto impl = std::make_unique<Impl>(options);
  impl->gate = std::move(*gate);
  impl->lock = std::move(*lock);
  impl->router = std::move(*router);
  impl->outbox.emplace(impl->router.get(), &impl->codec);
  impl->endpoint = *std::move(endpoint);
  impl->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (const Status opened = impl->OpenJournal(); !opened.ok()) return opened.error();
  const Status written = impl->gate->WriteAccessFiles(impl->endpoint);
  if (!written.ok()) return written.error();
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Status Server::Run() {
  Impl& impl = *impl_;
  while (impl.stop_requests.load() == 0) impl.Turn(impl.UntilNextStep());
  impl.Step(ShutDown{"the broker was stopped"});
  const Instant limit = Now() + kStopWait;
  while (!impl.effects.finished && impl.stop_requests.load() < 2 && Now() < limit) {
    impl.Turn(Duration::Millis(50));
  }
  return impl.journal ? impl.journal->Close() : OkStatus();
}

void Server::RequestStop() {
  impl_->stop_requests.fetch_add(1);
  impl_->Wake();
}

std::vector<JobStatus> Server::Jobs() const { return impl_->core.Jobs(Now()); }

}  // namespace bellis
