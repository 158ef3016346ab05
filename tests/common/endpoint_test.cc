#include "common/endpoint.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "common/host_address.h"

namespace bellis {
namespace {

using nlohmann::json;

json Vectors() {
  std::ifstream file(BELLIS_SOURCE_DIR "/tests/common/endpoints.json");
  return json::parse(file);
}

/// Checks the result that a vector expects for one use: the endpoint, or the error.
void Check(const json& vector, EndpointUse use) {
  const std::string text = vector["text"];
  SCOPED_TRACE(text + (use == EndpointUse::kListen ? " (listen)" : " (connect)"));
  const bool listen = use == EndpointUse::kListen;
  const json& expected = listen && vector.contains("listen") ? vector["listen"] : vector;
  const auto endpoint = ParseEndpoint(text, use, "field");
  if (expected.contains("path") || expected.contains("host")) {
    ASSERT_TRUE(endpoint.ok()) << endpoint.error().message;
    EXPECT_EQ(endpoint->path, expected.value("path", ""));
    EXPECT_EQ(endpoint->host, expected.value("host", ""));
    EXPECT_EQ(endpoint->port, expected.value("port", 0));
    const auto again = ParseEndpoint(endpoint->Text(), use);
    ASSERT_TRUE(again.ok()) << again.error().message;
    EXPECT_EQ(again->Text(), endpoint->Text());
    return;
  }
  std::string why = expected.value("refused", "");
  if (expected.contains("port_refused")) {
    why = "port \"" + expected["port_refused"].get<std::string>() +
          "\" is not accepted: expected a number from 1 to 65535" +
          (listen ? ", or 0 for a free one" : "");
  }
  ASSERT_FALSE(endpoint.ok());
  EXPECT_EQ(endpoint.error().message, "field is \"" + text + "\": " + why);
  EXPECT_EQ(endpoint.error().code, ErrorCode::kInvalidSpec);
}

TEST(Endpoint, IsParsedAsTheVectorsSay) {
  const json vectors = Vectors();
  ASSERT_GT(vectors.size(), 50U);
  for (const json& vector : vectors) {
    Check(vector, EndpointUse::kListen);
    Check(vector, EndpointUse::kConnect);
  }
}

TEST(Endpoint, AHostAloneNeedsNoBrackets) {
  EXPECT_EQ(ParseHost("::1", EndpointUse::kConnect, "f").value(), "::1");
  EXPECT_EQ(ParseHost("[::1]", EndpointUse::kConnect, "f").value(), "::1");
  EXPECT_EQ(ParseHost("0.0.0.0", EndpointUse::kListen, "f").value(), "0.0.0.0");
  for (const char* none : {"", "*", "0.0.0.0", "[::]", "tcp://h", "h:5", "a;b", "[h]"}) {
    EXPECT_FALSE(ParseHost(none, EndpointUse::kConnect, "f").ok()) << none;
  }
}

TEST(HostAddress, LoopbackIsTheAddressAndNotTheText) {
  for (const char* yes : {"127.0.0.1", "127.9.9.9", "::1", "0:0::1", "::ffff:127.0.0.1"}) {
    EXPECT_TRUE(IsLoopback(yes)) << yes;
  }
  for (const char* no : {"128.0.0.1", "0.0.0.0", "::", "::ffff:10.0.0.1", "127.example.org", ""}) {
    EXPECT_FALSE(IsLoopback(no)) << no;
  }
}

TEST(HostAddress, NamesBecomeAddressesOfThisMachine) {
  const auto local = AddressToListenAt("localhost", "endpoint");
  ASSERT_TRUE(local.ok()) << local.error().message;
  EXPECT_TRUE(IsLoopback(*local)) << *local;
  EXPECT_EQ(AddressToListenAt("192.0.2.1", "endpoint").value(), "192.0.2.1");
  const auto none = AddressToListenAt("no-such-host.invalid", "endpoint");
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.error().message.find("\"no-such-host.invalid\" cannot be looked up"),
            std::string::npos)
      << none.error().message;
}

TEST(HostAddress, OwnAddressIsUsableByPeers) {
  for (const bool ipv6 : {false, true}) {
    const std::string own = OwnAddress(ipv6);
    EXPECT_TRUE(ParseHost(own, EndpointUse::kConnect, "f").ok()) << own;
    EXPECT_EQ(AddressToListenAt(own, "f").value(), own);
  }
  EXPECT_EQ(OwnAddress(false).find(':'), std::string::npos);
}

TEST(HostAddress, Ipv6IsUsedOnlyWhereItIsNeeded) {
  const auto needs = [](const char* text) {
    return NeedsIpv6(*ParseEndpoint(text, EndpointUse::kConnect));
  };
  EXPECT_FALSE(needs("ipc:///tmp/s"));
  EXPECT_FALSE(needs("tcp://127.0.0.1:1"));
  EXPECT_TRUE(needs("tcp://[::1]:1"));
  EXPECT_FALSE(needs("tcp://no-such-host.invalid:1"));
}

}  // namespace
}  // namespace bellis
