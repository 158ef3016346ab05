#pragma once

// The worker's side of the protocol, as a state machine on one connection:
//
//        hello                 acquire / release            leave, or drain with nothing held
//     ----------> awaiting ------------------> serving ------------------------------> left
//                    ^  welcome                   |
//                    +----------------------------+
//                      hello_first: the broker was restarted, or the connection is a new one
//
// Leases outlive connections: a hello lists them all, and the welcome says which are still ours;
// what is handed back for any other is dropped here. Each lease is known with the number of the
// welcome (greeting) under which it came, since a broker without storage counts from 1 again.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bellis/worker.h"
#include "client/cpp/connection.h"
#include "client/cpp/forks.h"
#include "client/cpp/held_runs.h"
#include "client/cpp/pulse.h"
#include "client/cpp/stock.h"
#include "common/work_page.h"

namespace bellis {

class WorkerSession {
 public:
  /// Starts to connect.
  static Result<std::shared_ptr<WorkerSession>> Open(const WorkerOptions& options);

  WorkerSession(WorkerOptions options, Connection connection);
  /// In a forked child it leaves the parent's threads and socket alone.
  ~WorkerSession();
  WorkerSession(const WorkerSession&) = delete;
  WorkerSession& operator=(const WorkerSession&) = delete;

  /// Says hello; the answer is awaited at most `connect_timeout`.
  Status Greet();

  /// The next block; asks for as many as there is credit to ask for, reporting what is finished in
  /// the same message. nullopt once the worker is to leave, or where `stop_requested` says so: then
  /// the caller may leave, or call again.
  Result<std::optional<LeasedBlock>> Next();
  /// Another block, if one is here already. Asks for nothing.
  std::optional<LeasedBlock> NextInStock();

  /// When a result is sent: with the next request; now; or now unless runs come, and else with the
  /// next request, the next Shed, or the first HandBack a millisecond after the last message.
  enum class Sent : uint8_t { kWithRequest, kSoon, kNow };
  /// Takes a result. One of an earlier greeting, or after leaving, is dropped. A failure to send
  /// shows in Next.
  void HandBack(BlockResult result, uint64_t greeting, Sent when);

  /// From now on so many blocks are asked for ahead, when half of the stock is used up. For blocks
  /// that are done faster than a round trip; somebody must call Shed when one of them is not.
  /// Results should then be handed back at once: were the process to die, they would be lost. At
  /// most kWantMax - 1.
  void SetStock(uint32_t prefetch);
  /// Hands back what is in stock as not started, and what has arrived meanwhile: the block that is
  /// worked on takes long, others can have these. True: more was asked for and may come. May be
  /// called by another thread while this one is outside of all other functions (the caller's lock
  /// sees to that).
  bool Shed();
  /// Sheds, and takes back what was asked for: nobody will come for it for some time.
  void Forgo();

  /// Reports what is finished, hands back what was not started, and says bye. Does nothing the
  /// second time.
  void Leave(const std::string& reason);

  /// Whether there are results that were not sent.
  bool HasResults() const;
  /// Sends them at once.
  void SendResults();
  /// Whether blocks come in runs: then many more may be in stock.
  bool takes_runs() const { return stock_.takes_runs(); }

  /// Asks for a sign of life.
  Status Ping();
  /// Whether a message has arrived, or does in time.
  bool AwaitMessage(Duration timeout);

  /// Blocks that were asked for and have not come.
  uint32_t wanted() const { return wanted_; }
  uint64_t greeting() const { return greeting_; }
  WorkerId worker() const { return worker_; }
  const std::string& job() const { return job_; }
  const std::shared_ptr<const std::string>& task() const { return task_; }
  uint32_t slot() const { return slot_; }
  /// The broker's program and version.
  const std::string& broker() const { return broker_; }
  const std::string& leave_reason() const { return leave_reason_; }
  const std::string& endpoint() const { return options_.endpoint; }
  /// No more blocks come.
  bool is_leaving() const { return left_ || leaving_ || draining_; }
  /// The last error that was returned is the broker's word.
  bool was_refused() const { return refused_; }
  /// This process is a forked child of the worker.
  bool is_inherited() const { return generation_ != ForkGeneration(); }

