#pragma once

// One run, from one seed, of a broker that keeps its state on a disk that loses unsynced records.
// The broker is killed at any moment and started again, while its workers live on, die, stop or are
// cut off. After a while the faults stop, and the job must complete.
//
// The world checks what workers do, not what the broker says:
//
//   exclusion    no two workers compute conflicting blocks at the same time
//   order        a block is handed out when all blocks that it depends on are completed, on disk
//   durability   a block is never computed again once its worker was told that it is committed
//   tokens       lease ids only grow, over all restarts

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "broker/core/broker_core.h"
#include "tests/broker/journal/record_model.h"
#include "tests/sim/lasting_worker.h"
#include "tests/sim/plain_blocks.h"

namespace bellis::sim {

class RestartWorld {
 public:
  RestartWorld(uint64_t seed, bool trace);

  /// Throws Violation.
  void Run();
  const Tally& tally() const { return tally_; }
  std::string Report(const std::string& violation) const;

 private:
  static constexpr PeerId kClient{1};
  static constexpr Duration kPatience = Duration::Seconds(3600);
  static constexpr uint64_t kStepsMax = 400'000;

  struct Life {  // of a broker
    std::unique_ptr<BrokerCore> core;
    Effects effects;
    std::map<RoutingId, PeerId> peers;
    std::map<PeerId, RoutingId> routing_ids;
    std::deque<Event> follow_ups;
    uint64_t last_peer = 1;  // 1 is the client
    uint64_t appended = 0;   // number of records
    uint64_t durable = 0;
    std::deque<Record> unsynced;
    bool committing = false;
    bool trouble = false;
    uint64_t timer = 0;
  };
  struct Running {
    uint64_t by;
    size_t position;
  };

  // restart_world.cc: the broker and its disk
  JobSpec MakeSpec();
  void StartBroker();
  void KillBroker();
  void OnFrame(RoutingId from, const std::string& bytes);
  void Step(Event event);
  void StepOnce(const Event& event);
  void Deliver(const Send& send);
  void CheckLeaseIds(const Effects& effects);
  void Commit(bool now);
  void Sync();
  void SetTimer();
  void Submit();
  bool Completed() const;

  // restart_workers.cc
  void PlanFault();
  void DoFault();
  void VisitTasks();
  void Hire(size_t task, WorkerId in_place_of = WorkerId());
  void NoticeClosed();
  void LookAfterTasks();
  void VouchFor(const std::string& explained);
  void Begin(uint64_t by, size_t task, const LeasedBlock& block);
  size_t PositionOf(size_t task, BlockIndex index) const;
  std::string NameOf(size_t position) const;

  const uint64_t seed_;
  Random random_;
  Clock clock_;
  Trace trace_;
  Tally tally_;
  Network network_;
  Codec codec_;
  Surroundings around_;
  CoreOptions options_;
  JobSpec spec_;
  PlainJob plain_;
  test::RecordModel disk_;
  std::shared_ptr<Life> life_;  // none: no broker runs
  std::optional<JobNumber> job_;
  std::vector<std::unique_ptr<LastingWorker>> workers_;
  std::vector<Running> running_;
  std::set<size_t> known_done_;
  uint64_t last_lease_ = 0;
  uint64_t steps_ = 0;
  bool silent_ = false;   // some workers have no heartbeats
  bool notices_ = false;  // the broker's system reports connections that it closes
  Instant heal_at_;
};

}  // namespace bellis::sim
