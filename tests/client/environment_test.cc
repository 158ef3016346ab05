#include "client/cpp/environment.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "bellis/worker.h"
#include "common/access/access.h"
#include "common/endpoint.h"
#include "tests/client/fake_broker.h"

namespace bellis {
namespace {

class EnvironmentTest : public testing::Test {
 protected:
  EnvironmentTest() {
    for (const char* name :
         {"BELLIS_ENDPOINT", "BELLIS_TOKEN", "BELLIS_ACCESS", "BELLIS_SERVER_KEY",
          "BELLIS_PUBLIC_KEY", "BELLIS_SECRET_KEY", "BELLIS_JOB", "BELLIS_TASK", "BELLIS_WORKER_ID",
          "BELLIS_CONNECT_TIMEOUT", "BELLIS_PREFETCH"}) {
      unsetenv(name);
    }
  }
  static void Set(const char* name, const std::string& value) { setenv(name, value.c_str(), 1); }
  static std::string ErrorText() {
    const auto options = WorkerOptions::FromEnvironment();
    return options.ok() ? "no error" : options.error().message;
  }
};

TEST_F(EnvironmentTest, WorkerFindsEverythingItNeeds) {
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

TEST_F(EnvironmentTest, PrefetchIsANumberOrAuto) {
  Set("BELLIS_ENDPOINT", "ipc:///tmp/s");
  EXPECT_EQ(WorkerOptions::FromEnvironment()->prefetch, std::nullopt);
  Set("BELLIS_PREFETCH", "auto");
  EXPECT_EQ(WorkerOptions::FromEnvironment()->prefetch, std::nullopt);
  Set("BELLIS_PREFETCH", "0");
  EXPECT_EQ(WorkerOptions::FromEnvironment()->prefetch, 0u);
  Set("BELLIS_PREFETCH", "1023");
  EXPECT_EQ(WorkerOptions::FromEnvironment()->prefetch, 1023u);
  for (const std::string bad : {"1024", "-1", "many", "1.5", "99999999999999999999"}) {
    Set("BELLIS_PREFETCH", bad);
    EXPECT_EQ(ErrorText(), "BELLIS_PREFETCH is '" + bad + "'; auto, or 0 to 1023");
  }
}

TEST_F(EnvironmentTest, KeysComeFromVariablesElseFromTheAccessFile) {
  TemporaryDir dir;
  Access access;
  access.endpoint = "tcp://127.0.0.1:4000";
  access.keys = {std::string(40, 's'), std::string(40, 'p'), std::string(40, 'k')};
  ASSERT_TRUE(WriteAccessFile(dir.path() + "/access", access).ok());
  Set("BELLIS_ACCESS", dir.path() + "/access");
  auto options = WorkerOptions::FromEnvironment();
  ASSERT_TRUE(options.ok()) << options.error().message;
  EXPECT_EQ(options->endpoint, "tcp://127.0.0.1:4000");
  EXPECT_EQ(options->keys, access.keys);
  Set("BELLIS_ENDPOINT", "tcp://10.0.0.1:5");
  Set("BELLIS_SERVER_KEY", std::string(40, 'S'));
  Set("BELLIS_PUBLIC_KEY", std::string(40, 'P'));
  EXPECT_EQ(ErrorText(),
            "BELLIS_SECRET_KEY has 0 characters; all three keys are expected, each of 40 (Z85)");
  Set("BELLIS_SECRET_KEY", std::string(40, 'K'));
  options = WorkerOptions::FromEnvironment();
  ASSERT_TRUE(options.ok()) << options.error().message;
  EXPECT_EQ(options->endpoint, "tcp://10.0.0.1:5");
  EXPECT_EQ(options->keys.secret_key, std::string(40, 'K'));
}

TEST_F(EnvironmentTest, InvalidAccessFilesAreErrors) {
  TemporaryDir dir;
  const std::string none = dir.path() + "/none";
  EXPECT_EQ(ReadAccessFile(none).error().message,
            "access file " + none + ": No such file or directory");
  EXPECT_FALSE(ReadAccessFile(dir.path()).ok()) << "a directory";
  const std::string path = dir.Write("text", "secret\n");
  ASSERT_EQ(chmod(path.c_str(), 0600), 0);
  EXPECT_EQ(ReadAccessFile(path).error().message, "access file " + path + " is not a JSON object");
  for (const char* text : {"{}", "[]", "{\"token\": 3}", "{\"server_key\": \"short\"}", "\xff"}) {
    EXPECT_FALSE(AccessFromText(text).ok()) << text;
  }
  ASSERT_EQ(chmod(path.c_str(), 0640), 0);
  EXPECT_EQ(ReadAccessFile(path).error().message,
            "access file " + path + " has mode 0640; it must be closed to others (chmod 600)");
  const std::string fifo = dir.path() + "/fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_FALSE(ReadAccessFile(fifo).ok()) << "and it is not waited for";
  ASSERT_EQ(symlink(path.c_str(), (dir.path() + "/link").c_str()), 0);
  EXPECT_FALSE(ReadAccessFile(dir.path() + "/link").ok());
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
