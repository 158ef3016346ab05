#include "common/host_address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

namespace bellis {
namespace {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  explicit SocketAddress(const sockaddr* address) {
    size = address->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    std::memcpy(&storage, address, size);
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }

  /// The numeric address without a zone; empty for another address family.
  std::string Text() const {
    char text[INET6_ADDRSTRLEN] = "";
    if (family() == AF_INET) {
      inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr, text,
                sizeof(text));
    } else if (family() == AF_INET6) {
      inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr, text,
                sizeof(text));
    }
    return text;
  }
};

struct Found {
  std::vector<SocketAddress> addresses;  // IPv4 first
  std::string trouble;                   // why there are none
};

Found LookUp(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int code = getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (code != 0) return {{}, gai_strerror(code)};
  Found found;
  for (const addrinfo* item = list; item != nullptr; item = item->ai_next) {
    if (item->ai_family != AF_INET && item->ai_family != AF_INET6) continue;
    found.addresses.emplace_back(item->ai_addr);
  }
  freeaddrinfo(list);
  std::stable_partition(found.addresses.begin(), found.addresses.end(),
                        [](const SocketAddress& a) { return a.family() == AF_INET; });
  return found;
}

bool IsOfThisMachine(const SocketAddress& address) {
  const int fd = socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool bound = bind(fd, address.get(), address.size) == 0;
  close(fd);
  return bound;
}

bool IsNumeric(const std::string& host) {
  in6_addr address{};
  return inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

/// This machine's address for traffic to `elsewhere`, an address in a network that is reserved for
/// documentation. Sends nothing. Empty: there is no route.
std::string AddressOfRoute(int family, const char* elsewhere) {
  addrinfo hints{};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* target = nullptr;
  if (getaddrinfo(elsewhere, "9", &hints, &target) != 0) return "";
  std::string text;
  const int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_storage own{};
  auto* const address = reinterpret_cast<sockaddr*>(&own);
  socklen_t size = sizeof(own);
  if (fd >= 0 && connect(fd, target->ai_addr, target->ai_addrlen) == 0 &&
      getsockname(fd, address, &size) == 0) {
    text = SocketAddress(address).Text();
  }
  if (fd >= 0) close(fd);
  freeaddrinfo(target);
  return IsLoopback(text) || IsEveryAddress(text) ? "" : text;
}

std::string AddressOfInterface(int family) {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return "";
  std::string text;
  for (const ifaddrs* item = list; item != nullptr && text.empty(); item = item->ifa_next) {
    if (item->ifa_addr == nullptr || item->ifa_addr->sa_family != family) continue;
    if ((item->ifa_flags & IFF_UP) == 0 || (item->ifa_flags & IFF_LOOPBACK) != 0) continue;
    const SocketAddress address(item->ifa_addr);
    // A link-local address needs its zone, and is invalid on other machines.
    if (!address.Text().starts_with("fe80:")) text = address.Text();
  }
  freeifaddrs(list);
  return text;
}

}  // namespace

bool IsLoopback(const std::string& address) {
  in_addr short_address{};
  if (inet_pton(AF_INET, address.c_str(), &short_address) == 1) {
    return (ntohl(short_address.s_addr) >> 24) == 127;
  }
  in6_addr long_address{};
  if (inet_pton(AF_INET6, address.c_str(), &long_address) != 1) return false;
  return IN6_IS_ADDR_LOOPBACK(&long_address) ||
         (IN6_IS_ADDR_V4MAPPED(&long_address) && long_address.s6_addr[12] == 127);
}

bool IsEveryAddress(const std::string& address) {
  in_addr short_address{};
  if (inet_pton(AF_INET, address.c_str(), &short_address) == 1) return short_address.s_addr == 0;
  in6_addr long_address{};
  if (inet_pton(AF_INET6, address.c_str(), &long_address) != 1) return false;
  if (IN6_IS_ADDR_UNSPECIFIED(&long_address)) return true;
  static constexpr char kNone[4] = {};
  return IN6_IS_ADDR_V4MAPPED(&long_address) &&
         std::memcmp(&long_address.s6_addr[12], kNone, 4) == 0;
}

Result<std::string> AddressToListenAt(const std::string& host, std::string_view field) {
  if (IsNumeric(host)) return host;
  const Found found = LookUp(host);
  std::string all;
  for (const SocketAddress& address : found.addresses) {
    if (IsOfThisMachine(address)) return address.Text();
    all += (all.empty() ? "" : ", ") + address.Text();
  }
  return Error{
      ErrorCode::kInvalidSpec,
      std::string(field) + ": host \"" + host + "\" " +
          (found.addresses.empty() ? "cannot be looked up (" + found.trouble + ")"
                                   : "is " + all + ", which is not an address of this machine") +
          ": expected a name or an address of this machine, or localhost"};
}

std::string OwnAddress(bool ipv6) {
  std::string address = AddressOfRoute(AF_INET, "192.0.2.1");
  if (address.empty()) address = AddressOfInterface(AF_INET);
  if (address.empty() && ipv6) address = AddressOfRoute(AF_INET6, "2001:db8::1");
  if (address.empty() && ipv6) address = AddressOfInterface(AF_INET6);
  return address.empty() ? "127.0.0.1" : address;
}

bool NeedsIpv6(const Endpoint& endpoint) {
  if (!endpoint.is_tcp()) return false;
  if (IsNumeric(endpoint.host)) return endpoint.host.find(':') != std::string::npos;
  const Found found = LookUp(endpoint.host);
  return !found.addresses.empty() && found.addresses.front().family() == AF_INET6;
}

}  // namespace bellis
