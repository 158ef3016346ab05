#pragma once

// One run from one seed: a broker, launchers, clients, external workers, vandals, and a plan of
// faults. After a while the faults stop, and every job must end.
//
//     0 s          faults           heal          all jobs ended      leak check, shut down
//     |-----------------------------|-------------------|-------------------|

#include <memory>
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
};

class World {
 public:
  explicit World(const WorldOptions& options);

  /// Throws Violation.
  void Run();
  const Tally& tally() const { return tally_; }
  std::string Report(const std::string& violation) const;

 private:
  // Limits on the virtual time that a healed world may take for the rest, and on the Steps of the
  // whole run.
  static constexpr Duration kPatience = Duration::Seconds(2 * 3600);
  static constexpr uint64_t kStepsMax = 400'000;
  // Longer than any process may take to go after its job ended: the grace periods of leave and
  // stop, latency, and the time until the next ping of a launcher that was cut off and does not
  // know it.
  static constexpr Duration kAfterlife = Duration::Seconds(180);
  // A shut-down waits for launchers that are known to be away.
  static constexpr Duration kShutDownPatience = Duration::Seconds(60);

  void Populate();
  void PlanFault();
  void DoFault();
  void CutSomebody();
  void PartSome();
  void Heal();
  void VisitTasks();
  void VisitTask(const std::string& job, const TaskSpec& task, Duty duty);
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
  bool faulty_ = false;  // this seed has faults
  bool wild_ = false;    // this seed also has workers of bad character
  Duration fault_every_;
  Instant heal_at_;
  std::vector<JobSpec> specs_;  // by the number in the job's name
  std::vector<std::unique_ptr<ClientProgram>> clients_;
  std::vector<std::unique_ptr<LauncherHost>> launchers_;
  struct ExternalWorker {
    std::string job;
    std::string task;
    Duty duty;
    std::unique_ptr<WorkerProcess> process;
  };
  std::vector<ExternalWorker> external_workers_;
  std::vector<std::unique_ptr<Vandal>> vandals_;
};

}  // namespace bellis::sim
