// A worker whose broker is missing, was restarted, refuses or misbehaves; and signals.

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <vector>

#include "bellis/worker.h"
#include "client/cpp/connection.h"
#include "tests/client/fake_broker.h"
#include "tests/client/one_at_a_time.h"

namespace bellis {
namespace {

using Peer = FakeBroker::Peer;

/// The error that `work` ends with.
template <typename Function>
Error ErrorOf(Function work) {
  try {
    work();
  } catch (const WorkerError& error) {
    return Error{error.code(), error.what()};
  }
  return Error{ErrorCode::kBadMessage, "no error"};
}

TEST(WorkerConnection, NoBrokerEndsInAnErrorInTime) {
  WorkerOptions options;
  options.endpoint = "ipc:///bellis-no-such-socket";
  options.connect_timeout = Duration::Millis(100);
  const Instant start = ClientNow();
  const Error error = ErrorOf([&] { Worker worker(options); });
  EXPECT_EQ(error.code, ErrorCode::kTimeout);
  EXPECT_EQ(error.message,
            "no broker answers at ipc:///bellis-no-such-socket within 0.1 s: there is no such "
            "socket file; is bellis-broker running?");
  EXPECT_LT((ClientNow() - start).seconds(), 2);
}

TEST(WorkerConnection, AnInvalidEndpointIsAnError) {
  WorkerOptions options;
  options.endpoint = "broker.sock";
  const Error error = ErrorOf([&] { Worker worker(options); });
  EXPECT_EQ(error.code, ErrorCode::kInvalidSpec);
  EXPECT_EQ(error.message, "endpoint is \"broker.sock\": expected ipc://PATH or tcp://HOST:PORT");
}

TEST(WorkerConnection, RefusedHelloIsAnError) {
  FakeBroker broker([](FakeBroker& self, const Peer& peer, const Message&) {
    self.Send(peer, ErrorMsg{ErrorCode::kUnauthorized, "wrong token", 0});
  });
  const Error error = ErrorOf([&] { Worker worker(OneAtATime(broker)); });
  EXPECT_EQ(error.code, ErrorCode::kUnauthorized);
  EXPECT_EQ(error.message, "the broker at " + broker.endpoint() + " says: wrong token");
}

TEST(WorkerConnection, LeaveInsteadOfWelcomeMeansNothingToDo) {
  FakeBroker broker([](FakeBroker& self, const Peer& peer, const Message& message) {
    if (std::holds_alternative<HelloMsg>(message)) self.Send(peer, LeaveMsg{"the job is done"});
  });
  Worker worker(OneAtATime(broker));
  EXPECT_FALSE(worker.Acquire());
  EXPECT_EQ(worker.leave_reason(), "the job is done");
}

TEST(WorkerConnection, ABrokerThatStartsLateIsFound) {
  TemporaryDir dir;
  const std::string endpoint = "ipc://" + dir.path() + "/s";
  std::unique_ptr<FakeBroker> broker;
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    broker = std::make_unique<FakeBroker>(HandOut(1), endpoint);
  });
  WorkerOptions options;
  options.endpoint = endpoint;
  Worker worker(options);
  EXPECT_TRUE(worker.Acquire());
  later.join();
}

TEST(WorkerConnection, HelloFirstIsAnsweredByHelloAndTheWorkGoesOn) {
  int hellos = 0;
  FakeBroker broker([&](FakeBroker& self, const Peer& peer, const Message& message) {
    if (const auto* hello = std::get_if<HelloMsg>(&message)) {
      ++hellos;
      self.Send(peer, WelcomeMsg{1, "fake", "job-1", "smooth",
                                 hello->worker.set() ? hello->worker : WorkerId(5)});
    } else if (std::holds_alternative<AcquireMsg>(message)) {
      self.Send(peer, hellos == 1 ? Message(WorkMsg{{TestBlock(0)}}) : Message(LeaveMsg{"done"}));
    } else if (std::holds_alternative<ReleaseMsg>(message)) {
      self.Send(peer, ErrorMsg{ErrorCode::kHelloFirst, "say hello first", 0});
    }
  });
  Worker worker(OneAtATime(broker));
  while (auto block = worker.Acquire()) continue;
  EXPECT_EQ(worker.leave_reason(), "done");
  ASSERT_TRUE(broker.AwaitKind("bye"));
  // The worker does not send the result to a broker that may use lease ids a second time.
  EXPECT_EQ(broker.kinds(), "hello acquire release hello acquire bye");
  const HelloMsg again = broker.All<HelloMsg>().at(1);
  EXPECT_EQ(again.worker, WorkerId(5));
  EXPECT_EQ(again.job, "job-1");
  EXPECT_EQ(again.task, "smooth");
}

