#pragma once

// Works out from the messages alone what the broker must do, and compares that with the broker's
// effects and status after every Step.
//
// The model does not choose: not which block goes to which worker, nor which launcher gets a
// launch. It knows what is allowed, follows what was done, and stops the run (Violation) at the
// first step that the contract does not permit. The model's own state:
//
//   peers      which peers said hello, in which role, and are not gone     (model_peers.cc)
//   workers    their connections, their blocks, the blocks they may get    (model_peers.cc)
//   launchers  which are here or away, and what each must be told          (model_launchers.cc)
//   blame      which blocks a lost worker may have died of                 (model_blame.cc)
//   blocks     the state of every block, by the plain definitions          (model_blocks.cc)
//   idle       which workers may be let go before the task is done         (model_idle.cc)
//   requests   of clients: one answer each, watches until `ended`          (model_requests.cc)
//
// The model takes only three things from the broker's status: that a job ended, that a task was
// given up (and then there must be a cause), and the counts to compare with.

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "broker/core/broker_core.h"
#include "tests/sim/plain_blocks.h"
#include "tests/sim/report.h"

namespace bellis::sim {

class Model {
 public:
  explicit Model(CoreOptions options) : options_(options) {}

  /// Checks and follows the effects of one Step with `event`. `jobs` is the broker's status after
  /// it. Throws Violation.
  void Observe(Instant now, const Event& event, const Effects& effects,
               const std::vector<JobStatus>& jobs);

  /// Leases that are out, for actors that lie about them.
  std::vector<LeaseId> LeasesOut() const;
  bool AllJobsEnded() const;
  size_t num_jobs() const { return jobs_.size(); }
  uint64_t leases_given() const { return last_lease_; }
  /// The unfinished blocks and the workers that could do them, for a run that is stuck.
  std::string Explain() const;

 private:
  enum class BlockState { kMasked, kPending, kReady, kLeased, kCompleted, kFailed, kOrphaned };

  struct Block {
    BlockState state = BlockState::kPending;
    size_t waits_for = 0;    // unfinished blocks that this block depends on
    size_t waits_after = 0;  // blocks that must be final first, however they end
    uint32_t failed = 0;     // failed attempts
    uint32_t excused = 0;    // attempts that did not count, since a launcher ended the worker
    std::set<WorkerId> failed_by;
    Instant failed_at;
    // A lost worker may have died of this block, or of its post_check, so the block is set apart.
    bool apart = false;
    bool confirmed_apart = false;
    // A ready block is with a checker (checking), or a checker has said no, so that a worker may
    // have the block (cleared).
    bool checking = false;
    bool cleared = false;
    // A leased block was done by this worker and is not confirmed yet (done_by), or is with a
    // post-checker (confirming).
    WorkerId done_by;
    bool confirming = false;
  };
  struct Task {
    BlockCounts counts;
    uint64_t failures = 0;
    bool given_up = false;
    bool enough = false;  // min_workers have asked, at some time
    Instant first_request = Instant::Never();
    // For the invariants "given up without a cause" and "a place filled twice".
    std::map<std::string, uint64_t> crashes;    // by group; since it last released a block
    std::map<std::string, uint64_t> unstarted;  // by group: ended before a hello
    uint64_t answers = 0;                       // blocks released, checks answered
    uint64_t started_again = 0;                 // times that workers were started after code 0
    // By duty: since when there are blocks to do, and a place is free.
    std::array<Instant, kDuties> needed_since = {Instant::Never(), Instant::Never(),
                                                 Instant::Never()};
    std::map<std::string, uint64_t> retired;  // by group: exited with code 0 by themselves
    std::map<std::string, uint64_t> active;   // by group: launched and not exited
  };
  struct Job {
    JobSpec spec;
    std::string id;
    PlainJob plain;
    std::vector<Block> blocks;
    std::vector<Task> tasks;
    uint64_t leased = 0;
    bool ended = false;
    bool cancelled = false;
  };
  struct Held {
    LeaseId lease;
    size_t block;  // position in the job
  };
  struct Worker {
    size_t job = 0;
    size_t task = 0;
    Duty duty = Duty::kWork;
    PeerId peer;         // none: not connected
    WorkerId starter;    // of a further connection: the worker that it belongs to
    bool vacant = true;  // no process has this number: not yet, or not since a bye
    bool launched = false;
    uint64_t launcher = 0;
    std::string group;
    Instant reported_at = Instant::Never();  // by its launcher, as running
    bool greeted = false;                    // said hello at least once
    bool leaving = false;                    // was told to go
    bool left_holding = false;               // said bye with a block in hand
    bool lost = false;        // timed out: its releases do not count, the broker waits for its end
    bool stop_asked = false;  // its launcher was told to stop it
    bool drained = false;     // one of its connections was told so, and all of them are
    uint64_t credit = 0;      // blocks that it asked for and was not sent
    std::deque<Held> held;    // in the order of hand-out; the worker works on the first
    Instant deadline = Instant::Never();  // of the first block held
  };
  struct Peer {
    Role role = Role::kClient;
    WorkerId worker;
    std::optional<BlockTiling> tiling;  // as its welcome said: it takes runs
    uint64_t launcher = 0;
    std::multimap<uint64_t, std::string> watches;  // job by req
  };
  struct Launcher {
    PeerId peer;  // none: away
    std::string host;
    int64_t pid = 0;
    Instant away_since = Instant::Never();
  };

