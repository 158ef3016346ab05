#pragma once

// One run from one seed: a broker, launchers, clients, workers that come by themselves, vandals,
// and a plan of faults. After a while the faults cease, and every job must come to its end.
//
//     0 s          faults           heal          all jobs ended      leak check, shut down
//     |-----------------------------|-------------------|-------------------|

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/client_program.h"
#include "tests/sim/job_maker.h"
#include "tests/sim/launcher_host.h"
#include "tests/sim/shell.h"
#include "tests/sim/vandal.h"

namespace bellis::sim {

struct WorldOptions {
  uint64_t seed = 1;
  bool trace = false;
  std::set<std::string> extras;  // of kExtras
};

/// What the broker does not survive yet; asked for by name (--with).
///   launcher-cut    a launcher's connection breaks and is made anew: a launch or a stop that was
///                   on its way is lost
///   silent-vandals  workers that hold nothing and want nothing vanish without a bye: nothing is
///                   sent to them, so nobody notices
inline constexpr const char* kExtras[] = {"launcher-cut", "silent-vandals"};

class World {
 public:
  explicit World(const WorldOptions& options);

  /// Throws Violation.
  void Run();
  const Tally& tally() const { return tally_; }
  std::string Report(const std::string& violation) const;

 private:
  // Virtual time that a healed world may take for the rest, and steps for the whole run.
  static constexpr Duration kPatience = Duration::Seconds(2 * 3600);
  static constexpr uint64_t kStepsMax = 400'000;
  // Longer than any process may take to go after its job ended: leave grace, stop grace, latency.
  static constexpr Duration kAfterlife = Duration::Seconds(60);

  void Populate();
  void PlanFault();
  void DoFault();
  void CutSomebody();
  void PartSome();
  void Heal();
  void VisitTasks();
  void AddVisitor(const std::string& job, const TaskSpec& task, bool honest);
  void AddVandal();
  std::vector<Dealer*> Cuttable();
  bool Ended() const;
  void CheckNothingIsLeft();

  const WorldOptions options_;
  Random random_;
  Clock clock_;
  Trace trace_;
  Tally tally_;
  Network network_;
  Shell shell_;
  Surroundings around_;
  bool faulty_ = false;  // this seed has faults at all
  bool wild_ = false;    // and workers of bad character
  Duration fault_every_;
  Instant heal_at_;
  std::vector<JobSpec> specs_;  // by the number in the name
  std::vector<std::unique_ptr<ClientProgram>> clients_;
  std::vector<std::unique_ptr<LauncherHost>> launchers_;
  struct Visitor {
    std::string job;
    std::string task;
    std::unique_ptr<WorkerProcess> process;
  };
  std::vector<Visitor> visitors_;
  std::vector<std::unique_ptr<Vandal>> vandals_;
};

}  // namespace bellis::sim
