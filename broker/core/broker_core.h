#pragma once

// The scheduler: jobs, workers, leases, launchers and clients in one deterministic state machine.
//
//     Step(now, event) -> effects
//
// It opens no socket, reads no clock, starts no thread and draws no random number; the same events
// at the same times give the same effects. Step is the only way to change it. One thread.
//
// Cost of a Step: that of the event, plus at most Frontier::kInlineWork units of follow-up work;
// independent of the number of blocks, and of workers but for O(log workers) table look-ups. What
// is left over is announced by Effects::more_work.
//
// Parts: broker_core.cc (Step, timers), hello.cc (who a worker is), connections.cc (several of one
// worker), workers.cc (bye, leaving), blame.cc (what a lost worker died of), exits.cc (how workers
// end, who is replaced, giving up), failing.cc (tasks whose blocks fail), idle.cc (workers that are
// let go), sessions.cc (how long leases last), launchers.cc (launching), blocks.cc (lease, release,
// retry, dispatch), checks.cc (checkers), builds.cc (masks that take long), block_ends.cc (what
// waits for the disk), recovery.cc (going on after a restart), rerun.cc (a job that runs again),
// clients.cc (submit, status, cancel, watch), steering.cc (pause, resume, set_workers), explain.cc.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "broker/core/budget.h"
#include "broker/core/core_options.h"
#include "broker/core/durable.h"
#include "broker/core/effect.h"
#include "broker/core/event.h"
#include "broker/core/job.h"
#include "broker/core/job_table.h"
#include "broker/core/turn.h"
#include "broker/core/watches.h"
#include "broker/core/worker_table.h"

namespace bellis {

class BrokerCore {
 public:
  explicit BrokerCore(CoreOptions options = {});
  ~BrokerCore();
  BrokerCore(const BrokerCore&) = delete;
  BrokerCore& operator=(const BrokerCore&) = delete;

  /// `now` never goes back. `effects` is cleared first. To be called at Effects::next_deadline at
  /// the latest: when it is not, the broker was stopped (a debugger, a machine that slept), and
  /// that time does not count. Peers were not heard meanwhile, and what they said is yet to be
  /// read.
  void Step(Instant now, Event event, Effects* effects);

  /// The time that counts: that of the last Step, less what the broker stood still.
  Instant now() const { return turn_.now(); }
  /// For tests and summaries, in order of submission.
  std::vector<JobStatus> Jobs(Instant now) const;
  /// The id of the job that this worker works for; empty: no such worker is known.
  std::string JobOfWorker(WorkerId worker) const;
  /// Heap memory of the schedules of the jobs that run (Frontier::bytes).
  size_t schedule_bytes() const;

 private:
  struct Peer {
    Role role = Role::kClient;
    Worker* worker = nullptr;
    LauncherId launcher;
    WorkerId pulse_of;     // pulse
    uint64_t session = 0;  // pulse: its worker's
  };
  /// Its connection may break while it and its workers live on. Until it is back, or has been away
  /// for too long, nothing changes: what its workers hold stays theirs.
  struct Launcher {
    PeerId peer;  // none while it is away
    std::string host;
    std::string machine;
    int64_t pid = 0;  // 0: not told; then it cannot come back
    std::set<WorkerId> workers;
    Instant away_since = Instant::Never();
    bool probed = false;  // a kLauncherProbe timer is set
  };
  enum class PeerEnd : uint8_t { kBye, kLost };  // it said bye; its connection is gone
  /// An ended job that is to run again, and who asked for it.
  struct Reopening {
    PeerId peer;
    uint64_t req;
    std::optional<JobSpec> spec;                             // as submitted now
    bool retry;                                              // asked for by retry_failed
    std::shared_ptr<const DependencyGraph> graph = nullptr;  // built elsewhere
  };
  /// What waits for a schedule that is built elsewhere.
  struct Building {
    PeerId peer;
    uint64_t req;
    std::shared_ptr<JobSpec> spec;
    std::variant<SubmitMsg, RetryFailedMsg> asked;  // a submit without its spec
  };