TEST(WorkerConnection, HandleOfAnEarlierGreetingReportsNothing) {
  bool known = false;
  FakeBroker broker([&](FakeBroker& self, const Peer& peer, const Message& message) {
    if (std::holds_alternative<HelloMsg>(message)) {
      self.Send(peer, WelcomeMsg{});
      return;
    }
    if (const auto* acquire = std::get_if<AcquireMsg>(&message); acquire == nullptr) return;
    if (!known) {
      self.Send(peer, WorkMsg{{TestBlock(0)}});
    } else {
      self.Send(peer, LeaveMsg{"done"});
    }
    if (!known) self.Send(peer, ErrorMsg{ErrorCode::kHelloFirst, "say hello first", 0});
    known = true;
  });
  Worker worker(OneAtATime(broker));
  auto held = worker.Acquire();
  ASSERT_TRUE(held);
  EXPECT_FALSE(worker.Acquire());
  held->Finish();
  EXPECT_TRUE(broker.All<ReleaseMsg>().empty());
}

TEST(WorkerConnection, WaitingWorkerNoticesARestartedBroker) {
  TemporaryDir dir;
  const std::string endpoint = "ipc://" + dir.path() + "/s";
  const auto welcome_only = [](FakeBroker& self, const Peer& peer, const Message& message) {
    if (std::holds_alternative<HelloMsg>(message)) {
      self.Send(peer, WelcomeMsg{1, "fake", "job-1", "smooth", WorkerId(3)});
    }
  };
  auto broker = std::make_unique<FakeBroker>(welcome_only, endpoint);
  WorkerOptions options;
  options.endpoint = endpoint;
  options.ping_interval = Duration::Millis(50);
  Worker worker(options);
  std::thread restart([&] {
    ASSERT_TRUE(broker->AwaitKind("acquire"));
    broker.reset();
    // The new broker knows no worker, and uses other numbers.
    bool known = false;
    auto serve = HandOut(1);
    broker = std::make_unique<FakeBroker>(
        [known, serve](FakeBroker& self, const Peer& peer, const Message& message) mutable {
          const auto* hello = std::get_if<HelloMsg>(&message);
          if (hello == nullptr && !known) {
            self.Send(peer, ErrorMsg{ErrorCode::kHelloFirst, "say hello first", 0});
          } else if (hello != nullptr && hello->worker.set()) {
            self.Send(peer, ErrorMsg{ErrorCode::kUnknownWorker, "worker 3 is not known", 0});
          } else {
            known = true;
            serve(self, peer, message);
          }
        },
        endpoint);
  });
  EXPECT_TRUE(worker.Acquire());
  restart.join();
  EXPECT_EQ(worker.id(), WorkerId(1));
}

TEST(WorkerConnection, ANumberFromALauncherIsKept) {
  FakeBroker broker([](FakeBroker& self, const Peer& peer, const Message&) {
    self.Send(peer, ErrorMsg{ErrorCode::kUnknownWorker, "worker 9 has ended", 0});
  });
  WorkerOptions options = OneAtATime(broker);
  options.worker = WorkerId(9);
  EXPECT_EQ(ErrorOf([&] { Worker worker(options); }).code, ErrorCode::kUnknownWorker);
  EXPECT_EQ(broker.kinds(), "hello");
}