  // model_peers.cc
  void OnReceived(const Received& received, const Effects& effects);
  void OnHello(PeerId peer, const HelloMsg& hello, const Effects& effects);
  bool SaysItAgain(const Peer& peer, const HelloMsg& hello) const;
  void BindWorker(PeerId peer, const HelloMsg& hello, const WelcomeMsg& welcome);
  enum class Going { kGone, kBye, kHelloAgain };
  void OnGone(PeerId peer, Going how);
  void OnUndelivered(const PeerGone& gone);
  void OnExited(PeerId peer, const ExitedMsg& exited);
  void WorkerEnded(WorkerId id, const std::vector<WorkingOn>& working, bool excused);
  static void Disconnect(Worker& worker);
  void PassTimeouts();
  void PassHellos();
  bool Live(const Worker& worker) const { return worker.peer.set() && !worker.leaving; }
  uint64_t LiveWorkers(size_t job, size_t task) const;
  // The number of live workers that ask for a block or hold one.
  uint64_t AskingWorkers(size_t job, size_t task, Duty duty) const;
  void NoteEnoughWorkers();
  uint64_t WorkersThatMayCome(size_t job, size_t task) const;

  // model_launchers.cc
  uint64_t FindLauncher(PeerId peer, const HelloMsg& hello) const;
  void BindLauncher(PeerId peer, const HelloMsg& hello);
  void LauncherLost(uint64_t id);
  bool LauncherIsHere(const Worker& worker) const;
  void Stops(WorkerId place);
  void MustStop(WorkerId id, Worker& worker);
  void OnLaunched(PeerId peer, const LaunchedMsg& launched);

  // model_blame.cc
  static bool& Apart(Block& block, Duty duty);
  void GiveBackHeld(Worker& worker);
  void ReturnHeld(WorkerId id, Worker& worker, bool first_is_known);
  void InDoubt(const std::map<WorkerId, std::deque<Held>>& suspects);
  std::vector<WorkerId> ConnectionsOf(WorkerId place) const;
  void ReturnAll(WorkerId place, const std::vector<WorkingOn>& working, bool excused);
  void CheckAlone(WorkerId id, size_t position);

  // model_idle.cc
  void NoteDismissal(WorkerId id, const Worker& worker);
  void CheckIdle() const;
  bool CanBeReplaced(const Job& job, size_t task, Duty duty) const;
  uint64_t StartingWorkers(size_t job, size_t task, Duty duty) const;

