#pragma once

// What the answers to clients' requests have in common.

#include <string>

#include "broker/core/job_table.h"
#include "broker/core/peer_table.h"
#include "broker/core/turn.h"

namespace bellis {

class Durable;

/// The job with that id, or else of that name: the one that runs, or else the newest. Refuses the
/// request, and gives null, when there is none, or when several run. `field`: "status.job".
Job* JobFor(Turn& turn, const JobTable& jobs, PeerId peer, const std::string& field,
            const std::string& named, uint64_t req);

/// Answers a request when all records so far are durable, if the client is there then.
void AnswerWhenDurable(Turn& turn, Durable& durable, const PeerTable& peers, PeerId peer,
                       Message answer);

}  // namespace bellis
