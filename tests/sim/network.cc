#include "tests/sim/network.h"

#include <algorithm>
#include <utility>

namespace bellis::sim {

Dealer::Dealer(Network* network, Handler handler) : state_(std::make_shared<State>()) {
  state_->network = network;
  state_->handler = std::move(handler);
  state_->latency = network->random_->Between(Duration{50'000}, Duration::Millis(5));
  network->Connect(state_);
}

Dealer::~Dealer() {
  if (state_->open) Crash();
  state_->handler = nullptr;
}

void Dealer::Send(const Message& message) {
  if (!state_->open) return;
  const auto bytes = state_->network->codec_.Encode(message);
  SendBytes(std::string(bytes.begin(), bytes.end()));
}

void Dealer::SendBytes(std::string bytes) {
  if (!state_->open) return;
  if (state_->link == nullptr) {
    state_->waiting.push_back(std::move(bytes));
    return;
  }
  state_->network->ToBroker(state_, std::move(bytes));
}

void Dealer::Close() {
  if (!state_->open) return;
  state_->open = false;
  Break(/*orderly=*/true);
}

void Dealer::Crash(bool seen) {
  if (!state_->open) return;
  state_->open = false;
  Break(/*orderly=*/false, seen);
}

void Dealer::Cut() {
  if (!state_->open || state_->link == nullptr) return;
  Break(/*orderly=*/false);
  Reconnect(state_->network->random_->Between(Duration::Millis(1), Duration::Millis(2000)));
}

void Dealer::Isolate(Instant until, bool cut) {
  if (!state_->open) return;
  state_->isolated_until = std::max(state_->isolated_until, until);
  if (!cut || state_->link == nullptr) return;
  Break(/*orderly=*/false);
  Reconnect(until - state_->network->clock_->now());
}

void Dealer::Break(bool orderly, bool seen) {
  if (state_->link == nullptr) return;
  Network& network = *state_->network;
  Link& link = *std::exchange(state_->link, nullptr);
  link.up = false;
  link.kept = orderly ? link.sent
                      : static_cast<uint64_t>(network.random_->Pick(
                            static_cast<int64_t>(link.arrived), static_cast<int64_t>(link.sent)));
  const Duration wait = network.rough_ && !seen && network.random_->Chance(0.3)
                            ? network.random_->Between(Duration::Millis(10), Duration::Seconds(10))
                            : Duration::Millis(1);
  link.noticed = std::max(network.clock_->now(), link.last_to_broker) + wait;
}

void Dealer::Reconnect(Duration wait) {
  Network& network = *state_->network;
  network.clock_->After(wait, [&network, dealer = std::weak_ptr<State>(state_)] {
    const auto state = dealer.lock();
    if (state == nullptr || !state->open || state->link != nullptr) return;
    network.Connect(state);
    for (std::string& bytes : std::exchange(state->waiting, {})) {
      network.ToBroker(state, std::move(bytes));
    }
  });
}

void Network::Connect(const std::shared_ptr<Dealer::State>& dealer) {
  dealer->link = std::make_shared<Link>();
  dealer->link->id = ++last_id_;
  links_[last_id_] = {dealer->link, dealer};
}

Instant Network::Arrival(const Dealer::State& dealer, Instant after) {
  Duration latency = dealer.latency + random_->Between(Duration{0}, dealer.latency);
  if (rough_ && random_->Chance(0.02)) {
    latency = latency + random_->Between(Duration{0}, Duration::Seconds(3));
  }
  const Instant sound = std::max(clock_->now(), dealer.isolated_until) + latency;
  return std::max(sound, after + Duration{1});
}

void Network::ToBroker(const std::shared_ptr<Dealer::State>& dealer, std::string bytes) {
  const std::shared_ptr<Link> link = dealer->link;
  const uint64_t number = ++link->sent;
  link->last_to_broker = Arrival(*dealer, link->last_to_broker);
  clock_->At(link->last_to_broker, [this, link, number, sent = std::move(bytes)] {
    if (!link->up && number > link->kept) return;
    link->arrived = number;
    ++messages_;
    to_broker(link->id, sent);
  });
}

std::vector<RoutingId> Network::TakeClosed() {
  std::vector<RoutingId> closed;
  for (const auto& [id, link] : links_) {
    if (clock_->now() >= link.first->noticed) closed.push_back(id);
  }
  for (const RoutingId id : closed) links_.erase(id);
  return closed;
}

Network::Sent Network::SendToPeer(RoutingId to, std::string bytes) {
  const auto at = links_.find(to);
  if (at == links_.end()) return Sent::kUnroutable;
  const std::shared_ptr<Link> link = at->second.first;
  if (clock_->now() >= link->noticed) {
    links_.erase(at);
    return Sent::kUnroutable;
  }
  const auto dealer = at->second.second.lock();
  if (dealer == nullptr) return Sent::kYes;  // the message is lost without notice
  link->last_to_peer = Arrival(*dealer, link->last_to_peer);
  clock_->At(link->last_to_peer, [this, link, weak = std::weak_ptr<Dealer::State>(dealer),
                                  sent = std::move(bytes)] {
    const auto state = weak.lock();
    if (!link->up || state == nullptr || !state->open || !state->handler) return;
    ++messages_;
    DecodeResult decoded = codec_.Decode({sent.data(), sent.size()});
    if (!decoded.ok())
      throw Violation("messages of the broker can be decoded: " + decoded.error().message);
    state->handler(decoded.message());
  });
  return Sent::kYes;
}

}  // namespace bellis::sim
