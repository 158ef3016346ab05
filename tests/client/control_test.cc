#include "bellis/control.h"

#include <gtest/gtest.h>

#include "client/cpp/connection.h"
#include "tests/client/fake_broker.h"

namespace bellis {
namespace {

using Peer = FakeBroker::Peer;

JobStatus StatusOf(const std::string& job, JobState state) {
  JobStatus status;
  status.job = job;
  status.name = "smooth";
  status.state = state;
  return status;
}

JobSpec SmallJob() {
  TaskSpec task;
  task.task_id = "smooth";
  task.total_roi = Roi({0}, {100});
  task.read_roi = Roi({0}, {10});
  task.write_roi = Roi({0}, {10});
  task.workers.push_back({{"true"}, 1, {}});
  JobSpec spec;
  spec.name = "my job";
  spec.tasks.push_back(task);
  return spec;
}

/// Answers hello, and everything else with `answer`.
FakeBroker::Handler Answering(FakeBroker::Handler answer) {
  return [answer](FakeBroker& self, const Peer& peer, const Message& message) {
    if (std::holds_alternative<HelloMsg>(message)) {
      self.Send(peer, WelcomeMsg{});
    } else {
      answer(self, peer, message);
    }
  };
}

Control ConnectTo(const FakeBroker& broker, Duration timeout = Duration::Seconds(5)) {
  Result<Control> control = Control::Connect({broker.endpoint(), "secret", timeout});
  EXPECT_TRUE(control.ok()) << control.error().message;
  return std::move(control).value();
}

TEST(Control, NoBrokerIsAnErrorInTimeThatSaysWhatToDo) {
  const Instant start = ClientNow();
  const auto control = Control::Connect({"ipc:///bellis/none", "", Duration::Millis(100)});
  ASSERT_FALSE(control.ok());
  EXPECT_EQ(control.error().code, ErrorCode::kTimeout);
  EXPECT_EQ(
      control.error().message,
      "no broker answers at ipc:///bellis/none within 0.1 s: there is no such socket file; is "
      "bellis-broker running?");
  EXPECT_LT((ClientNow() - start).seconds(), 2);
}

TEST(Control, HelloCarriesTheToken) {
  FakeBroker broker(Answering([](FakeBroker&, const Peer&, const Message&) {}));
  ConnectTo(broker);
  EXPECT_EQ(broker.All<HelloMsg>().at(0).token, "secret");
  EXPECT_EQ(broker.All<HelloMsg>().at(0).role, Role::kClient);
}

TEST(Control, RefusalOfTheTokenComesThrough) {
  FakeBroker broker([](FakeBroker& self, const Peer& peer, const Message&) {
    self.Send(peer, ErrorMsg{ErrorCode::kUnauthorized, "wrong token", 0});
  });
  const auto control = Control::Connect({broker.endpoint(), "", Duration::Seconds(5)});
  ASSERT_FALSE(control.ok());
  EXPECT_EQ(control.error().code, ErrorCode::kUnauthorized);
}

TEST(Control, SubmitReturnsTheJobsId) {
  FakeBroker broker(Answering([](FakeBroker& self, const Peer& peer, const Message& message) {
    self.Send(peer, SubmittedMsg{std::get<SubmitMsg>(message).req, "job-7"});
  }));
  Control control = ConnectTo(broker);
  const auto job = control.Submit(SmallJob());
  ASSERT_TRUE(job.ok()) << job.error().message;
  EXPECT_EQ(job->job, "job-7");
  EXPECT_EQ(broker.All<SubmitMsg>().at(0).spec.name, "my job");
}

TEST(Control, TooLargeAJobIsNotSent) {
  FakeBroker broker(Answering([](FakeBroker&, const Peer&, const Message&) {}));
  Control control = ConnectTo(broker);
  JobSpec spec = SmallJob();
  spec.env["BIG"] = std::string(kMessageBytesMax, 'x');
  const auto job = control.Submit(spec);
  ASSERT_FALSE(job.ok());
  EXPECT_EQ(job.error().code, ErrorCode::kTooLarge);
  EXPECT_NE(job.error().message.find("at most 1048576"), std::string::npos);
  EXPECT_EQ(broker.kinds(), "hello");
}

TEST(Control, ErrorsOfTheBrokerAreTheAnswer) {
  FakeBroker broker(Answering([](FakeBroker& self, const Peer& peer, const Message& message) {
    if (const auto* submit = std::get_if<SubmitMsg>(&message)) {
      self.Send(peer, ErrorMsg{ErrorCode::kInvalidSpec, "no tasks", submit->req});
    } else if (const auto* cancel = std::get_if<CancelMsg>(&message)) {
      self.Send(peer, ErrorMsg{ErrorCode::kUnknownJob, "no job 'x'", cancel->req});
    }
  }));
  Control control = ConnectTo(broker);
  EXPECT_EQ(control.Submit(SmallJob()).error().code, ErrorCode::kInvalidSpec);
  EXPECT_EQ(control.Cancel("x", "").error().code, ErrorCode::kUnknownJob);
}

TEST(Control, AnswersToOtherRequestsAreIgnored) {
  FakeBroker broker(Answering([](FakeBroker& self, const Peer& peer, const Message& message) {
    const uint64_t req = std::get<StatusMsg>(message).req;
    self.Send(peer, JobsMsg{req + 100, {StatusOf("other", JobState::kRunning)}});
    self.Send(peer, ErrorMsg{ErrorCode::kUnknownJob, "late", req + 100});
    self.Send(peer, JobsMsg{req, {StatusOf("mine", JobState::kFailed)}});
  }));
  Control control = ConnectTo(broker);
  const auto jobs = control.Jobs();
  ASSERT_TRUE(jobs.ok());
  ASSERT_EQ(jobs->size(), 1u);
  EXPECT_EQ(jobs->at(0).job, "mine");
}

TEST(Control, SilentBrokerIsAnErrorInTime) {
  FakeBroker broker(Answering([](FakeBroker&, const Peer&, const Message&) {}));
  Control control = ConnectTo(broker, Duration::Millis(100));
  EXPECT_EQ(control.Jobs().error().code, ErrorCode::kTimeout);
  EXPECT_EQ(control.Ping().error().code, ErrorCode::kTimeout);
}

TEST(Control, PingIsAnswered) {
  FakeBroker broker(Answering([](FakeBroker& self, const Peer& peer, const Message& message) {
    self.Send(peer, PongMsg{std::get<PingMsg>(message).nonce});
  }));
  EXPECT_TRUE(ConnectTo(broker).Ping().ok());
}

TEST(Control, RestartedBrokerIsGreetedAndAskedAgain) {
  bool refused = false;
  FakeBroker broker(Answering([&](FakeBroker& self, const Peer& peer, const Message& message) {
    const uint64_t req = std::get<CancelMsg>(message).req;
    if (!refused) {
      self.Send(peer, ErrorMsg{ErrorCode::kHelloFirst, "say hello first", 0});
    } else {
      self.Send(peer, CancelledMsg{req, "job-1"});
    }
    refused = true;
  }));
  Control control = ConnectTo(broker);
  EXPECT_TRUE(control.Cancel("job-1", "enough").ok());
  EXPECT_EQ(broker.kinds(), "hello cancel hello cancel");
}

TEST(Control, WatchFollowsProgressToTheEnd) {
  FakeBroker broker(Answering([](FakeBroker& self, const Peer& peer, const Message& message) {
    const uint64_t req = std::get<WatchMsg>(message).req;
    self.Send(peer, ProgressMsg{req, StatusOf("job-1", JobState::kRunning)});
    self.Send(peer, ProgressMsg{req, StatusOf("job-1", JobState::kRunning)});
    self.Send(peer, EndedMsg{req, StatusOf("job-1", JobState::kCompleted)});
  }));
  Control control = ConnectTo(broker);
  int progress = 0;
  WatchOptions watch;
  watch.progress = [&progress](const JobStatus&) { ++progress; };
  const auto ended = control.Watch("job-1", watch);
  ASSERT_TRUE(ended.ok());
  EXPECT_EQ(ended->state, JobState::kCompleted);
  EXPECT_EQ(progress, 2);
}

TEST(Control, WatchCanCancelOnceAndSeesTheEnd) {
  uint64_t watch_req = 0;
  FakeBroker broker(Answering([&](FakeBroker& self, const Peer& peer, const Message& message) {
    if (const auto* watch = std::get_if<WatchMsg>(&message)) {
      watch_req = watch->req;
    } else if (const auto* cancel = std::get_if<CancelMsg>(&message)) {
      // The job has ended meanwhile. This refusal of the cancel is not an error of the watch.
      self.Send(peer, ErrorMsg{ErrorCode::kUnknownJob, "ended", cancel->req});
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
      self.Send(peer, EndedMsg{watch_req, StatusOf("job-1", JobState::kCancelled)});
    }
  }));
  Control control = ConnectTo(broker);
  WatchOptions watch;
  watch.tick_interval = Duration::Millis(5);
  watch.tick = [] { return WatchOrder::kCancel; };
  const auto ended = control.Watch("job-1", watch);
  ASSERT_TRUE(ended.ok()) << ended.error().message;
  EXPECT_EQ(ended->state, JobState::kCancelled);
  EXPECT_EQ(broker.All<CancelMsg>().size(), 1u);
}

TEST(Control, WorkerGoneIsAcceptedOrRefused) {
  FakeBroker broker(Answering([](FakeBroker& self, const Peer& peer, const Message& message) {
    const auto& gone = std::get<WorkerGoneMsg>(message);
    if (gone.worker == WorkerId(7)) return self.Send(peer, OkMsg{gone.req});
    self.Send(peer, ErrorMsg{ErrorCode::kWorkerAlive, "it is connected", gone.req});
  }));
  Control control = ConnectTo(broker);
  EXPECT_TRUE(control.WorkerGone(WorkerId(7)).ok());
  EXPECT_EQ(control.WorkerGone(WorkerId(8)).error().code, ErrorCode::kWorkerAlive);
}

TEST(Control, WatchCanStopEarly) {
  FakeBroker broker(Answering([](FakeBroker&, const Peer&, const Message&) {}));
  Control control = ConnectTo(broker);
  WatchOptions watch;
  watch.tick = [] { return WatchOrder::kStop; };
  const auto latest = control.Watch("job-1", watch);
  ASSERT_TRUE(latest.ok());
  EXPECT_EQ(latest->state, JobState::kRunning);
}

TEST(Control, WatchNoticesThatTheBrokerIsGone) {
  auto broker =
      std::make_unique<FakeBroker>(Answering([](FakeBroker&, const Peer&, const Message&) {}));
  Control control = ConnectTo(*broker, Duration::Millis(100));
  broker.reset();
  WatchOptions watch;
  watch.tick_interval = Duration::Millis(20);
  EXPECT_EQ(control.Watch("job-1", watch).error().code, ErrorCode::kTimeout);
}

TEST(Control, WatchOfAnUnknownJobIsAnError) {
  FakeBroker broker(Answering([](FakeBroker& self, const Peer& peer, const Message& message) {
    self.Send(peer, ErrorMsg{ErrorCode::kUnknownJob, "no job", std::get<WatchMsg>(message).req});
  }));
  Control control = ConnectTo(broker);
  EXPECT_EQ(control.Watch("job-1", {}).error().code, ErrorCode::kUnknownJob);
}

}  // namespace
}  // namespace bellis
