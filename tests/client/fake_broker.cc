#include "tests/client/fake_broker.h"

#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <zmq.hpp>

#include "common/check.h"
#include "common/protocol/codec.h"

namespace bellis {

TemporaryDir::TemporaryDir() {
  std::string name = "/tmp/bellis-test-XXXXXX";
  BELLIS_CHECK(::mkdtemp(name.data()) != nullptr, "tests can make a temporary directory");
  path_ = name;
}

TemporaryDir::~TemporaryDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryDir::Write(const std::string& name, const std::string& contents,
                                bool executable) {
  const std::string path = path_ + "/" + name;
  std::ofstream(path, std::ios::binary) << contents;
  if (executable) ::chmod(path.c_str(), 0755);
  return path;
}

struct FakeBroker::Socket {
  zmq::context_t context{1};
  zmq::socket_t router{context, zmq::socket_type::router};
  Codec codec;
};

FakeBroker::FakeBroker(Handler handler, std::string endpoint)
    : handler_(std::move(handler)),
      endpoint_(endpoint.empty() ? "ipc://" + dir_.path() + "/s" : std::move(endpoint)),
      socket_(std::make_unique<Socket>()) {
  socket_->router.set(zmq::sockopt::linger, 0);
  socket_->router.set(zmq::sockopt::rcvtimeo, 20);
  socket_->router.bind(endpoint_);
  endpoint_ = socket_->router.get(zmq::sockopt::last_endpoint);
  thread_ = std::thread([this] { Serve(); });
}

FakeBroker::~FakeBroker() {
  stop_ = true;
  thread_.join();
}

void FakeBroker::Serve() {
  while (!stop_) {
    zmq::message_t peer;
    if (!socket_->router.recv(peer)) continue;
    zmq::message_t frame;
    static_cast<void>(socket_->router.recv(frame));
    DecodeResult decoded = socket_->codec.Decode({frame.data<char>(), frame.size()});
    BELLIS_CHECK(decoded.ok(), decoded.error().message.c_str());
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      received_.push_back(decoded.message());
    }
    handler_(*this, peer.to_string(), decoded.message());
  }
}

void FakeBroker::Send(const Peer& peer, const Message& message) {
  const std::span<const char> bytes = socket_->codec.Encode(message);
  SendBytes(peer, std::string(bytes.begin(), bytes.end()));
}

void FakeBroker::SendBytes(const Peer& peer, const std::string& bytes) {
  socket_->router.send(zmq::buffer(peer), zmq::send_flags::sndmore);
  socket_->router.send(zmq::buffer(bytes));
}

std::vector<Message> FakeBroker::received() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return received_;
}

std::string FakeBroker::kinds() const {
  std::string kinds;
  for (const Message& message : received()) {
    kinds += (kinds.empty() ? "" : " ") + std::string(KindName(message));
  }
  return kinds;
}

bool FakeBroker::AwaitKind(const std::string& kind, size_t count) const {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (std::chrono::steady_clock::now() < until) {
    size_t found = 0;
    for (const Message& message : received()) found += KindName(message) == kind;
    if (found >= count) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

LeasedBlock TestBlock(BlockIndex index) {
  LeasedBlock block;
  block.lease = LeaseId(index + 1);
  block.index = index;
  block.id = static_cast<CantorId>(index);
  const auto begin = static_cast<int64_t>(index) * 10;
  block.read = Roi({begin - 1}, {12});
  block.write = Roi({begin}, {10});
  return block;
}

FakeBroker::Handler HandOut(uint64_t blocks, std::string task) {
  struct State {
    uint64_t next_block = 0;
    uint64_t next_worker = 1;
    uint64_t released = 0;
    std::map<FakeBroker::Peer, uint32_t> credit;
  };
  auto state = std::make_shared<State>();
  return [=](FakeBroker& broker, const FakeBroker::Peer& peer, const Message& message) {
    uint32_t& credit = state->credit[peer];
    if (const auto* hello = std::get_if<HelloMsg>(&message)) {
      const WorkerId worker = hello->worker.set() ? hello->worker : WorkerId(state->next_worker++);
      broker.Send(peer, WelcomeMsg{1, "fake", "job-1", task, worker});
    } else if (const auto* acquire = std::get_if<AcquireMsg>(&message)) {
      credit += acquire->want;
    } else if (const auto* release = std::get_if<ReleaseMsg>(&message)) {
      credit += release->want;
      state->released += release->results.size();
    }
    WorkMsg work;
    for (; credit > 0 && state->next_block < blocks; --credit) {
      work.blocks.push_back(TestBlock(state->next_block++));
    }
    if (!work.blocks.empty()) broker.Send(peer, work);
    if (state->released < blocks) return;
    for (auto& [waiting, wanted] : state->credit) {
      if (wanted > 0) broker.Send(waiting, LeaveMsg{"the task is done"});
      wanted = 0;
    }
  };
}

}  // namespace bellis
