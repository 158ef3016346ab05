#pragma once

// Thousands of workers in one thread: DEALER connections that speak ZMTP 3.0 (RFC 23) over plain
// sockets, and wait in one epoll. libzmq would take some threads and two descriptors for each.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/protocol/codec.h"

namespace bellis::bench {

class Swarm {
 public:
  /// Called for each message that a member gets.
  using Handler = std::function<void(size_t member, const Message& message)>;

  /// Connections to the broker's socket file, without encryption.
  Swarm(std::string socket_path, size_t members, Handler handler);
  ~Swarm();
  Swarm(const Swarm&) = delete;
  Swarm& operator=(const Swarm&) = delete;

  /// Connects members that are not connected, and sends what `greet` makes for each of them.
  void Connect(const std::function<Message(size_t member)>& greet);
  /// Closes all connections at once.
  void Disconnect();
  void Send(size_t member, const Message& message);
  /// Handles what has arrived; waits `timeout_ms` at most if nothing has.
  void Turn(int timeout_ms);
  /// How many connections the broker has ended.
  size_t cut() const { return cut_; }

 private:
  struct Member;

  void Open(size_t number);
  void Read(size_t number);
  bool ReadFrame(size_t number);
  void Flush(size_t number);
  void Watch(size_t number, bool writing);
  void Close(size_t number);

  const std::string path_;
  const Handler handler_;
  Codec codec_;
  std::vector<Member> members_;
  int epoll_ = -1;
  size_t cut_ = 0;
};

}  // namespace bellis::bench
