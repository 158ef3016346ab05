#pragma once

// Who is let in at an endpoint, and as what.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bellis/result.h"
#include "broker/net/key_ring.h"
#include "common/access/access.h"
#include "common/protocol/messages.h"

namespace bellis {

/// How a peer shows what it may do: not at all, and it may do all (ipc: the directory of the socket
/// lets nobody else in); by a token in its hello; by its CURVE key, before it is heard at all.
enum class Proof { kNone, kToken, kCurve };

struct GateOptions {
  Proof proof = Proof::kNone;
  std::string key_file;     // of the KeyRing
  std::string access_file;  // of the owner; beside it FILE.launcher and FILE.watcher. Empty: none
  bool jobs_last = false;   // their ids are never given again
};

class Gate {
 public:
  /// Errors: those of KeyRing::Open.
  static Result<std::unique_ptr<Gate>> Open(const GateOptions& options);

  /// For the socket; empty without CURVE.
  std::string curve_secret() const;
  bool LetsIn(std::string_view public_key) const { return keys_.FindKey(public_key) != nullptr; }

  /// What the peer that says this hello may do; `sender_key` is its CURVE key. Error: it is not let
  /// in.
  Result<KeyRing::GrantRef> GrantOf(const HelloMsg& hello, std::string_view routing_id,
                                    std::string_view sender_key) const;

  /// The keys of these jobs' workers count from now on.
  void Begin(const std::vector<std::string>& jobs);
  /// The keys of these jobs' workers no longer count.
  void End(const std::vector<std::string>& jobs);

  /// What a holder of this role needs to connect; `job` for a worker of it.
  Access AccessOf(AccessRole role, const std::string& job, const std::string& endpoint) const;
  Status WriteAccessFiles(const std::string& endpoint) const;

 private:
  Gate(const GateOptions& options, KeyRing keys);

  const GateOptions options_;
  KeyRing keys_;
  const KeyRing::GrantRef everybody_;
};

}  // namespace bellis
