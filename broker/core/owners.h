#pragma once

// The objects that own the core's state. Each part of the core is built from these objects, and
// keeps references to those that it uses; its header says which it may change.

namespace bellis {

struct CoreOptions;
class Turn;
class Durable;
class Budget;
class JobTable;
class Watches;
class PeerTable;
class LauncherTable;
class Roster;

struct Owners {
  const CoreOptions& options;
  Turn& turn;
  Durable& durable;
  Budget& budget;
  JobTable& jobs;
  Watches& watches;
  PeerTable& peers;
  LauncherTable& launchers;
  Roster& roster;
};

}  // namespace bellis
