#pragma once

// A broker for tests of its peers: a ROUTER socket in its own thread. The test decides what it
// answers.

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/protocol/messages.h"

namespace bellis {

/// A directory for one test, removed at the end.
class TemporaryDir {
 public:
  TemporaryDir();
  ~TemporaryDir();
  TemporaryDir(const TemporaryDir&) = delete;
  TemporaryDir& operator=(const TemporaryDir&) = delete;
  const std::string& path() const { return path_; }
  /// Writes a file into it and returns its path.
  std::string Write(const std::string& name, const std::string& contents, bool executable = false);

 private:
  std::string path_;
};

class FakeBroker {
 public:
  using Peer = std::string;
  /// The broker's thread calls the handler for each message. The handler answers with Send.
  using Handler = std::function<void(FakeBroker&, const Peer&, const Message&)>;

  /// Serves from now on. With an empty `endpoint`, the broker makes an ipc endpoint.
  explicit FakeBroker(Handler handler, std::string endpoint = "");
  ~FakeBroker();
  FakeBroker(const FakeBroker&) = delete;
  FakeBroker& operator=(const FakeBroker&) = delete;

  const std::string& endpoint() const { return endpoint_; }

  // For the handler.
  void Send(const Peer& peer, const Message& message);
  void SendBytes(const Peer& peer, const std::string& bytes);

  /// The messages that have come so far.
  std::vector<Message> received() const;
  /// The kinds of these messages: "hello acquire release bye".
  std::string kinds() const;
  /// Waits, ten seconds at most, until `count` messages of `kind` have come. Returns whether they
  /// did.
  bool AwaitKind(const std::string& kind, size_t count = 1) const;
  template <typename T>
  std::vector<T> All() const {
    std::vector<T> all;
    for (const Message& message : received()) {
      if (const T* m = std::get_if<T>(&message)) all.push_back(*m);
    }
    return all;
  }

 private:
  struct Socket;
  void Serve();

  Handler handler_;
  TemporaryDir dir_;
  std::string endpoint_;
  std::unique_ptr<Socket> socket_;
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;
  std::vector<Message> received_;  // guarded by mutex_
  std::thread thread_;
};

/// A one-dimensional block with lease `index + 1`.
LeasedBlock TestBlock(BlockIndex index);

/// A handler that leases `blocks` blocks to peers that ask. When all blocks have come back, it
/// sends `leave` to the peers that wait for more. It numbers workers without a number from 1.
FakeBroker::Handler HandOut(uint64_t blocks, std::string task = "smooth");

}  // namespace bellis
