#pragma once

// A ROUTER socket that plays the broker for one launcher, message by message.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>
#include <zmq.hpp>

#include "common/protocol/codec.h"

namespace bellis {

class FakeBroker {
 public:
  explicit FakeBroker(const std::string& endpoint) : router_(context_, zmq::socket_type::router) {
    router_.set(zmq::sockopt::linger, 0);
    router_.set(zmq::sockopt::sndhwm, 0);
    router_.set(zmq::sockopt::rcvhwm, 0);
    router_.bind(endpoint);
  }

  /// The next message other than a ping; pings are answered. nullopt when none came for `patience`.
  std::optional<Message> Next(std::chrono::milliseconds patience = std::chrono::seconds(30)) {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (true) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          until - std::chrono::steady_clock::now());
      zmq::pollitem_t item{router_.handle(), 0, ZMQ_POLLIN, 0};
      zmq::poll(&item, 1, std::max(left, std::chrono::milliseconds(0)));
      zmq::message_t peer, frame;
      if (!router_.recv(peer, zmq::recv_flags::dontwait)) return std::nullopt;
      EXPECT_TRUE(router_.recv(frame));
      peer_ = peer.to_string();
      DecodeResult decoded = codec_.Decode({frame.data<char>(), frame.size()});
      EXPECT_TRUE(decoded.ok()) << decoded.error().message;
      if (!decoded.ok()) return std::nullopt;
      const auto* ping = std::get_if<PingMsg>(&decoded.message());
      if (ping == nullptr) return decoded.message();
      if (answer_pings_) Send(PongMsg{ping->nonce});
    }
  }

  template <typename Msg>
  Msg Expect() {
    std::optional<Message> message = Next();
    EXPECT_TRUE(message) << "nothing came";
    if (!message) return {};
    EXPECT_TRUE(std::holds_alternative<Msg>(*message)) << "a " << KindName(*message) << " came";
    return std::holds_alternative<Msg>(*message) ? std::get<Msg>(*message) : Msg{};
  }

  /// Takes the launcher's hello and answers it.
  HelloMsg Welcome() {
    HelloMsg hello = Expect<HelloMsg>();
    WelcomeMsg welcome;
    welcome.broker = "fake broker";
    Send(welcome);
    return hello;
  }

  void Send(const Message& message) {
    const auto bytes = codec_.Encode(message);
    SendBytes({bytes.data(), bytes.size()});
  }

  void SendBytes(const std::string& bytes) { SendFrames({bytes}); }

  void SendFrames(const std::vector<std::string>& frames) {
    router_.send(zmq::buffer(peer_), zmq::send_flags::sndmore);
    for (size_t i = 0; i < frames.size(); ++i) {
      router_.send(zmq::buffer(frames[i]),
                   i + 1 < frames.size() ? zmq::send_flags::sndmore : zmq::send_flags::none);
    }
  }

  /// Whether any peer has sent a message.
  bool has_peer() const { return !peer_.empty(); }

  void set_answer_pings(bool answer) { answer_pings_ = answer; }

 private:
  zmq::context_t context_;
  zmq::socket_t router_;
  Codec codec_;
  std::string peer_;  // the sender of the last message
  bool answer_pings_ = true;
};

}  // namespace bellis
