#include "broker/core/launcher_table.h"

#include <gtest/gtest.h>

namespace bellis::test {
namespace {

constexpr PeerId kPeer{7};
Instant At(double s) { return Instant{} + Duration::Seconds(s); }

TEST(LauncherTable, IsKnownByItsProcess) {
  LauncherTable launchers;
  Launcher& far = launchers.Add({"far", "m1", 5});
  launchers.Add({"near", "m2", 5});
  EXPECT_EQ(launchers.FindProcess("far", 5, kPeer), far.id);
  EXPECT_FALSE(launchers.FindProcess("far", 6, kPeer).set());
}

TEST(LauncherTable, OneThatTellsNoPidIsKnownByItsConnectionOnly) {
  LauncherTable launchers;
  Launcher& silent = launchers.Add({"far", "", 0});
  launchers.Connect(silent, kPeer);
  EXPECT_EQ(launchers.FindProcess("far", 0, kPeer), silent.id);
  EXPECT_FALSE(launchers.FindProcess("far", 0, PeerId(8)).set());
}

TEST(LauncherTable, KnowsSinceWhenNoneIsHere) {
  LauncherTable launchers;
  Launcher& a = launchers.Add({"a", "", 1});
  Launcher& b = launchers.Add({"b", "", 2});
  launchers.Connect(a, kPeer);
  launchers.Connect(b, PeerId(8));
  EXPECT_EQ(launchers.Here().size(), 2u);
  launchers.Disconnect(a, At(1));
  EXPECT_FALSE(launchers.NoneHere());
  launchers.Disconnect(b, At(2));
  EXPECT_TRUE(launchers.NoneHere());
  EXPECT_EQ(launchers.none_here_since(), At(2));
}

TEST(LauncherTable, IsAwayUntilItConnects) {
  LauncherTable launchers;
  Launcher& a = launchers.Add({"a", "", 1});
  launchers.SetAway(a, At(3));
  EXPECT_EQ(a.away_since, At(3));
  launchers.Connect(a, kPeer);
  EXPECT_EQ(a.away_since, Instant::Never());
}

TEST(LauncherTableDeathTest, GoesAfterItsWorkers) {
  LauncherTable launchers;
  Launcher& a = launchers.Add({"a", "", 1});
  a.workers.insert(WorkerId(1));
  EXPECT_DEATH(launchers.Erase(a.id), "after its workers");
}

}  // namespace
}  // namespace bellis::test
