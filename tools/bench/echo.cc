#include "tools/bench/echo.h"

#include <zmq.hpp>

#include "common/protocol/codec.h"

namespace bellis::bench {
namespace {

constexpr int kLookMs = 50;

void Answer(zmq::socket_t& router, const std::string& reply, const std::atomic<bool>& stop) {
  zmq::message_t id;
  zmq::message_t payload;
  while (!stop) {
    zmq::pollitem_t item{router.handle(), 0, ZMQ_POLLIN, 0};
    zmq::poll(&item, 1, std::chrono::milliseconds(kLookMs));
    while (router.recv(id, zmq::recv_flags::dontwait)) {
      if (!router.recv(payload)) break;
      router.send(id, zmq::send_flags::sndmore);
      router.send(zmq::buffer(reply), zmq::send_flags::none);
    }
  }
}

Status Ask(const std::string& endpoint, const std::string& request, uint32_t outstanding,
           Counter& counter, const std::atomic<bool>& stop) {
  zmq::context_t context;  // of its own, as a worker has
  zmq::socket_t dealer(context, zmq::socket_type::dealer);
  dealer.set(zmq::sockopt::linger, 0);
  dealer.set(zmq::sockopt::rcvtimeo, kLookMs);
  dealer.connect(endpoint);
  for (uint32_t i = 0; i < outstanding; ++i) dealer.send(zmq::buffer(request));
  zmq::message_t reply;
  while (!stop) {
    if (!dealer.recv(reply)) continue;
    counter.Add();
    dealer.send(zmq::buffer(request));
  }
  return OkStatus();
}

}  // namespace

FrameSizes BlockFrameSizes() {
  Codec codec;
  ReleaseMsg release;
  release.results = {{LeaseId(100'000), BlockOutcome::kCompleted, ""}};
  release.want = 1;
  const size_t request = codec.Encode(release).size();
  WorkMsg work;
  const Roi roi({500, 500, 500}, {10, 10, 10});
  work.blocks = {{LeaseId(100'000), 100'000, 100'000, roi, roi, 1}};
  return {request, codec.Encode(work).size()};
}

Result<double> EchoRate(const std::string& endpoint, uint32_t outstanding, const Setting& setting) {
  const FrameSizes sizes = BlockFrameSizes();
  const std::string request(sizes.request, 'q');
  const std::string reply(sizes.reply, 'r');
  std::atomic<bool> stop = false;
  std::thread server;
  Result<double> rate = 0.0;
  try {
    zmq::context_t context;
    zmq::socket_t router(context, zmq::socket_type::router);
    router.set(zmq::sockopt::linger, 0);
    router.bind(endpoint);
    const std::string bound = router.get(zmq::sockopt::last_endpoint);
    server = std::thread([&] { Answer(router, reply, stop); });
    rate = Rate(setting, [&](Counter& counter, const std::atomic<bool>& ends) {
      return Ask(bound, request, outstanding, counter, ends);
    });
    stop = true;
    server.join();
  } catch (const zmq::error_t& error) {
    stop = true;
    if (server.joinable()) server.join();
    return Error{ErrorCode::kIo, "a raw echo at " + endpoint + ": " + error.what()};
  }
  return rate;
}

}  // namespace bellis::bench