 private:
  /// Not 0, and hardly ever the same twice.
  static uint64_t NewSession();
  Status SendHello();
  std::optional<LeasedBlock> TakeFirst();
  Status SendRequest();
  /// Waits for one message and handles it. False: `until` passed, or stop was requested. An error
  /// is kept in fatal_.
  Result<bool> WaitAndHandle(Instant until);
  /// Acts on all messages that have arrived, without waiting.
  void HandleArrived();
  /// Until the hello that was sent is answered.
  void AwaitWelcome(Duration timeout);
  Status Handle(const Message& message);
  Status HandleError(const ErrorMsg& error);
  Status HandleWelcome(const WelcomeMsg& welcome);
  /// What the welcome does not list is not ours any more.
  void KeepOnly(std::vector<LeaseId> ours);
  void HandInAgain();
  void NoteStored(const LeaseRun& leases);
  void StartPulse(const WelcomeMsg& welcome);
  void HandleCommitted(const CommittedMsg& committed);
  void ReturnStock();
  std::vector<HeldLease> AllHeld() const;
  /// The user's code has other blocks than before: for the pulse, and for the launcher.
  void NoteWork();
  /// The lease is over, or another's.
  void LetGo(LeaseId lease) { LetGo(LeaseRun{lease, 1}); }
  void LetGo(const LeaseRun& leases);
  /// While nothing comes: a ping, which a broker that was restarted answers with hello_first; when
  /// that is not answered, either, the endpoint is opened anew, now and then. Error when the broker
  /// has been silent for lost_timeout.
  Status KeepAlive(Duration silent);
  /// Something was sent because nothing came. The user hears of it the second time.
  void NoteSilence();
  bool StopRequested() const;
  void Notice(Severity severity, const std::string& sentence);
  /// Calls the user's function now; from within Shed, by the next function of the thread that
  /// works.
  void Tell(std::function<void()> call);
  void TellLater();

  const WorkerOptions options_;
  Connection connection_;

  const uint64_t generation_;  // of forks
  const Duration wait_slice_;  // between two looks at stop_requested and at the broker's silence

  // As the last welcome said.
  WorkerId worker_;
  uint32_t slot_ = 0;
  std::string broker_;
  std::string job_;
  std::shared_ptr<const std::string> task_;

  uint64_t session_;              // of this process's choice
  Instant hello_sent_;            // by BootTime
  bool durable_ = false;          // results are kept until they are committed
  std::unique_ptr<Pulse> pulse_;  // where leases end
  std::optional<WorkNote> note_;  // where there is a work page
  uint64_t greeting_ = 0;         // welcomes so far
  uint64_t hellos_ = 0;           // hellos so far
  bool welcome_ = false;          // answered hello
  uint32_t prefetch_;             // blocks to have in stock besides the one worked on
  bool in_batches_ = false;       // blocks are asked for when half of the stock is used up
  bool draining_ = false;
  bool leaving_ = false;  // the broker has taken everything back but what is worked on
  bool left_ = false;
  std::optional<Error> fatal_;  // nothing can follow it
  bool refused_ = false;
  bool sheds_ = false;                        // Shed is running
  std::vector<std::function<void()>> later_;  // see Tell
  std::string leave_reason_;

  Stock stock_;          // received, not handed out
  uint32_t wanted_ = 0;  // asked for, not received
  struct Out {
    HeldLease held;
    uint64_t greeting;  // under which it came
  };
  struct Unstored {
    HeldLease held;
    BlockResult result;
  };
  std::map<LeaseId, Out> out_;            // handed out, not handed back
  std::map<LeaseId, Unstored> unstored_;  // handed in, not committed
  HeldRuns unstored_done_;                // likewise, completed, where runs come
  Message release_ = ReleaseMsg();  // results not sent; one object, so that its memory is reused
  Message acquire_ = AcquireMsg();
  Instant looked_;  // for messages
  Instant sent_;    // the last results or request
  uint64_t pings_ = 0;
  uint32_t unanswered_pings_ = 0;
  Duration silent_at_ping_;  // at the last ping of this wait
  bool pinged_since_hello_ = false;
};

}  // namespace bellis
