#include "client/cpp/environment.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "client/cpp/worker.h"
#include "common/endpoint.h"
#include "tests/client/fake_broker.h"

namespace bellis {
namespace {

class EnvironmentTest : public testing::Test {
 protected:
  EnvironmentTest() {
    for (const char* name : {"BELLIS_ENDPOINT", "BELLIS_TOKEN", "BELLIS_TOKEN_FILE", "BELLIS_JOB",
                             "BELLIS_TASK", "BELLIS_WORKER_ID", "BELLIS_CONNECT_TIMEOUT"}) {
      unsetenv(name);
    }
  }
  static void Set(const char* name, const std::string& value) { setenv(name, value.c_str(), 1); }
  static std::string ErrorText() {
    const auto options = WorkerOptions::FromEnvironment();
    return options.ok() ? "no error" : options.error().message;
  }
};

TEST_F(EnvironmentTest, WorkerFindsAllItNeeds) {
  Set("BELLIS_ENDPOINT", "ipc:///tmp/s");
  Set("BELLIS_TOKEN", "secret");
  Set("BELLIS_JOB", "job-1");
  Set("BELLIS_TASK", "my task: a/b");
  Set("BELLIS_WORKER_ID", "12");
  Set("BELLIS_CONNECT_TIMEOUT", "0.5");
  const auto options = WorkerOptions::FromEnvironment();
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->endpoint, "ipc:///tmp/s");
  EXPECT_EQ(options->token, "secret");
  EXPECT_EQ(options->job, "job-1");
  EXPECT_EQ(options->task, "my task: a/b");
  EXPECT_EQ(options->worker, WorkerId(12));
  EXPECT_EQ(options->connect_timeout, Duration::Millis(500));
}

TEST_F(EnvironmentTest, MissingEndpointIsAnErrorThatExplains) {
  EXPECT_NE(ErrorText().find("BELLIS_ENDPOINT is not set"), std::string::npos);
  EXPECT_THROW(Worker::FromEnvironment(), WorkerError);
}

TEST_F(EnvironmentTest, BadNumbersAreNamed) {
  Set("BELLIS_ENDPOINT", "ipc:///tmp/s");
  Set("BELLIS_WORKER_ID", "-3");
  EXPECT_EQ(ErrorText(), "BELLIS_WORKER_ID is '-3'; a number");
  Set("BELLIS_WORKER_ID", "99999999999999999999");
  EXPECT_EQ(ErrorText(), "BELLIS_WORKER_ID is '99999999999999999999'; a number");
  Set("BELLIS_WORKER_ID", "3");
  for (const std::string bad : {"soon", "0", "-1", "nan", "1e9", "5s"}) {
    Set("BELLIS_CONNECT_TIMEOUT", bad);
    EXPECT_EQ(ErrorText(),
              "BELLIS_CONNECT_TIMEOUT is '" + bad + "'; seconds, above 0, at most 86400");
  }
}

TEST_F(EnvironmentTest, TokenComesFromItsFileWithoutTheNewline) {
  TemporaryDir dir;
  Set("BELLIS_TOKEN_FILE", dir.Write("token", "secret\n"));
  EXPECT_EQ(*TokenFromEnvironment(), "secret");
  Set("BELLIS_TOKEN", "other");
  EXPECT_EQ(*TokenFromEnvironment(), "other");
}

TEST_F(EnvironmentTest, TokenFilesThatAreNone) {
  TemporaryDir dir;
  EXPECT_EQ(ReadTokenFile(dir.path() + "/none").error().message,
            "token file " + dir.path() + "/none: No such file or directory");
  EXPECT_FALSE(ReadTokenFile(dir.path()).ok()) << "a directory";
  EXPECT_FALSE(ReadTokenFile(dir.Write("empty", " \n")).ok());
  EXPECT_FALSE(ReadTokenFile(dir.Write("long", std::string(5000, 'x'))).ok());
  EXPECT_TRUE(TokenFromEnvironment().ok()) << "no token at all is fine";
}

TEST_F(EnvironmentTest, DefaultEndpointFollowsTheRuntimeDirectory) {
  Set("XDG_RUNTIME_DIR", "/run/user/7");
  EXPECT_EQ(DefaultEndpoint(), "ipc:///run/user/7/bellis/broker.sock");
  Set("XDG_RUNTIME_DIR", "relative");
  EXPECT_EQ(DefaultRuntimeDir(), "/tmp/bellis-" + std::to_string(getuid()));
  unsetenv("XDG_RUNTIME_DIR");
  EXPECT_EQ(DefaultRuntimeDir(), "/tmp/bellis-" + std::to_string(getuid()));
}

}  // namespace
}  // namespace bellis
