#include "broker/net/permissions.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace bellis {
namespace {

HelloMsg Hello(Role role, const std::string& job = "", uint64_t worker = 0) {
  HelloMsg hello;
  hello.role = role;
  hello.job = job;
  hello.worker = WorkerId(worker);
  return hello;
}

/// One message of each kind that a peer may send.
std::vector<Message> AllKinds() {
  return {PingMsg{},       ByeMsg{},         AcquireMsg{},  ReleaseMsg{},
          SubmitMsg{},     StatusMsg{},      CancelMsg{},   WatchMsg{},
          ExplainMsg{},    RetryFailedMsg{}, PauseMsg{},    ResumeMsg{},
          SetWorkersMsg{}, WorkerGoneMsg{},  LaunchedMsg{}, ExitedMsg{}};
}

std::set<std::string> PermittedKinds(const Grant& grant) {
  std::set<std::string> kinds;
  for (const Message& message : AllKinds()) {
    if (MaySay(grant, message, "").ok()) kinds.insert(KindName(message));
  }
  return kinds;
}

TEST(MaySay, EachRoleHasItsKinds) {
  EXPECT_EQ(PermittedKinds({AccessRole::kOwner, "", false}).size(), AllKinds().size());
  EXPECT_EQ(PermittedKinds({AccessRole::kWorker, "j-1", false}),
            (std::set<std::string>{"acquire", "bye", "ping", "release"}));
  EXPECT_EQ(PermittedKinds({AccessRole::kLauncher, "", false}),
            (std::set<std::string>{"bye", "exited", "launched", "ping"}));
  EXPECT_EQ(PermittedKinds({AccessRole::kWatcher, "", false}),
            (std::set<std::string>{"bye", "explain", "ping", "status", "watch"}));
}

TEST(MaySay, EachRoleHasItsHellos) {
  const std::map<AccessRole, std::set<Role>> permitted = {
      {AccessRole::kOwner, {Role::kWorker, Role::kClient, Role::kLauncher, Role::kPulse}},
      {AccessRole::kWorker, {Role::kWorker, Role::kPulse, Role::kClient}},
      {AccessRole::kLauncher, {Role::kLauncher}},
      {AccessRole::kWatcher, {Role::kClient}}};
  for (const auto& [role, hellos] : permitted) {
    for (const Role hello : {Role::kWorker, Role::kClient, Role::kLauncher, Role::kPulse}) {
      EXPECT_EQ(MaySay({role, "j-1", false}, Hello(hello), "").ok(), hellos.contains(hello))
          << AccessRoleName(role) << " as " << RoleName(hello);
    }
  }
}

TEST(MaySay, AWorkersKeyPermitsOnlyItsJob) {
  const Grant grant{AccessRole::kWorker, "j-1", false};
  EXPECT_TRUE(MaySay(grant, Hello(Role::kWorker, "j-1", 5), "j-1").ok());
  EXPECT_TRUE(MaySay(grant, Hello(Role::kWorker, "", 5), "").ok()) << "a worker that is not known";
  EXPECT_EQ(MaySay(grant, Hello(Role::kWorker, "j-2"), "").error().message,
            "the key of the workers of job j-1 does not permit a hello for job j-2");
  EXPECT_EQ(MaySay(grant, Hello(Role::kPulse, "", 6), "j-2").error().message,
            "the key of the workers of job j-1 does not permit a hello as worker 6");
  ExplainMsg explain;
  explain.job = "j-1";
  EXPECT_FALSE(MaySay(grant, explain, "").ok()) << "a block's";
  explain.worker = WorkerId(5);
  EXPECT_TRUE(MaySay(grant, explain, "j-1").ok()) << "whether its worker has come";
  EXPECT_FALSE(MaySay(grant, explain, "j-2").ok());
  EXPECT_FALSE(MaySay(grant, explain, "").ok());
}

TEST(MaySay, ARevokedKeyPermitsNothing) {
  const Grant grant{AccessRole::kWorker, "j-1", true};
  EXPECT_EQ(MaySay(grant, Hello(Role::kWorker, "j-1"), "").error().message,
            "the key of the workers of job j-1 has ended");
  EXPECT_FALSE(IsTooLate(grant, Hello(Role::kWorker))) << "it is answered";
  EXPECT_FALSE(IsTooLate(grant, ByeMsg{})) << "it ends what is left";
  for (const Message& message : AllKinds()) {
    if (!std::holds_alternative<ByeMsg>(message)) {
      EXPECT_TRUE(IsTooLate(grant, message)) << KindName(message);
    }
  }
}

}  // namespace
}  // namespace bellis
