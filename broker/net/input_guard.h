#pragma once

// Bounds what libzmq holds of one connection's input.
//
// libzmq collects the frames of a message where nobody sees them, until the last one has come: a
// peer that sends frames and never a last one would fill the memory. So this compares how many
// bytes a connection has sent, which the system counts, with whether a message of it was read:
//
//     bytes of the connection   0 ---- bytes_max ---- L1 ---- bytes_max ---- L2
//                                                     doubt                  cut
//
// At the first look beyond `bytes_max` the connection is doubted; a message of it that is read ends
// the doubt. A doubted connection that has sent as much again is cut. So a peer that sends whole
// messages is cut only when so much of it waits to be read, and nothing is counted per message.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

namespace bellis {

class InputGuard {
 public:
  /// Connections that one Look looks at.
  static constexpr size_t kLookMax = 512;

  /// `received` tells how many bytes came over a descriptor so far; 0: that is not known, and it is
  /// not cut. `cut` ends its connection.
  InputGuard(uint64_t bytes_max, std::function<uint64_t(int fd)> received,
             std::function<void(int fd)> cut)
      : bytes_max_(bytes_max), received_(std::move(received)), cut_(std::move(cut)) {}

  /// A connection was accepted with this descriptor, which has sent nothing.
  void Opened(int fd);
  void Closed(int fd);

  /// Whether any connection is doubted: only then need Spoke be called.
  bool doubts() const { return doubts_ > 0; }
  /// A whole message of it was read.
  void Spoke(int fd);

  /// Looks at the next kLookMax connections, in turn; cuts those that hold too much. Cost: a call
  /// of `received` for each.
  void Look();

  bool empty() const { return inputs_.empty(); }
  /// How many were cut so far.
  uint64_t cut_count() const { return cut_count_; }

 private:
  struct Input {
    uint64_t from = 0;  // bytes that it had sent when it was last known to hold nothing, or doubted
    bool doubted = false;
  };
  void EndDoubt(Input& input);

  const uint64_t bytes_max_;
  const std::function<uint64_t(int fd)> received_;
  const std::function<void(int fd)> cut_;
  std::map<int, Input> inputs_;  // by descriptor
  int next_ = 0;                 // to be looked at
  size_t doubts_ = 0;
  uint64_t cut_count_ = 0;
};

/// Bytes that this process has read from a TCP connection; 0: that is not known, as of another
/// kind of socket. Cost: two system calls.
uint64_t BytesReadOf(int fd);

}  // namespace bellis