  // model_blocks.cc
  void Submit(const SubmitMsg& submit, const std::string& id);
  void OnRelease(WorkerId id, const ReleaseMsg& release);
  // model_runs.cc
  static std::vector<LeasedBlock> BlocksOf(const Peer& peer, const WorkMsg& work);
  static uint64_t LeasesInRuns(const ReleaseMsg& release);
  static std::vector<BlockResult> ResultsOf(const ReleaseMsg& release);

  void AddCredit(WorkerId id, uint64_t want, const Effects* effects);
  void OnWork(PeerId peer, const WorkMsg& work);
  void CheckGrant(const Worker& worker, WorkerId id, const LeasedBlock& leased, size_t position);
  void CheckPlace(const Worker& worker, const LeasedBlock& leased, size_t position);
  void CheckQuestion(const Worker& worker, size_t position);
  void TakeGrant(const Worker& worker, size_t position);
  void GiveBack(const Worker& worker, size_t position);
  void Answered(WorkerId id, const Worker& worker, size_t position, bool yes);
  std::string NameOf(const Job& job, size_t position) const;
  void CheckRetry(const Job& job, const Worker& worker, WorkerId id, size_t position);
  void StartBlock(Worker& worker);
  void FailAttempt(WorkerId id, Job& job, size_t position);
  void Complete(Job& job, size_t position);
  void MaybeReady(Job& job, size_t position);
  void BecameFinal(Job& job, size_t position);
  void OrphanDependents(Job& job, size_t position);
  void GiveUp(Job& job, size_t task);
  void EndJob(Job& job, const JobStatus& status);
  void Move(Job& job, size_t position, BlockState to);

  // model_requests.cc
  void CheckAnswers(const Received& received, const Effects& effects);
  void CheckWatches(const Effects& effects);

  // model.cc
  void FollowSends(const Effects& effects);
  void FollowSend(const Send& send);
  void OnLaunch(PeerId peer, const LaunchMsg& launch);
  void FollowOrders(const std::vector<JobStatus>& jobs);
  void FollowEnds(const std::vector<JobStatus>& jobs);
  void FollowGiveUp(Job& job, size_t task, const TaskStatus& status);
  static std::span<const WorkerGroup> PlacesFor(const TaskSpec& spec, Duty duty);
  static bool GivenUp(const Job& job, size_t task, const std::string& group);
  void CountAnswer(const Worker& worker);
  bool MayStartAgain(const Worker& worker);
  static bool TooManyFailures(const Job& job, size_t task);
  bool Nobody(const Job& job, size_t task, Duty duty) const;
  static bool Needs(const Job& job, size_t task, Duty duty);
  void NoteNeeds();
  void CheckGiveUp(const Job& job, size_t task, const TaskStatus& status) const;
  void CheckCounts(const std::vector<JobStatus>& jobs, bool more_work) const;
  void CheckForgotten(const Effects& effects);

  const CoreOptions options_;
  std::vector<Job> jobs_;  // in the order of submission
  std::map<WorkerId, Worker> workers_;
  std::map<PeerId, Peer> peers_;
  std::map<uint64_t, Launcher> launchers_;
  uint64_t last_launcher_ = 0;
  uint64_t last_lease_ = 0;
  uint64_t last_worker_ = 0;
  Instant launcher_missing_since_;  // meaningful while there is none
  // Set for the Step that is observed.
  Instant now_;
  std::set<PeerId> gone_;       // peers that must be forgotten
  std::set<PeerId> timed_out_;  // external workers that must be told to leave
  std::set<WorkerId> to_stop_;  // launched workers that must be stopped
  std::set<WorkerId> to_stop_unknown_;
  std::set<std::pair<size_t, size_t>> given_up_now_;  // tasks, by job
  std::set<WorkerId> to_launch_;  // must be launched again: the launcher is back
  std::set<LeaseId> new_leases_;
  std::set<std::tuple<size_t, size_t, Duty>> dismissed_from_;  // tasks that let a worker go
  std::set<std::tuple<size_t, size_t, Duty>> launched_for_;    // tasks that had a worker launched
  bool shut_down_ = false;
};

}  // namespace bellis::sim