TEST(WorkerConnection, LostBrokerEndsTheWait) {
  auto broker = std::make_unique<FakeBroker>(HandOut(1));
  WorkerOptions options = OneAtATime(*broker);
  options.ping_interval = Duration::Millis(50);
  options.lost_timeout = Duration::Millis(300);
  Worker worker(options);
  auto block = worker.Acquire();
  broker.reset();
  block.reset();
  const Error error = ErrorOf([&] { worker.Acquire(); });
  EXPECT_EQ(error.code, ErrorCode::kTimeout);
  EXPECT_NE(error.message.find("has not been heard of for 0.3 s"), std::string::npos);
}

TEST(WorkerConnection, OtherErrorsAreSaidAndTheWorkGoesOn) {
  FakeBroker broker([](FakeBroker& self, const Peer& peer, const Message& message) {
    if (std::holds_alternative<HelloMsg>(message)) self.Send(peer, WelcomeMsg{});
    if (std::holds_alternative<AcquireMsg>(message)) {
      self.Send(peer, ErrorMsg{ErrorCode::kLimit, "want is too much", 0});
      self.Send(peer, LeaveMsg{"done"});
    }
  });
  WorkerOptions options = OneAtATime(broker);
  std::vector<std::string> notices;
  options.on_notice = [&notices](Severity severity, const std::string& sentence) {
    if (severity == Severity::kError) notices.push_back(sentence);
  };
  Worker worker(options);
  EXPECT_FALSE(worker.Acquire());
  EXPECT_EQ(notices, std::vector<std::string>{
                         "the broker refused a message of this worker: want is too much (limit)"});
}

TEST(WorkerConnection, ErrorAfterWhichNothingCanComeEndsTheWorkAndStays) {
  FakeBroker broker([](FakeBroker& self, const Peer& peer, const Message& message) {
    if (std::holds_alternative<HelloMsg>(message)) self.Send(peer, WelcomeMsg{});
    if (std::holds_alternative<AcquireMsg>(message)) {
      self.Send(peer, ErrorMsg{ErrorCode::kUnknownJob, "job-1 has ended", 0});
    }
  });
  Worker worker(OneAtATime(broker));
  for (int i = 0; i < 2; ++i) {
    const Error error = ErrorOf([&] { worker.Acquire(); });
    EXPECT_EQ(error.code, ErrorCode::kUnknownJob);
    EXPECT_EQ(error.message, "the broker at " + broker.endpoint() + " says: job-1 has ended");
  }
}

TEST(WorkerConnection, BrokerOfAnotherVersionIsRefused) {
  FakeBroker broker([](FakeBroker& self, const Peer& peer, const Message& message) {
    WelcomeMsg welcome;
    welcome.version = 2;
    if (std::holds_alternative<HelloMsg>(message)) self.Send(peer, welcome);
  });
  EXPECT_EQ(ErrorOf([&] { Worker worker(OneAtATime(broker)); }).code, ErrorCode::kVersion);
}

