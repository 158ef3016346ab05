#pragma once

// Ids that only brokers, launchers and their messages know. Those that users see: bellis/ids.h.

#include "bellis/ids.h"

namespace bellis {

/// A job, in the order of submission.
using JobNumber = Id<struct JobTag>;
/// A launcher process, whatever connection it has. The broker gives the number.
using LauncherId = Id<struct LauncherTag>;
/// A connection to the broker: a stand-in for the ROUTER's routing id, never used again.
using PeerId = Id<struct PeerTag>;

}  // namespace bellis
