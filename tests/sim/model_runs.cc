// Runs of blocks as the model sees them: as the single blocks that they stand for.

#include "common/protocol/task_grid.h"
#include "tests/sim/model.h"

namespace bellis::sim {

std::vector<LeasedBlock> Model::BlocksOf(const Peer& peer, const WorkMsg& work) {
  Result<std::vector<LeasedBlock>> blocks = Unfold(work, peer.tiling);
  Require(blocks.ok(), "runs come to those who said so, of blocks that exist",
          [&] { return blocks.error().message; });
  return std::move(blocks).value();
}

uint64_t Model::LeasesInRuns(const ReleaseMsg& release) {
  uint64_t leases = 0;
  for (const LeaseRun& run : release.runs) leases += run.count;
  return leases;
}

std::vector<BlockResult> Model::ResultsOf(const ReleaseMsg& release) {
  std::vector<BlockResult> results = release.results;
  for (const LeaseRun& run : release.runs) {
    for (uint32_t i = 0; i < run.count; ++i) {
      results.push_back({LeaseId(run.lease.value + i), BlockOutcome::kCompleted, ""});
    }
  }
  return results;
}

}  // namespace bellis::sim