  // broker_core.cc
  void Hear(Event event);
  void BrokerStoodStill(Duration still);
  void ExcuseWorkers();
  void OnMessage(PeerId peer, Message message);
  void FromWorker(Worker& worker, Message& message);
  void FromClient(PeerId peer, Message& message);
  void FromLauncher(PeerId peer, Message& message);
  void RefuseRole(PeerId peer, Role role, const Message& message);
  void OnPeerGone(const PeerGone& gone);
  void EndPeer(PeerId peer, PeerEnd end, const std::string& reason);
  void OnTimer(const Timer& timer);
  void OnShutDown(const std::string& reason);
  void Settle();
  void SettleJob(Job& job);
  void SettleTask(Job& job, TaskIndex task);
  void SettleSerial(Job& job);

  // hello.cc
  void OnHello(PeerId peer, const HelloMsg& hello);
  Job* JobForWorker(PeerId peer, const HelloMsg& hello, TaskIndex* task);
  bool IsConnectionOf(const Worker& worker, PeerId peer, const HelloMsg& hello) const;
  Worker* SaysItAgain(PeerId peer, const HelloMsg& hello);
  Worker* KnownWorker(PeerId peer, const HelloMsg& hello, const Job& job, TaskIndex task);
  Worker* FindSession(WorkerId id, uint64_t session);
  Worker* EnterWorker(const HelloMsg& hello, Job& job, TaskIndex task, Worker* place);
  Worker* AdoptWorker(PeerId peer, const HelloMsg& hello, Job& job, TaskIndex task);
  bool IsReplaced(const HelloMsg& hello);
  bool RefuseWorker(PeerId peer, const HelloMsg& hello, const Job& job, TaskIndex task, bool known);
  bool WaitsForDisk(PeerId peer, const HelloMsg& hello, bool known);
  void HelloWorker(PeerId peer, const HelloMsg& hello);
  void Introduce(Worker& worker, PeerId peer, const HelloMsg& hello, bool came_back);

  // connections.cc
  Worker& PlaceOf(Worker& worker);
  const Worker& PlaceOf(const Worker& worker) const;
  void Vacate(Worker& worker, const std::string& reason);
  void IsVacant(Worker& worker);
  void StopIfIdle(Worker& worker);
  void GiveBackAll(Worker& worker);
  void FurtherBecomeVisitors(Worker& place);
  void OnItsOwn(Worker& worker);

  // blame.cc
  static LeaseId FirstOf(const Worker& worker);
  void LeasesOver(Worker& worker, const std::string& reason, bool excused = false);
  void ReturnLeases(Worker& worker, const std::string& error, LeaseId culprit, bool excused);
  void Blame(Worker& worker, const Lease& lease, const std::string& error, bool excused);
  static bool Excuse(TaskRun& task, BlockIndex block);
  void ReturnAll(Worker& place, const std::string& how, const std::vector<WorkingOn>& working);
  void Suspect(Worker& worker, const Lease& lease, const std::string& error);
  bool WorksApart(const TaskRun& task, const Worker& worker) const;
  bool MayHoldNow(const TaskRun& task, const Worker& worker, BlockIndex block) const;
  Worker* FirstParkedFor(const TaskRun& task, Pool& pool, BlockIndex block);

  // workers.cc
  void OnBye(PeerId peer, const ByeMsg& bye);
  static Pool& PoolOf(Worker& worker);
  void Disconnect(Worker& worker);
  void NotLive(Worker& worker);
  void StopGiving(Worker& worker);
  void Drain(Worker& worker, const std::string& reason);
  void Leave(Worker& worker, const std::string& reason, bool at_once);
  void StopProcess(Worker& worker);
  Worker& AddWorker(WorkerId id, Job& job, TaskIndex task, Duty duty);
  void TakeVisitorsSlot(Worker& worker);
  void Remove(WorkerId id);
  Worker* Find(WorkerId id);
  void SetTimer(Job& job, TaskIndex task, Instant due);
  void Started(Worker& worker);

