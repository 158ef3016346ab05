#include "common/endpoint.h"

#include <arpa/inet.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>

#include "common/host_address.h"

namespace bellis {
namespace {

constexpr std::string_view kIpc = "ipc://";
constexpr std::string_view kTcp = "tcp://";
constexpr size_t kHostNameMax = 253;
constexpr size_t kPathBytesMax = sizeof(sockaddr_un::sun_path) - 1;

using Reason = std::optional<std::string>;  // why a text is refused

std::string Quoted(std::string_view text) { return '"' + std::string(text) + '"'; }

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameChar(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

Reason PathTrouble(std::string_view path) {
  if (path.empty()) return "expected a path after ipc://";
  if (path[0] == '@') {
    return "a path that begins with @ is an abstract socket, which every user of the machine can "
           "reach: "
           "expected the path of a file in a directory of mode 0700";
  }
  if (path[0] == '*') return "with * libzmq takes a file of its own choice: expected a path";
  const auto is_control = [](unsigned char c) { return c < ' ' || c == 127; };
  if (std::any_of(path.begin(), path.end(), is_control)) return "the path has control characters";
  if (path.size() > kPathBytesMax) {
    return "the path has " + std::to_string(path.size()) + " bytes: at most " +
           std::to_string(kPathBytesMax) + " are accepted";
  }
  return {};
}

/// Whether the last label of the name is a number. Such names are refused: the resolver takes
/// "127.1" and "0x7f000001" for addresses, but other programs do not.
bool EndsInNumber(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  const std::string_view label = host.substr(host.rfind('.') + 1);
  const bool hex = label.starts_with("0x") || label.starts_with("0X");
  return hex || (!label.empty() && std::all_of(label.begin(), label.end(), IsDigit));
}

bool IsHostName(std::string_view host) {
  if (host.empty() || host.size() > kHostNameMax || host[0] == '-') return false;
  char before = '.';
  for (const char c : host) {
    if (c == '.' ? before == '.' : !IsNameChar(c)) return false;
    before = c;
  }
  return true;
}

Reason HostTrouble(const std::string& host, EndpointUse use) {
  if (host == "*") {
    return "* is not accepted as a host: expected a name or an address; a broker may listen at "
           "0.0.0.0, every IPv4 address of its machine, or at [::], every address";
  }
  in6_addr address{};
  if (host.find(':') != std::string::npos) {
    if (inet_pton(AF_INET6, host.c_str(), &address) != 1) {
      return Quoted(host) + " is not an IPv6 address";
    }
  } else if (EndsInNumber(host)) {
    if (inet_pton(AF_INET, host.c_str(), &address) != 1) {
      return Quoted(host) + " is not an IPv4 address: expected four numbers from 0 to 255";
    }
  } else if (!IsHostName(host)) {
    return Quoted(host) +
           " is not a host name: expected letters, digits, -, _ and dots between them";
  }
  if (use == EndpointUse::kConnect && IsEveryAddress(host)) {
    return host +
           " stands for every address of the broker's machine: expected one of them, or its "
           "name";
  }
  return {};
}

Reason ReadPort(std::string_view text, EndpointUse use, uint16_t* port) {
  *port = 0;
  if (use == EndpointUse::kListen && (text == "0" || text == "*")) return {};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *port);
  if (error == std::errc() && end == text.data() + text.size() && text[0] != '0') return {};
  return "port " + Quoted(text) + " is not accepted: expected a number from 1 to 65535" +
         (use == EndpointUse::kListen ? ", or 0 for a free one" : "");
}

/// HOST:PORT
Reason ReadTcp(std::string_view text, EndpointUse use, Endpoint* endpoint) {
  if (text.find(';') != std::string_view::npos) {
    return "one address is accepted, and no list of them (;)";
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) {
    return "expected tcp://HOST:PORT";
  }
  std::string_view host = text.substr(0, colon);
  if (host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (host.find(':') == std::string_view::npos) return Quoted(host) + " is not an IPv6 address";
  } else if (host.find(':') != std::string_view::npos) {
    return "expected an IPv6 address in brackets, as in tcp://[::1]:5555";
  }
  endpoint->host = host;
  const Reason trouble = HostTrouble(endpoint->host, use);
  return trouble ? trouble : ReadPort(text.substr(colon + 1), use, &endpoint->port);
}

Error Refused(std::string_view field, std::string_view text, const std::string& reason) {
  return Error{ErrorCode::kInvalidSpec, std::string(field) + " is " + Quoted(text) + ": " + reason};
}

/// Whether the path belongs to another user. A path that does not exist or cannot be read does not:
/// its user will get the error.
bool IsOfAnother(const char* path) {
  struct stat info {};
  return ::stat(path, &info) == 0 && info.st_uid != ::geteuid();
}

}  // namespace

std::string Endpoint::Text() const {
  if (!is_tcp()) return std::string(kIpc) + path;
  const bool brackets = host.find(':') != std::string::npos;
  return std::string(kTcp) + (brackets ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

Result<Endpoint> ParseEndpoint(std::string_view text, EndpointUse use, std::string_view field) {
  Endpoint endpoint;
  Reason trouble = "expected ipc://PATH or tcp://HOST:PORT";
  if (text.starts_with(kIpc)) {
    endpoint.path = text.substr(kIpc.size());
    trouble = PathTrouble(endpoint.path);
  } else if (text.starts_with(kTcp)) {
    trouble = ReadTcp(text.substr(kTcp.size()), use, &endpoint);
  }
  if (trouble) return Refused(field, text, *trouble);
  return endpoint;
}

Result<std::string> ParseHost(std::string_view text, EndpointUse use, std::string_view field) {
  std::string host(text);
  if (host.starts_with('[') && host.ends_with(']') && host.find(':') != std::string::npos) {
    host = host.substr(1, host.size() - 2);
  }
  if (const Reason trouble = HostTrouble(host, use)) return Refused(field, text, *trouble);
  return host;
}

std::string DefaultRuntimeDir() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  // The specification requires an absolute path; any other must be ignored. After `su` the
  // directory may belong to another user, who could then listen in this user's place.
  if (runtime != nullptr && runtime[0] == '/' && !IsOfAnother(runtime))
    return std::string(runtime) + "/bellis";
  return "/tmp/bellis-" + std::to_string(::getuid());
}

std::string DefaultEndpoint() { return "ipc://" + DefaultRuntimeDir() + "/broker.sock"; }

}  // namespace bellis
