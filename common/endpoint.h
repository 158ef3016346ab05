#pragma once

// Where a broker listens and where its peers look for it.
//
//     ipc://PATH          a socket file
//     tcp://HOST:PORT     HOST: a name, an IPv4 address, or an IPv6 address in brackets
//
// libzmq accepts more in such a text: lists (`;`), `*`, names of network interfaces, abstract
// sockets (`@`), and ports modulo 65536. So every text is parsed here before it is given to libzmq.

#include <cstdint>
#include <string>
#include <string_view>

#include "bellis/result.h"

namespace bellis {

/// What an address is used for. A broker that listens may let the system choose the port, and may
/// listen at every address of its machine; no peer can connect to such an address.
enum class EndpointUse { kListen, kConnect };

/// A parsed endpoint. The Python package has the same rules (bellis/_wire/endpoint.py);
/// tests/common/endpoints.json tests both.
struct Endpoint {
  std::string path;   // ipc; empty: tcp
  std::string host;   // tcp; an IPv6 address without its brackets
  uint16_t port = 0;  // tcp; 0: any free port

  bool is_tcp() const { return path.empty(); }
  /// The endpoint as a text, which ParseEndpoint reads.
  std::string Text() const;
};

/// Parses the text. Looks up no name and touches no file. Error (kInvalidSpec): names `field`, the
/// text, and what is accepted.
Result<Endpoint> ParseEndpoint(std::string_view text, EndpointUse use,
                               std::string_view field = "endpoint");

/// Parses a host alone, as in `--advertise`; an IPv6 address needs no brackets.
Result<std::string> ParseHost(std::string_view text, EndpointUse use, std::string_view field);

/// The directory for the default ipc endpoint: $XDG_RUNTIME_DIR/bellis, else /tmp/bellis-<uid>. An
/// XDG_RUNTIME_DIR of another user does not count.
/// Returns only the name: creates and checks nothing.
std::string DefaultRuntimeDir();

/// "ipc://<DefaultRuntimeDir()>/broker.sock".
std::string DefaultEndpoint();

}  // namespace bellis
