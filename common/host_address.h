#pragma once

// Looks up names of machines, and the addresses of this machine. May wait for a name server.

#include <string>
#include <string_view>

#include "bellis/result.h"
#include "common/endpoint.h"

namespace bellis {

/// `address` is numeric, IPv4 or IPv6 without brackets; false for a name.
bool IsLoopback(const std::string& address);
/// 0.0.0.0 or ::
bool IsEveryAddress(const std::string& address);

/// The numeric address that `host` stands for: `host` itself if it is one, else the first of its
/// addresses that this machine has, IPv4 before IPv6. So a name of the loopback gives a loopback
/// address. Error (kInvalidSpec): the name is unknown, or this machine has none of its addresses.
Result<std::string> AddressToListenAt(const std::string& host, std::string_view field);

/// An address of this machine to which other machines can connect: that of the route to the
/// outside, else that of a network interface. IPv4 comes before IPv6, which only `ipv6` allows. The
/// loopback's address if the machine has no other.
std::string OwnAddress(bool ipv6);

/// Whether a socket must speak IPv6 to connect to the endpoint: its host is an IPv6 address, or a
/// name that has no other.
bool NeedsIpv6(const Endpoint& endpoint);

}  // namespace bellis
