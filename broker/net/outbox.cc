#include "broker/net/outbox.h"

#include <span>
#include <variant>

#include "broker/net/status_trim.h"

namespace bellis {
namespace {

constexpr size_t kUnreadMax = 64 << 10;
constexpr size_t kPiledUpMax = 16 << 20;
constexpr size_t kLargeMessage = 4 << 10;

}  // namespace

Outbox::Sent Outbox::Send(PeerId peer, const std::string& routing_id, Message* message) {
  auto* progress = std::get_if<ProgressMsg>(message);
  if (progress != nullptr) {
    if (const auto missed = left_out_.find(peer); missed != left_out_.end()) {
      progress->dropped = missed->second;
    }
    if (router_->Unread(routing_id) > kUnreadMax) {
      ++left_out_[peer];  // the watcher gets the newest progress once it reads
      return Sent::kLeftOut;
    }
  }
  std::span<const char> bytes = codec_->Encode(*message);
  while (bytes.size() > kMessageBytesMax && TrimStatus(message)) bytes = codec_->Encode(*message);
  if (bytes.size() > kLargeMessage && PilesUp(peer, routing_id, bytes.size())) return Sent::kUnread;
  switch (router_->Send(routing_id, bytes)) {
    case Router::Sent::kYes: return Sent::kYes;
    case Router::Sent::kUnroutable: return Sent::kUnroutable;
    case Router::Sent::kFull: break;
  }
  if (progress == nullptr) return Sent::kUnread;
  ++left_out_[peer];
  return Sent::kLeftOut;
}

void Outbox::Forget(PeerId peer) {
  left_out_.erase(peer);
  piled_up_.erase(peer);
}

/// Whether so much waits for the peer already that no more should be sent to it.
bool Outbox::PilesUp(PeerId peer, const std::string& routing_id, size_t bytes) {
  if (router_->Unread(routing_id) <= kUnreadMax) {
    piled_up_.erase(peer);
    return false;
  }
  return (piled_up_[peer] += bytes) > kPiledUpMax;
}

}  // namespace bellis