  // exits.cc
  void OnExited(PeerId peer, const ExitedMsg& exited);
  void WorkerExited(Worker& worker, const ExitedMsg& exited);
  void AfterExit(Job& job, TaskIndex task, const Worker& worker, bool held,
                 const ExitedMsg& exited);
  void Crashed(Job& job, TaskIndex task, const Worker& worker, const std::string& how,
               const ExitedMsg& exited);
  bool EndsTheSame(GroupRun& group, const Worker& gone, const ExitedMsg& exited) const;
  void GiveUpGroup(Job& job, TaskIndex task, const Worker& worker, std::string error);
  void Succeeded(const Worker& worker);
  bool IsExcused(const Worker& worker) const;
  void BlockTimedOut(Worker& worker);
  void HelloOverdue(Worker& worker);
  bool FailsMoreThanOthers(const Worker& worker) const;
  void CountTry(Worker& worker, bool failed);
  bool Engaged(Job& job, TaskIndex task, Duty duty);
  bool Deserted(Job& job, TaskIndex task, Duty duty);
  bool GiveUpIfStuck(Job& job, TaskIndex task);
  bool StartAgain(Job& job, TaskIndex task, Duty duty);
  static std::string StuckBecause(const Job& job, TaskIndex task, Duty duty);

  // failing.cc
  void CountFailure(Job& job, TaskIndex task, std::string which);
  void NoMoreInARow(Job& job, TaskIndex task);
  static std::string TooManyFailures(const Job& job, TaskIndex task);
  bool GiveUpForFailures(Job& job, TaskIndex task);
  bool IsTimeForOne(Job& job, TaskIndex task);

  // sessions.cc
  WelcomeMsg WelcomeFor(const Worker& worker) const;
  Session SessionOf(const Worker& worker) const;
  static bool KeepsLeases(const Worker& worker);
  void RenewLease(Worker& worker);
  void LeaseDue(Worker& worker);
  void WorkerLost(Worker& worker, const std::string& reason);
  std::string MayBeAliveBecause(const Worker& worker) const;
  void OnWorkerGone(PeerId peer, const WorkerGoneMsg& gone);
  void Detach(Worker& worker);
  void ArmProbe(Worker& worker);
  void ProbeDue(Worker& worker);
  void StartedProcessGone(Worker& worker);
  void OnProcessGone(const ProcessGone& gone);
  void HelloPulse(PeerId peer, const HelloMsg& hello);
  void OnPing(PeerId peer, const PingMsg& ping);
  void Reported(Worker& worker);
  void MayHaveBlocks(Worker& worker);
  void SettleClaims(Job& job, TaskIndex task);
  bool ClaimBlock(Worker& worker, const HeldLease& held);
  bool MakeWay(Job& job, TaskIndex task, const HeldLease& held);
  bool IsOut(const Claim& claim) const;
  void DropClaim(const Claim& claim);
  std::vector<LeaseId> TakeUp(Worker& worker, const std::vector<HeldLease>& said);

  // block_ends.cc
  void WhenDurable(AfterCommit what);
  void OnCommitted(const Committed& committed);
  void Do(AfterCommit what);
  void Settle(Job& job, TaskIndex task, const Claim& done);
  void BlockIsDone(Job& job, TaskIndex task, const Lease& lease, WorkerId worker, bool skipped,
                   const std::string& language = {}, double ms = 0);
  void BlockHasFailed(Job& job, TaskIndex task, BlockIndex block);
  void FinishBlock(Job& job, TaskIndex task, BlockIndex block);
  void Acknowledge(Worker& worker, LeaseId lease, bool dropped = false);
  void AcknowledgeTo(WorkerId worker, uint64_t session, LeaseId lease);
  std::string TaskHandsOutNothingBecause(const Job& job, TaskIndex task) const;
  void OnStoreTrouble(const StoreTrouble& trouble);

