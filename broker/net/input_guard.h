#pragma once

// Bounds how much input of one connection libzmq holds.
//
// libzmq collects the frames of a message internally until the last frame has come. A peer that
// sends frames, but never a last one, would fill the memory. So this class compares how many bytes
// a connection has sent, which the system counts, with whether a message from it was read:
//
//     bytes of the connection   0 ---- bytes_max ---- L1 ---- bytes_max ---- L2
//                                                     doubt                  cut
//
// At the first look (L1) at which a connection has sent more than `bytes_max`, it is doubted.
// Reading a message from it ends the doubt. A doubted connection that has sent as much again is cut
// (L2). So a peer that sends complete messages is cut only if this much of its input waits to be
// read, and nothing is counted per message.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

namespace bellis {

class InputGuard {
 public:
  /// How many connections one Look looks at.
  static constexpr size_t kLookMax = 512;

  /// `received` tells how many bytes have come over a descriptor so far; 0: unknown, so the
  /// connection is not cut. `cut` ends the connection.
  InputGuard(uint64_t bytes_max, std::function<uint64_t(int fd)> received,
             std::function<void(int fd)> cut)
      : bytes_max_(bytes_max), received_(std::move(received)), cut_(std::move(cut)) {}

  /// A connection was accepted with this descriptor, and has sent nothing yet.
  void Opened(int fd);
  void Closed(int fd);

  /// Whether any connection is doubted. Spoke need be called only then.
  bool doubts() const { return doubts_ > 0; }
  /// A complete message of the connection was read.
  void Spoke(int fd);

  /// Looks at the next kLookMax connections in turn, and cuts those that have sent too much. Cost:
  /// a call of `received` for each.
  void Look();

  bool empty() const { return inputs_.empty(); }
  /// How many connections were cut so far.
  uint64_t cut_count() const { return cut_count_; }

 private:
  struct Input {
    uint64_t from = 0;  // bytes it had sent when it last held nothing, or was doubted
    bool doubted = false;
  };
  void EndDoubt(Input& input);

  const uint64_t bytes_max_;
  const std::function<uint64_t(int fd)> received_;
  const std::function<void(int fd)> cut_;
  std::map<int, Input> inputs_;  // by descriptor
  int next_ = 0;                 // the next descriptor to look at
  size_t doubts_ = 0;
  uint64_t cut_count_ = 0;
};

/// Bytes that this process has read from a TCP connection; 0: unknown, as for other kinds of
/// sockets. Cost: two system calls.
uint64_t BytesReadOf(int fd);

}  // namespace bellis