TEST(WorkerConnection, ResultOfABrokenConnectionIsHandedInBeforeTheBye) {
  FakeBroker broker([](FakeBroker& self, const Peer& peer, const Message& message) {
    if (const auto* hello = std::get_if<HelloMsg>(&message)) {
      WelcomeMsg welcome;
      welcome.durable = true;
      for (const HeldLease& held : hello->held) welcome.held.push_back(held.lease);
      self.Send(peer, welcome);
    } else if (std::holds_alternative<AcquireMsg>(message)) {
      self.Send(peer, WorkMsg{{TestBlock(0)}});
      self.Send(peer, ErrorMsg{ErrorCode::kHelloFirst, "say hello first", 0});
    }
  });
  {
    Worker worker(OneAtATime(broker));
    auto block = worker.Acquire();
    ASSERT_TRUE(block);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  ASSERT_TRUE(broker.AwaitKind("bye"));
  EXPECT_EQ(broker.kinds(), "hello acquire hello release bye");
}

TEST(WorkerConnection, ForkedChildIsNoWorker) {
  FakeBroker broker(HandOut(6));
  WorkerOptions options = OneAtATime(broker);
  options.prefetch = std::nullopt;  // a thread keeps the stock
  Worker worker(options);
  ASSERT_TRUE(worker.Acquire());
  auto block = worker.Acquire();
  ASSERT_TRUE(block);
  const pid_t child = fork();
  if (child == 0) {
    block->Finish();
    int code = 1;
    try {
      worker.Acquire();
    } catch (const WorkerError& error) {
      code = std::string(error.what()).find("forked child") == std::string::npos ? 2 : 0;
    }
    { const Worker gone = std::move(worker); }
    _exit(code);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  block->Finish();
  const auto held = worker.Acquire();
  EXPECT_TRUE(held);
  EXPECT_TRUE(broker.AwaitKind("release", 2));
  uint64_t completed = 0;
  for (const ReleaseMsg& release : broker.All<ReleaseMsg>()) {
    for (const BlockResult& result : release.results) {
      if (result.outcome == BlockOutcome::kCompleted) ++completed;
    }
  }
  EXPECT_EQ(completed, 2u) << "the child has sent nothing";
}

TEST(WorkerConnection, UnknownKindsAreIgnoredAndGarbageIsAnError) {
  FakeBroker broker([](FakeBroker& self, const Peer& peer, const Message& message) {
    if (std::holds_alternative<HelloMsg>(message)) self.Send(peer, WelcomeMsg{});
    if (std::holds_alternative<AcquireMsg>(message)) {
      self.SendBytes(peer, std::string("\x92\xa9"
                                       "heartbeat"
                                       "\x80"));
      self.SendBytes(peer, "garbage");
    }
  });
  Worker worker(OneAtATime(broker));
  const Error error = ErrorOf([&] { worker.Acquire(); });
  EXPECT_EQ(error.code, ErrorCode::kBadMessage);
  EXPECT_NE(error.message.find("the broker sent what is no message"), std::string::npos);
}

std::atomic<bool> interrupted{false};

// How long a worker takes to stop whose signal handler asks it to while it waits for a block.
Duration StopByASignal() {
  interrupted = false;
  FakeBroker broker([](FakeBroker& self, const Peer& peer, const Message& message) {
    if (std::holds_alternative<HelloMsg>(message)) self.Send(peer, WelcomeMsg{});
  });
  WorkerOptions options = OneAtATime(broker);
  options.stop_requested = [] { return interrupted.load(); };
  Worker worker(options);
  const auto former = std::signal(SIGUSR1, [](int) { interrupted = true; });
  const pthread_t waiting = pthread_self();
  Instant signalled = ClientNow();
  std::thread signaller([&] {
    EXPECT_TRUE(broker.AwaitKind("acquire"));
    signalled = ClientNow();
    pthread_kill(waiting, SIGUSR1);
  });
  EXPECT_FALSE(worker.Acquire());
  const Instant stopped = ClientNow();
  EXPECT_EQ(worker.leave_reason(), "asked to stop");
  EXPECT_TRUE(broker.AwaitKind("bye"));
  signaller.join();
  std::signal(SIGUSR1, former);
  return stopped - signalled;
}

TEST(WorkerConnection, SignalHandlerCanEndTheWait) {
  // The signal comes as the wait begins. The waiting worker looks around every 500 ms: if it
  // noticed the signal only then, each try would take that long. A busy machine may delay some
  // tries.
  std::vector<double> millis;
  for (int i = 0; i < 9; ++i) millis.push_back(StopByASignal().millis());
  std::sort(millis.begin(), millis.end());
  EXPECT_LT(millis[4], 400) << "the middle of nine: woken by the signal, not by a time slice";
}

TEST(WorkerConnection, CtrlCEndsAWaitingWorkerByDefault) {
  TemporaryDir dir;
  const std::string endpoint = "ipc://" + dir.path() + "/s";
  const pid_t child = fork();  // before the broker's threads exist
  if (child == 0) {
    WorkerOptions options;
    options.endpoint = endpoint;
    Worker worker(options);
    worker.Acquire();
    _exit(99);
  }
  FakeBroker broker(
      [](FakeBroker& self, const Peer& peer, const Message& message) {
        if (std::holds_alternative<HelloMsg>(message)) self.Send(peer, WelcomeMsg{});
      },
      endpoint);
  EXPECT_TRUE(broker.AwaitKind("acquire"));
  kill(child, SIGINT);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status));
}

}  // namespace
}  // namespace bellis
