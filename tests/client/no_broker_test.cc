#include "client/cpp/no_broker.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/client/fake_broker.h"

namespace bellis {
namespace {

constexpr uid_t kOther = 65'534;

/// The error message that a process of another user gets.
std::string AsOther(const std::string& path) {
  EXPECT_EQ(::seteuid(kOther), 0);
  const std::string message = NoBrokerError("ipc://" + path, Duration::Seconds(1)).message;
  EXPECT_EQ(::seteuid(0), 0);
  return message;
}

/// A socket file that no thread of the test waits at (seteuid interrupts all threads).
class UnixSocket {
 public:
  explicit UnixSocket(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }
  ~UnixSocket() { ::close(fd_); }
  UnixSocket(const UnixSocket&) = delete;
  UnixSocket& operator=(const UnixSocket&) = delete;

 private:
  int fd_;
};

TEST(NoBroker, NamesTheOwnerOfTheSocket) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can act as another user";
  const TemporaryDir dir;
  const std::string path = dir.path() + "/socket";
  const std::string begin = "no broker answers at ipc://" + path + " within 1 s: ";
  const UnixSocket socket(path);
  ASSERT_EQ(::chmod(dir.path().c_str(), 0755), 0);
  ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  const std::string belongs = " belongs to user root, and this is user ";
  EXPECT_TRUE(AsOther(path).starts_with(begin + "permission denied: " + path + belongs))
      << AsOther(path);
  ASSERT_EQ(::chmod(path.c_str(), 0666), 0);
  EXPECT_EQ(AsOther(path), begin + "is bellis-broker running?");
  ASSERT_EQ(::chmod(dir.path().c_str(), 0700), 0);
  EXPECT_TRUE(AsOther(path).starts_with(begin + "permission denied: " + dir.path() + belongs))
      << AsOther(path);
}

TEST(NoBroker, AsksWhetherTheBrokerRunsIfNothingElseIsKnown) {
  const Duration waited = Duration::Millis(250);
  EXPECT_EQ(NoBrokerError("tcp://127.0.0.1:9", waited).message,
            "no broker answers at tcp://127.0.0.1:9 within 0.25 s: is bellis-broker running?");
  EXPECT_EQ(NoBrokerError("ipc:///none/s", waited).message,
            "no broker answers at ipc:///none/s within 0.25 s: there is no such socket file; is "
            "bellis-broker running?");
}

}  // namespace
}  // namespace bellis
