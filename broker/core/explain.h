#pragma once

// "Why isn't it running?": explains what a block waits for, step by step, down to a block that runs
// or has failed; and why a worker is idle.

#include <optional>
#include <string>
#include <vector>

#include "broker/core/budget.h"
#include "broker/core/core_options.h"
#include "broker/core/durable.h"
#include "broker/core/job_table.h"
#include "broker/core/launcher_table.h"
#include "broker/core/owners.h"
#include "broker/core/roster.h"
#include "broker/core/turn.h"

namespace bellis {

/// Owns nothing, and changes nothing: reads the tables, and answers through the Turn.
class Explainer {
 public:
  explicit Explainer(const Owners& own)
      : options_(own.options),
        turn_(own.turn),
        durable_(own.durable),
        budget_(own.budget),
        jobs_(own.jobs),
        launchers_(own.launchers),
        roster_(own.roster) {}

  void OnExplain(PeerId peer, const ExplainMsg& explain);

 private:
  std::vector<ExplainStep> ExplainBlock(const Job& job, BlockRef block) const;
  std::string WaitsForWord(const Worker& worker) const;
  std::string TaskRestsBecause(const Job& job, TaskIndex task) const;
  ExplainStep ExplainReady(const Job& job, BlockRef block, std::optional<BlockRef>* next) const;
  std::optional<ExplainStep> ExplainHeld(const Job& job, BlockRef block) const;
  std::string ExplainWorker(const Job& job, const Worker& worker,
                            std::vector<ExplainStep>* steps) const;

  // Borrowed; all but the Turn are only read.
  const CoreOptions& options_;
  Turn& turn_;
  const Durable& durable_;
  const Budget& budget_;
  const JobTable& jobs_;
  const LauncherTable& launchers_;
  const Roster& roster_;
};

}  // namespace bellis
