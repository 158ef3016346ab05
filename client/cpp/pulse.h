#pragma once

// Keeps a worker's leases alive while its user's code computes, and ends the process when they
// cannot be kept (WORKERS.md "Leases end"). Two threads: one with a connection of its own, that
// pings; and one that looks at the clock and kills, which takes no lock and no memory, so that it
// does so whatever the rest of the process, the first one included, is stuck in.
//
// What is guaranteed: by `sent + lease` of the last ping that was answered, on CLOCK_BOOTTIME,
// which goes on while a machine sleeps, no code of this process runs any more, and none of its
// process group when it leads it, if it held a block. The broker counts from when that ping came,
// which was later. The margin, a hundredth of the lease and half a second (a tenth of a short
// lease), is for clocks that do not run alike and for the time that it takes to be killed.
// What is not: a process that is stopped (SIGSTOP) cannot end itself, it does when it is continued;
// nor can one whose kernel gives it no time. What such a process still has in flight, only storage
// that looks at the lease id can keep out.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "client/cpp/held_runs.h"
#include "common/access/access.h"
#include "common/ids.h"
#include "common/protocol/messages.h"
#include "common/time.h"

namespace bellis {

/// The clock that leases go by.
Instant BootTime();

struct PulseOptions {
  std::string endpoint;
  std::string token;
  CurveKeys keys;
  WorkerId worker;
  uint64_t session = 0;
  uint32_t lease_ms = 0;
  uint32_t heartbeat_ms = 0;
  Instant hello_sent;  // by BootTime; its welcome has come
  /// Called once, from a thread of its own, `fence_time` before the process is ended, but no sooner
  /// than a quarter of a lease before; it is not waited for.
  std::function<void()> on_fence;
  Duration fence_time = Duration::Seconds(1);
};

class Pulse {
 public:
  explicit Pulse(const PulseOptions& options);
  /// Ends the threads; the connection is closed without a word.
  ~Pulse();
  Pulse(const Pulse&) = delete;
  Pulse& operator=(const Pulse&) = delete;

  /// The worker said hello, sent at `hello_sent`, and was welcomed (again), perhaps by another
  /// broker, with other leases; 0: as before.
  void Renew(WorkerId worker, uint64_t session, Instant hello_sent, uint32_t lease_ms = 0,
             uint32_t heartbeat_ms = 0);
  /// All that the worker would list in a hello, and how that changes. Cost: that of the change.
  void SetHeld(const std::vector<HeldLease>& held);
  void Hold(const WorkMsg& work);
  void LetGo(const LeaseRun& leases);
  /// Some of it is in the user's hands, so that the process must not outlive its leases.
  void SetWorking(bool working) { working_ = working; }
  /// The leases have ended while the user's code had none: they are void. Until Renew.
  bool expired() const { return expired_; }

 private:
  struct Line;
  void Run();
  /// Sends a ping, or a hello where the broker has not welcomed this connection.
  void Speak(Instant now, Duration beat, Line* line);
  HelloMsg Hello();
  /// Acts on the next message, if one has come.
  void Hear(Instant now, Line* line);
  void Watch();
  /// Until when a ping that was sent then is good. Under mutex_.
  Instant DeadlineOf(Instant sent) const;
  void TakeOver(uint32_t lease_ms, uint32_t heartbeat_ms);
  [[noreturn]] static void Fence();

  const PulseOptions options_;
  const int end_fd_;  // wakes Run and Watch up when they are to end
  std::atomic<bool> working_ = false;
  std::atomic<bool> expired_ = false;
  std::atomic<int64_t> deadline_ns_;
  std::atomic<bool> watch_ending_ = false;
  bool fence_called_ = false;  // of the thread that pings
  std::mutex mutex_;           // for what follows
  std::condition_variable wake_;
  bool ending_ = false;
  uint32_t lease_ms_;  // as the last welcome said
  uint32_t heartbeat_ms_;
  WorkerId worker_;
  uint64_t session_;
  HeldRuns held_;
  std::thread thread_;
  std::thread watch_;
};

}  // namespace bellis
