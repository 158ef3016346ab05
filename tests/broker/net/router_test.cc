#include "broker/net/router.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <zmq.hpp>

#include "broker/net/listen_address.h"
#include "common/files/fd.h"
#include "tests/folder.h"

namespace bellis {
namespace {

/// A Router on its own socket file, and one peer.
class RouterTest : public testing::Test {
 protected:
  void SetUp() override {
    const Result<Endpoint> endpoint = ListenAddress("ipc://" + (folder_ / "r"));
    ASSERT_TRUE(endpoint.ok());
    auto router = Router::Bind(*endpoint);
    ASSERT_TRUE(router.ok()) << router.error().message;
    router_ = std::move(*router);
    peer_.set(zmq::sockopt::linger, 0);
    peer_.set(zmq::sockopt::sndhwm, 1);
    peer_.connect(router_->endpoint());
  }

  /// Hands `count` messages to the handler, or those that came within a minute. Returns how many.
  size_t Receive(size_t count, const Router::Handler& handler) {
    size_t received = 0;
    std::vector<std::string> closed;
    for (int second = 0; second < 60 && received < count; ++second) {
      router_->Wait(wake_.get(), Duration::Seconds(1));
      router_->ClosedPeers(&closed);
      while (received < count && router_->Receive(handler)) ++received;
    }
    return received;
  }

  const test::Folder folder_;
  const Fd wake_{eventfd(0, EFD_CLOEXEC)};
  std::unique_ptr<Router> router_;
  zmq::context_t context_;
  zmq::socket_t peer_{context_, zmq::socket_type::dealer};
};

TEST_F(RouterTest, APeerWaitsWhenTwoHundredAndFiftySixOfItsMessagesAreNotRead) {
  // A message larger than the system's buffers, so that the peer has to wait.
  const std::string message(256 << 10, 'x');
  peer_.set(zmq::sockopt::sndtimeo, 500);
  size_t sent = 0;
  while (sent < 1'000 && peer_.send(zmq::buffer(message))) ++sent;
  EXPECT_LT(sent, 270U);  // some more are on the way
  EXPECT_EQ(Receive(sent, [](auto...) {}), sent);
  peer_.set(zmq::sockopt::sndtimeo, 60'000);
  EXPECT_TRUE(peer_.send(zmq::buffer(message)));  // now the peer goes on
}

TEST_F(RouterTest, TellsOfHowManyFramesAMessageIs) {
  peer_.send(zmq::str_buffer("one"), zmq::send_flags::sndmore);
  peer_.send(zmq::str_buffer("two"));
  size_t frames = 0;
  std::string first;
  const auto handler = [&](std::string_view, std::span<const char> payload, size_t count) {
    first.assign(payload.data(), payload.size());
    frames = count;
  };
  EXPECT_EQ(Receive(1, handler), 1U);
  EXPECT_EQ(first, "one");
  EXPECT_EQ(frames, 2U);
}

}  // namespace
}  // namespace bellis
