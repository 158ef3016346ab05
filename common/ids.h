#pragma once

// Ids that only brokers, launchers and their messages use. Ids that users see are in bellis/ids.h.

#include "bellis/ids.h"

namespace bellis {

/// A job, in the order of submission.
using JobNumber = Id<struct JobTag>;
/// A launcher process, independent of its connection. The broker gives the number.
using LauncherId = Id<struct LauncherTag>;
/// A connection to the broker. Stands for the ROUTER's routing id, and is never used again.
using PeerId = Id<struct PeerTag>;

}  // namespace bellis
