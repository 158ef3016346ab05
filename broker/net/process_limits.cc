#include "broker/net/process_limits.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

namespace bellis {
namespace {

constexpr rlim_t kFilesWanted = 65'536;
constexpr size_t kPeersMax = 60'000;
constexpr rlim_t kFilesSpared = 1'100;
constexpr int kSilentMax = 48;  // silent connections beside those of all peers

}  // namespace

int DescriptorsForConnections() {
  constexpr rlim_t kNumberMax = std::numeric_limits<int>::max();
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return static_cast<int>(kNumberMax);
  const rlim_t all = std::min(files.rlim_cur, kNumberMax);
  return static_cast<int>(all - std::min(kFilesSpared, all / 2));
}

size_t PeersMax() {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return kPeersMax;
  if (files.rlim_cur < kFilesWanted && files.rlim_cur < files.rlim_max) {
    files.rlim_cur = std::min(kFilesWanted, files.rlim_max);
    setrlimit(RLIMIT_NOFILE, &files);
    getrlimit(RLIMIT_NOFILE, &files);
  }
  const int room = DescriptorsForConnections();
  return std::min<size_t>(kPeersMax, std::max(1, room - std::min(kSilentMax, room / 2)));
}

std::string WhyNoMorePeers(size_t peers_max) {
  rlimit files{};
  if (peers_max >= kPeersMax || getrlimit(RLIMIT_NOFILE, &files) != 0) return "";
  return fmt::format(
      ": the system lets it open {} files (RLIMIT_NOFILE), of which {} are for other things; raise "
      "that limit (ulimit -Hn, LimitNOFILE= of systemd) and start it again",
      files.rlim_cur, files.rlim_cur - peers_max);
}

uint64_t JobMemoryMax() {
  const auto pages = static_cast<uint64_t>(std::max(0L, sysconf(_SC_PHYS_PAGES)));
  uint64_t bytes = pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  rlimit space{};
  if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY) {
    bytes = std::min<uint64_t>(bytes, space.rlim_cur);
  }
  return bytes / 2;
}

}  // namespace bellis
