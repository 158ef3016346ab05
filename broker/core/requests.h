#pragma once

// Common parts of the answers to clients' requests.

#include <string>

#include "broker/core/job_table.h"
#include "broker/core/peer_table.h"
#include "broker/core/turn.h"

namespace bellis {

class Durable;

/// The job with that id, or else the running job of that name, or else the newest job of that name.
/// Refuses the request and returns nullptr if there is none, or if several jobs of the name run.
/// `field`: the request's field, such as "status.job".
Job* JobFor(Turn& turn, const JobTable& jobs, PeerId peer, const std::string& field,
            const std::string& named, uint64_t req);

/// Answers a request when all records so far are durable, if the client is still connected then.
void AnswerWhenDurable(Turn& turn, Durable& durable, const PeerTable& peers, PeerId peer,
                       Message answer);

}  // namespace bellis
