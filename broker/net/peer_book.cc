#include "broker/net/peer_book.h"

#include <cstring>
#include <optional>

namespace bellis {
namespace {

/// The number in a routing id that libzmq made: a zero byte, and 32 bits. A peer may choose such an
/// id as well, so that it means this number, too.
std::optional<uint32_t> NumberIn(std::string_view routing_id) {
  uint32_t number = 0;
  if (routing_id.size() != 1 + sizeof(number) || routing_id[0] != '\0') return std::nullopt;
  std::memcpy(&number, routing_id.data() + 1, sizeof(number));
  return number;
}

}  // namespace

KnownPeer* PeerBook::Find(std::string_view routing_id) {
  if (const auto number = NumberIn(routing_id)) {
    const auto found = made_.find(*number);
    return found == made_.end() ? nullptr : found->second;
  }
  const auto found = chosen_.find(routing_id);
  return found == chosen_.end() ? nullptr : found->second;
}

KnownPeer* PeerBook::Find(PeerId id) {
  const auto found = peers_.find(id);
  return found == peers_.end() ? nullptr : &found->second;
}

KnownPeer& PeerBook::Add(std::string_view routing_id) {
  const PeerId id(++last_id_);
  KnownPeer& peer = peers_[id];
  peer.id = id;
  peer.routing_id = routing_id;
  if (const auto number = NumberIn(routing_id)) {
    made_[*number] = &peer;
  } else {
    chosen_[peer.routing_id] = &peer;
  }
  return peer;
}

void PeerBook::Remove(PeerId id) {
  const auto found = peers_.find(id);
  if (found == peers_.end()) return;
  const std::string& routing_id = found->second.routing_id;
  if (const auto number = NumberIn(routing_id)) {
    made_.erase(*number);
  } else {
    chosen_.erase(routing_id);
  }
  peers_.erase(found);
}

}  // namespace bellis
