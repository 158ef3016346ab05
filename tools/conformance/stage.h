#pragma once

// Where a scenario plays: one worker process, and all that it meets, which is a broker that does as
// the scenario says, and the network between them.
//
//     void PlayOneBlock(Stage& stage) {
//       stage.Start();
//       stage.Welcome();
//       stage.Hand(1);
//       stage.AwaitResults();
//       stage.LeaveAndExit();
//     }
//
// The stage answers some messages by itself: a ping by pong, a pulse's hello by welcome, and a
// message over a connection without a hello by `hello_first`. If the worker breaks a rule that
// always holds, the scenario ends: bytes that are not a message, a request before the welcome, a
// lease that it was not given, and so on (stage_messages.cc).
//
// Functions throw Broken, NotShown and Interrupted (check.h).

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bellis/job_spec.h"
#include "common/protocol/codec.h"
#include "common/time.h"
#include "tools/conformance/check.h"
#include "tools/conformance/packing.h"
#include "tools/conformance/wire.h"
#include "tools/conformance/worker_program.h"

namespace bellis::conformance {

struct StageOptions {
  std::vector<std::string> command;
  int level = 0;                              // what the worker is to keep to
  Duration patience = Duration::Seconds(15);  // for whatever the worker is to do at once
  Duration silence = Duration::Seconds(10);   // after which it is to ping (PROTOCOL.md)
  uint32_t lease_ms = 8000;
  bool ipc = false;
  std::string tag;                    // of its processes; unique
  std::function<bool()> interrupted;  // asked ten times a second
};

// The values in the worker's environment.
inline constexpr uint64_t kGivenNumber = 7;
inline constexpr char kJob[] = "conformance-1";
inline constexpr char kTask[] = "blocks";
inline constexpr char kToken[] = "the token of this check";

/// The state of a lease that was handed out.
struct Handed {
  enum class State { kHeld, kDone, kCommitted, kGone };
  State state = State::kHeld;
  uint64_t index = 0;
  uint32_t attempt = 1;
  Instant handed_at;
  Instant released_at;
  BlockResult result;  // unless kHeld
};

/// The optional fields of a welcome.
struct Terms {
  std::optional<uint64_t> number;  // else that of the hello
  bool durable = false;
  std::optional<std::vector<uint64_t>> held;  // else what the worker had and lists
  Style style;
  Json more = Json::object();  // other fields
};

/// For Stage::Start: the worker's blocks take so long, or fail with a text of so many bytes.
Environment Slow(int ms);
Environment Failing(int bytes);

class Stage {
 public:
  explicit Stage(StageOptions options);
  ~Stage();

  // ---- the worker's process ----

  /// Starts the worker, with `added` in its environment; with `keys` the connection is encrypted.
  void Start(Environment added = {}, bool keys = false);
  /// Starts it as a user would by hand, who says where the broker is and no more.
  void StartExternal();
  WorkerProgram& program() { return *program_; }
  bool ended() const { return heard_all_; }
  std::string OutputTail() const;

  // ---- waiting ----

  /// Waits until `holds()`. Broken if that takes too long, or if the worker ends before: "expected
  /// <what>, but ...". `patience` 0: that of the options.
  void Await(const std::function<bool()>& holds, const std::string& what, Duration patience = {});
  /// Handles what comes until then.
  void Listen(Duration time);
  [[noreturn]] void Break(const std::string& sentence) const { throw Broken{sentence}; }

  // ---- the conversation ----

  /// Waits for a hello that nobody has answered, and returns it.
  const HelloMsg& AwaitHello(Duration patience = {});
  /// Answers a hello, which it waits for.
  void Welcome(const Terms& terms = {});
  /// Waits until the worker wants so many blocks, and sends them in one message. Their leases.
  std::vector<uint64_t> Hand(size_t blocks, const Style& style = {}, uint32_t attempt = 1);
  /// Waits until nothing is in the worker's hands. NotShown if a block failed.
  void AwaitResults(Duration patience = {});
  void AwaitBye();
  /// Waits for the end of the process. Broken if it exits with another code, or does not exit.
  void AwaitExit(bool with_zero);
  void LeaveAndExit();
  /// Hands out one block, waits until it is completed, and calls LeaveAndExit.
  void OneBlockAndLeave();
  void Say(const std::string& kind, const Json& fields, const Style& style = {});
  void SayError(const std::string& code, const std::string& text);
  void Commit(const std::vector<uint64_t>& leases);
  /// No answer is given to the hello that is open.
  void PassOverHello() { open_hello_ = false; }
  /// A block that nobody counts as handed out.
  Json MakeBlock(uint64_t lease, uint32_t attempt = 1) const;