  // recovery.cc
  Status Schedule(Job& job, const std::vector<TaskProgress>* progress,
                  std::shared_ptr<const DependencyGraph> graph = nullptr);
  void OnTakeOver(TakeOver taken);
  void TakeUpSession(const Session& session);
  LauncherId LauncherOfSession(const ProcessRef& process);
  void ReconnectWindowOver();

  // rerun.cc
  bool IsByOtherPrograms(PeerId peer, const SubmitMsg& submit, const Job& job);
  bool SubmitAgain(PeerId peer, SubmitMsg& submit, Job& job,
                   std::shared_ptr<const DependencyGraph> graph);
  void TakeNewCommands(Job& job, JobSpec spec);
  void Reopen(Job& job, Reopening reopening);
  void OnLoaded(Loaded loaded);
  void OnRetryFailed(PeerId peer, const RetryFailedMsg& retry,
                     std::shared_ptr<const DependencyGraph> graph = nullptr);
  std::optional<BlockIndex> ClaimWhatIsOut(const Job& job, TaskIndex task,
                                           Frontier& frontier) const;
  void StartOver(Job& job, TaskIndex task);

  // launchers.cc
  LauncherId FindLauncher(PeerId peer, const HelloMsg& hello) const;
  void HelloLauncher(PeerId peer, const HelloMsg& hello);
  void BindLauncher(LauncherId id, PeerId peer);
  void LauncherGone(LauncherId id, PeerEnd end);
  void LauncherAwayTooLong(LauncherId id);
  void ProbeLauncher(LauncherId id);
  void ArmProbe(LauncherId id);
  void LauncherLost(LauncherId id);
  void BecomeVisitor(Worker& worker);
  void OnLaunched(PeerId peer, const LaunchedMsg& launched);
  std::vector<LauncherId> LaunchersHere() const;
  void LaunchWorkers(Job& job, TaskIndex task);
  void LaunchPool(Job& job, TaskIndex task, Duty duty);
  static bool Needed(const Job& job, TaskIndex task, Duty duty);
  static uint64_t Permitted(const Job& job, TaskIndex task, Duty duty);
  static uint64_t Active(const Pool& pool);
  static uint64_t Wanted(const Job& job, TaskIndex task, Duty duty);
  bool LacksProcess(const Job& job, TaskIndex task, Duty duty) const;
  bool GiveUpWithoutLauncher(Job& job, TaskIndex task, bool its_turn);
  bool AwaitLauncher(Job& job, TaskIndex task, Duty duty);
  std::optional<size_t> NextGroup(Job& job, TaskIndex task, Duty duty);
  void AwaitResources(Job& job, TaskIndex task, const std::string& resource);
  bool LaunchOne(Job& job, TaskIndex task, Duty duty);
  void SendLaunch(const Worker& worker);
  void SendToLauncher(const Worker& worker, Message message);

  // blocks.cc
  void OnRelease(Worker& worker, const ReleaseMsg& release);
  void AddWant(Worker& worker, uint32_t want);
  void Asked(Worker& worker);
  void Park(Worker& worker);
  void ReleaseOne(Worker& worker, const BlockResult& result);
  void Completed(Job& job, TaskIndex task, const Lease& lease, WorkerId worker,
                 size_t language_slot, double ms);
  void FailAttempt(Job& job, TaskIndex task, const Lease& lease, WorkerId worker,
                   const std::string& error);
  void GiveBack(Worker& worker, const Lease& lease);
  void ReturnUndelivered(const PeerGone& gone);
  void Dispatch(Job& job, TaskIndex task);
  bool EnoughWorkers(Job& job, TaskIndex task);
  std::optional<BlockIndex> NextBlockFor(Job& job, TaskIndex task, const Worker& worker);
  bool MayHave(const TaskRun& task, BlockIndex block, const Worker& worker) const;
  void Grant(Job& job, TaskIndex task, Worker& worker, BlockIndex block);
  void StartBlock(Worker& worker);
  void AbandonTask(Job& job, TaskIndex task, const std::string& error);
  void CloseTask(Job& job, TaskIndex task);
  Worker* FirstParked(Pool& pool);
  void TookOne(Pool& pool, Worker& worker);

