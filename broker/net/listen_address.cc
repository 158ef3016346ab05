#include "broker/net/listen_address.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "common/files/private_dir.h"
#include "common/host_address.h"

namespace bellis {
namespace {

Error IoError(const std::string& what) {
  return Error{ErrorCode::kIo, fmt::format("{}: {}", what, std::strerror(errno))};
}

}  // namespace

Status EnsurePrivateDir(const std::string& path) {
  const Result<Fd> dir = OpenPrivateDir(path, /*make=*/true, OnTheWay::kTrusted);
  return dir.ok() ? OkStatus() : Status(dir.error());
}

Result<Endpoint> ListenAddress(const std::string& text) {
  Result<Endpoint> endpoint = ParseEndpoint(text, EndpointUse::kListen);
  if (!endpoint.ok()) return endpoint;
  if (endpoint->is_tcp()) {
    Result<std::string> host = AddressToListenAt(endpoint->host, "endpoint \"" + text + "\"");
    if (!host.ok()) return host.error();
    endpoint->host = std::move(host).value();
    return endpoint;
  }
  // Made absolute, because workers, who get this path, may have other working directories.
  endpoint->path = std::filesystem::absolute(endpoint->path).string();
  endpoint = ParseEndpoint(endpoint->Text(), EndpointUse::kListen);
  if (!endpoint.ok()) return endpoint;
  const auto directory = std::filesystem::path(endpoint->path).parent_path();
  const Status is_private = EnsurePrivateDir(directory.string());
  if (!is_private.ok()) return is_private.error();
  return endpoint;
}

Result<std::string> AdvertisedAddress(const std::string& bound, const std::string& advertise) {
  Result<Endpoint> endpoint = ParseEndpoint(bound, EndpointUse::kListen);
  if (!endpoint.ok()) return endpoint.error();
  if (!advertise.empty()) {
    if (!endpoint->is_tcp()) {
      return Error{ErrorCode::kInvalidSpec,
                   fmt::format("advertise is \"{}\", and the broker listens at {}, which is no "
                               "tcp endpoint: nobody else can reach it",
                               advertise, bound)};
    }
    Result<std::string> host = ParseHost(advertise, EndpointUse::kConnect, "advertise");
    if (!host.ok()) return host;
    endpoint->host = std::move(host).value();
  } else if (endpoint->is_tcp() && IsEveryAddress(endpoint->host)) {
    endpoint->host = OwnAddress(endpoint->host != "0.0.0.0");
  }
  return endpoint->Text();
}

std::string LoopbackWarning(const std::string& asked, const std::string& bound) {
  const Result<Endpoint> name = ParseEndpoint(asked, EndpointUse::kListen);
  const Result<Endpoint> address = ParseEndpoint(bound, EndpointUse::kListen);
  if (!name.ok() || !address.ok() || !name->is_tcp() || !IsLoopback(address->host)) return "";
  if (name->host == "localhost" || name->host == address->host) return "";
  return fmt::format(
      "the name {} stands for {} on this machine (/etc/hosts): no other machine can reach this "
      "broker. If one is to, listen at an address of this machine's network, or at 0.0.0.0",
      name->host, address->host);
}

Result<EndpointLock> EndpointLock::Take(const Endpoint& endpoint) {
  if (endpoint.is_tcp()) return EndpointLock(-1, "");
  const std::string path = endpoint.path + ".lock";
  Result<Fd> file = OpenByWalk(path, O_RDWR | O_CREAT | O_NONBLOCK, 0600, {});
  if (!file.ok()) return file.error();
  const int fd = file->Release();
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    close(fd);
    errno = error;
    if (error != EWOULDBLOCK) return IoError("cannot lock " + path);
    return Error{ErrorCode::kIo, endpoint.Text() + " is in use: another broker listens there"};
  }
  return EndpointLock(fd, endpoint.path);
}

EndpointLock::EndpointLock(EndpointLock&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), socket_(std::move(other.socket_)) {}

EndpointLock& EndpointLock::operator=(EndpointLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(socket_, other.socket_);
  return *this;
}

void EndpointLock::RemoveSocketFile() {
  if (!socket_.empty()) unlink(socket_.c_str());
}

EndpointLock::~EndpointLock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace bellis
