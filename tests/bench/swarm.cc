#include "tests/bench/swarm.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace bellis::bench {
namespace {

constexpr size_t kGreetingBytes = 64;
constexpr uint8_t kLong = 2;
constexpr uint8_t kCommand = 4;

/// Signature, version 3.0, mechanism NULL.
std::string Greeting() {
  std::string bytes(kGreetingBytes, '\0');
  bytes[0] = '\xff';
  bytes[9] = '\x7f';
  bytes[10] = 3;
  bytes.replace(12, 4, "NULL");
  return bytes;
}

std::string Ready() {
  const std::string body = std::string(
      "\x05READY\x0bSocket-Type\0\0\0\x06"
      "DEALER",
      28);
  return std::string{static_cast<char>(kCommand), static_cast<char>(body.size())} + body;
}

std::string Frame(std::span<const char> payload) {
  std::string frame;
  if (payload.size() < 256) {
    frame = {'\0', static_cast<char>(payload.size())};
  } else {
    frame = {static_cast<char>(kLong)};
    for (int shift = 56; shift >= 0; shift -= 8) {
      frame += static_cast<char>(payload.size() >> shift);
    }
  }
  return frame.append(payload.data(), payload.size());
}

[[noreturn]] void Give(const char* what) {
  std::perror(what);
  std::exit(1);
}

}  // namespace

struct Swarm::Member {
  int fd = -1;
  bool greeted = false;  // the broker's greeting has come
  bool ready = false;    // its READY, too: messages may be sent
  bool writing = false;  // epoll says when more can be written
  std::string in;
  std::string out;
  std::string later;  // to be sent once `ready`
};

Swarm::Swarm(std::string socket_path, size_t members, Handler handler)
    : path_(std::move(socket_path)),
      handler_(std::move(handler)),
      members_(members),
      epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  if (epoll_ < 0) Give("epoll");
}

Swarm::~Swarm() {
  Disconnect();
  close(epoll_);
}

void Swarm::Connect(const std::function<Message(size_t)>& greet) {
  for (size_t i = 0; i < members_.size(); ++i) {
    if (members_[i].fd >= 0) continue;
    Open(i);
    Send(i, greet(i));
    if (i % 64 == 63) Turn(0);
  }
}

void Swarm::Open(size_t number) {
  Member& member = members_[number];
  member = Member();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path_.c_str(), sizeof(address.sun_path) - 1);
  while (true) {
    member.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (member.fd < 0) Give("socket");
    if (connect(member.fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0)
      break;
    close(member.fd);
    if (errno != EAGAIN && errno != ECONNREFUSED && errno != ENOENT) Give("connect");
    usleep(200);  // the backlog is full, or the broker is not there yet
  }
  fcntl(member.fd, F_SETFL, O_NONBLOCK);
  epoll_event event{EPOLLIN, {.u64 = number}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, member.fd, &event);
  member.out = Greeting() + Ready();
}

void Swarm::Disconnect() {
  for (Member& member : members_) {
    if (member.fd >= 0) close(member.fd);
    member.fd = -1;
  }
}

void Swarm::Close(size_t number) {
  close(members_[number].fd);
  members_[number].fd = -1;
  ++cut_;
}

void Swarm::Send(size_t number, const Message& message) {
  if (members_[number].fd < 0) return;
  Member& member = members_[number];
  (member.ready ? member.out : member.later) += Frame(codec_.Encode(message));
  Flush(number);
}

void Swarm::Flush(size_t number) {
  Member& member = members_[number];
  while (!member.out.empty()) {
    const ssize_t sent = send(member.fd, member.out.data(), member.out.size(), MSG_NOSIGNAL);
    if (sent <= 0) break;
    member.out.erase(0, static_cast<size_t>(sent));
  }
  Watch(number, !member.out.empty());
}

void Swarm::Watch(size_t number, bool writing) {
  Member& member = members_[number];
  if (member.writing == writing) return;
  member.writing = writing;
  epoll_event event{EPOLLIN | (writing ? uint32_t{EPOLLOUT} : 0U), {.u64 = number}};
  epoll_ctl(epoll_, EPOLL_CTL_MOD, member.fd, &event);
}

void Swarm::Turn(int timeout_ms) {
  std::array<epoll_event, 256> events;
  const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout_ms);
  for (int i = 0; i < count; ++i) {
    const auto& event = events[static_cast<size_t>(i)];
    const size_t number = event.data.u64;
    if (members_[number].fd >= 0 && (event.events & EPOLLOUT) != 0) Flush(number);
    if (members_[number].fd >= 0 && (event.events & ~uint32_t{EPOLLOUT}) != 0) Read(number);
  }
}

void Swarm::Read(size_t number) {
  std::array<char, 16'384> bytes;
  const ssize_t got = recv(members_[number].fd, bytes.data(), bytes.size(), 0);
  if (got == 0 || (got < 0 && errno != EAGAIN)) return Close(number);
  if (got < 0) return;
  Member& member = members_[number];
  member.in.append(bytes.data(), static_cast<size_t>(got));
  if (!member.greeted) {
    if (member.in.size() < kGreetingBytes) return;
    member.in.erase(0, kGreetingBytes);
    member.greeted = true;
  }
  while (ReadFrame(number)) {
  }
}

/// Takes the next whole frame, and hands its message over; false if there is none.
bool Swarm::ReadFrame(size_t number) {
  std::string& in = members_[number].in;
  if (in.size() < 2) return false;
  const auto flags = static_cast<uint8_t>(in[0]);
  size_t header = 2;
  uint64_t size = static_cast<uint8_t>(in[1]);
  if ((flags & kLong) != 0) {
    header = 9;
    if (in.size() < header) return false;
    size = 0;
    for (size_t i = 1; i < header; ++i) size = size << 8 | static_cast<uint8_t>(in[i]);
  }
  if (in.size() < header + size) return false;
  const std::string payload = in.substr(header, size);
  in.erase(0, header + size);
  if ((flags & kCommand) != 0) {
    members_[number].ready = true;
    members_[number].out += std::exchange(members_[number].later, "");
    Flush(number);
    return true;
  }
  DecodeResult decoded = codec_.Decode(payload);
  if (!decoded.ok()) {
    std::fprintf(stderr, "swarm: %s\n", decoded.error().message.c_str());
    std::exit(1);
  }
  handler_(number, decoded.message());
  return members_[number].fd >= 0;
}

}  // namespace bellis::bench