  // idle.cc
  void NoteUse(Worker& worker);
  void SetUse(Worker& worker, const Use& use);
  bool MayBeReplaced(const Job& job, TaskIndex task, Duty duty) const;
  void ReleaseIdle(Job& job, TaskIndex task);
  static bool HasEnoughForTheRest(const Job& job, TaskIndex task, Duty duty);

  // checks.cc
  void DispatchChecks(Job& job, TaskIndex task);
  void DispatchPostChecks(Job& job, TaskIndex task);
  void ConfirmSerial(Job& job, TaskIndex task);
  void Checked(Worker& checker, const Lease& lease, bool yes, const std::string& error);
  void TakeBackAll(Job& job, TaskIndex task);

  // clients.cc
  void OnSubmit(PeerId peer, SubmitMsg submit,
                std::shared_ptr<const DependencyGraph> graph = nullptr);
  void OnStatus(PeerId peer, const StatusMsg& status);
  void OnCancel(PeerId peer, const CancelMsg& cancel);
  void OnWatch(PeerId peer, const WatchMsg& watch);
  void WatchDue(uint64_t id);
  void EndJob(Job& job, JobState state, const std::string& reason);
  void DropOldJobs();
  Job* JobFor(PeerId peer, const char* field, const std::string& named, uint64_t req);

  // builds.cc
  bool IsBuiltElsewhere(const JobSpec& spec) const;
  void BuildElsewhere(PeerId peer, uint64_t req, std::shared_ptr<JobSpec> spec,
                      std::variant<SubmitMsg, RetryFailedMsg> asked);
  void OnBuilt(Built built);
  bool OutgrewItsMemory(Job& job, TaskIndex task);

  // steering.cc
  Job* JobToSteer(PeerId peer, const std::string& what, const std::string& id,
                  const std::string& task, uint64_t req, std::vector<TaskIndex>* tasks);
  void Steered(PeerId peer, Job& job, const std::vector<TaskIndex>& tasks, uint64_t req);
  void OnPause(PeerId peer, const PauseMsg& pause);
  void OnResume(PeerId peer, const ResumeMsg& resume);
  void OnSetWorkers(PeerId peer, const SetWorkersMsg& set);
  void DrainSurplus(Job& job, TaskIndex task, size_t group);

  // explain.cc
  void OnExplain(PeerId peer, const ExplainMsg& explain);
  std::vector<ExplainStep> ExplainBlock(const Job& job, BlockRef block) const;
  std::string WaitsForWord(const Worker& worker) const;
  std::string TaskRestsBecause(const Job& job, TaskIndex task) const;
  ExplainStep ExplainReady(const Job& job, BlockRef block, std::optional<BlockRef>* next) const;
  std::optional<ExplainStep> ExplainHeld(const Job& job, BlockRef block) const;
  std::string ExplainWorker(const Job& job, const Worker& worker,
                            std::vector<ExplainStep>* steps) const;

  // Fixed.
  const CoreOptions options_;
  // Owned by objects of their own.
  Turn turn_;
  Durable durable_;
  Budget budget_;
  JobTable jobs_;
  Watches watches_;
  // Owned. What is iterated over is ordered, so that a replay does it in the same order.
  WorkerTable workers_;
  // The last one of each process (machine and pid) that gives no session.
  std::map<std::pair<std::string, int64_t>, WorkerId> sessionless_;
  std::unordered_map<PeerId, Peer> peers_;
  std::map<LauncherId, Launcher> launchers_;
  Instant no_launcher_since_;  // meaningful while none is here
  uint64_t last_launcher_ = 0;
  std::map<JobNumber, Reopening> reopenings_;
  std::map<uint64_t, Building> builds_;
  uint64_t last_build_ = 0;
  bool stopping_ = false;
  Instant excused_from_;  // since then those that were cut off by the broker are excused
  WorkerId excused_;      // up to this one
};

}  // namespace bellis
