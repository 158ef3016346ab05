#pragma once

// Names of machines, looked up; the addresses of this one. May wait for a name server.

#include <string>
#include <string_view>

#include "bellis/result.h"
#include "common/endpoint.h"

namespace bellis {

/// `address` is numeric, IPv4 or IPv6 without brackets; false for a name.
bool IsLoopback(const std::string& address);
/// 0.0.0.0 or ::
bool IsEveryAddress(const std::string& address);

/// The numeric address that `host` stands for: itself, when it is one; else the first of its
/// addresses that this machine has, IPv4 before IPv6. So a name of the loopback stays on it.
/// Error (kInvalidSpec): nobody knows the name, or none of its addresses is one of this machine.
Result<std::string> AddressToListenAt(const std::string& host, std::string_view field);

/// An address of this machine for others to connect to: that of the route to the outside, else of a
/// network interface, IPv4 before IPv6 (which only `ipv6` allows); the loopback's when it has no
/// other.
std::string OwnAddress(bool ipv6);

/// Whether a socket must speak IPv6 to connect there: the host is such an address, or a name that
/// has no other.
bool NeedsIpv6(const Endpoint& endpoint);

}  // namespace bellis
