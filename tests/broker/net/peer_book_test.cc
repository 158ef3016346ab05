// Peers are found by the routing id that libzmq made or that they chose, and by their id.

#include "broker/net/peer_book.h"

#include <gtest/gtest.h>

#include <string>

namespace bellis {
namespace {

using namespace std::string_literals;

TEST(PeerBook, FindsPeersWhoeverMadeTheirRoutingId) {
  PeerBook book;
  // Five bytes that begin with zero are libzmq's; all others were chosen by the peer.
  for (const std::string& id :
       {"\0\1\2\3\4"s, "\0\1\2\3\5"s, "\1\1\2\3\4"s, "\0\1\2\3"s, "worker"s}) {
    EXPECT_EQ(book.Find(id), nullptr);
    const KnownPeer& peer = book.Add(id);
    EXPECT_EQ(peer.routing_id, id);
    EXPECT_EQ(book.Find(id), &peer);
    EXPECT_EQ(book.Find(peer.id), &peer);
  }
  EXPECT_EQ(book.size(), 5U);
}

TEST(PeerBook, AnIdIsNotGivenAgain) {
  PeerBook book;
  for (const std::string& routing_id : {"\0\1\2\3\4"s, "worker"s}) {
    const PeerId first = book.Add(routing_id).id;
    book.Remove(first);
    EXPECT_EQ(book.Find(routing_id), nullptr);
    EXPECT_EQ(book.Find(first), nullptr);
    EXPECT_NE(book.Add(routing_id).id, first);
  }
  book.Remove(PeerId(99));  // unknown: nothing happens
  EXPECT_EQ(book.size(), 2U);
}

}  // namespace
}  // namespace bellis
