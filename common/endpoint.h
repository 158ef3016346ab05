#pragma once

// Where a broker listens and where its peers look for it.
//
//     ipc://PATH          a socket file
//     tcp://HOST:PORT     HOST: a name, an IPv4 address, or an IPv6 address in brackets
//
// libzmq reads more into such a text: lists (`;`), `*`, names of network interfaces, abstract
// sockets (`@`), and ports modulo 65536. So nothing goes to libzmq that was not taken apart here.

#include <cstdint>
#include <string>
#include <string_view>

#include "bellis/result.h"

namespace bellis {

/// What an address is for. A broker that listens may let the system choose the port, and may listen
/// at every address of its machine; nobody can connect to either.
enum class EndpointUse { kListen, kConnect };

/// An endpoint, taken apart. The Python package has the same rules (bellis/_wire/endpoint.py), and
/// both are held by tests/common/endpoints.json.
struct Endpoint {
  std::string path;   // ipc; empty: tcp
  std::string host;   // tcp; an IPv6 address without its brackets
  uint16_t port = 0;  // tcp; 0: a free one

  bool is_tcp() const { return path.empty(); }
  /// As ParseEndpoint reads it.
  std::string Text() const;
};

/// Only the text is looked at: no name is looked up, no file touched.
/// Error (kInvalidSpec): says `field`, the text, and what is accepted.
Result<Endpoint> ParseEndpoint(std::string_view text, EndpointUse use,
                               std::string_view field = "endpoint");

/// A host alone, as of `--advertise`; brackets around an IPv6 address may be left away.
Result<std::string> ParseHost(std::string_view text, EndpointUse use, std::string_view field);

/// The directory for the default ipc endpoint: $XDG_RUNTIME_DIR/bellis, else /tmp/bellis-<uid>. An
/// XDG_RUNTIME_DIR of another user does not count.
/// Only a name; nothing is created or checked.
std::string DefaultRuntimeDir();

/// "ipc://<DefaultRuntimeDir()>/broker.sock".
std::string DefaultEndpoint();

}  // namespace bellis