  // ---- misfortune ----

  void Cut();
  void Hold();
  void CutInTheNextFrame();
  /// From now on whoever speaks without a hello is asked for one, as by a broker that was
  /// restarted.
  void ForgetConnections() { connections_.clear(); }
  void StopBroker();
  void StartBroker();
  /// From now on nothing is answered. What comes is read, and counted.
  void Mute() { muted_ = true; }
  void Note(const std::string& what);
  /// From now on the worker may say another session (it was told unknown_worker) and its given
  /// number.
  void ForgetWorker();

  // ---- what has come ----

  uint32_t wanted() const { return wanted_; }
  bool said_bye() const { return said_bye_; }
  bool has_open_hello() const { return open_hello_; }
  const std::vector<HelloMsg>& hellos() const { return hellos_; }
  const std::map<uint64_t, Handed>& leases() const { return leases_; }
  size_t held() const;
  size_t asked() const { return asked_; }  // messages with a want above 0
  size_t pings() const { return pings_; }
  size_t worker_pings() const { return worker_pings_; }  // those over the worker's own connection
  /// When the last ping came that was answered by pong, or the last hello that was welcomed.
  Instant last_answered() const { return last_answered_; }
  const StageOptions& options() const { return options_; }
  uint32_t granted_lease_ms() const;
  uint32_t granted_heartbeat_ms() const;
  const std::vector<TraceLine>& trace() const { return trace_; }

 private:
  enum class Greeting { kNone, kOpen, kWelcome };
  struct Connection {
    Role role = Role::kWorker;
    Greeting greeting = Greeting::kNone;
  };

  void StartWith(Environment environment);
  void Round(Instant until);
  void Handle(const Wire::Received& received);
  void HandleHello(const std::string& peer, const HelloMsg& hello);
  void HandlePulse(const std::string& peer, const HelloMsg& hello);
  void CheckHello(const HelloMsg& hello) const;
  void CheckSession(const HelloMsg& hello) const;
  void CheckHeld(const HelloMsg& hello) const;
  void HandlePing(const std::string& peer, const PingMsg& ping);
  void HandleAsking(uint32_t want);
  void HandleResult(const BlockResult& result);
  void SayTo(const std::string& peer, const std::string& kind, const Json& fields,
             const Style& style = {});
  Json WelcomeFields(const HelloMsg& hello) const;
  void Record(TraceLine::Kind kind, const std::string& who, const std::string& text);
  const char* NameOf(const std::string& peer);

  // Fixed after construction.
  const StageOptions options_;
  const Instant begun_;

  bool keys_ = false;
  std::unique_ptr<Wire> wire_;
  std::optional<WorkerProgram> program_;
  bool heard_all_ = false;  // the process has ended, and all that it said was read
  Instant ended_at_;
  Codec codec_;
  std::vector<TraceLine> trace_;

  // The state of the conversation.
  std::map<std::string, Connection> connections_;
  std::string worker_peer_;
  std::vector<HelloMsg> hellos_;
  Instant hello_at_;
  bool open_hello_ = false;
  bool said_bye_ = false;
  bool muted_ = false;
  bool may_be_new_ = false;
  // The values that the worker's hello must have.
  uint64_t number_ = 0;
  std::string job_;
  std::string task_;
  bool may_omit_job_ = false;  // level 0 may keep to what it said first
  uint64_t session_ = 0;
  uint64_t greeting_ = 0;
  uint32_t wanted_ = 0;
  size_t asked_ = 0;
  size_t pings_ = 0;
  size_t worker_pings_ = 0;
  Instant last_answered_;
  uint64_t next_lease_ = 101;
  std::map<uint64_t, Handed> leases_;
};

}  // namespace bellis::conformance
