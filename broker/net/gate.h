#pragma once

// Decides which peers are let in at an endpoint, and with which role.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bellis/result.h"
#include "broker/net/key_ring.h"
#include "common/access/access.h"
#include "common/protocol/messages.h"

namespace bellis {

/// How a peer proves what it may do. kNone: it need not, and may do everything (ipc: the socket's
/// directory lets no other user in). kToken: by a token in its hello. kCurve: by its CURVE key,
/// before any message is read.
enum class Proof { kNone, kToken, kCurve };

struct GateOptions {
  Proof proof = Proof::kNone;
  std::string key_file;     // of the KeyRing
  std::string access_file;  // of the owner; beside it FILE.launcher and FILE.watcher. Empty: none
  bool jobs_last = false;   // ids of jobs are never given again
};

class Gate {
 public:
  /// Errors: those of KeyRing::Open.
  static Result<std::unique_ptr<Gate>> Open(const GateOptions& options);

  /// The secret key for the socket; empty without CURVE.
  std::string curve_secret() const;
  bool LetsIn(std::string_view public_key) const { return keys_.FindKey(public_key) != nullptr; }

  /// What the sender of this hello may do; `sender_key` is its CURVE key. Error: the peer is not
  /// let in.
  Result<KeyRing::GrantRef> GrantOf(const HelloMsg& hello, std::string_view routing_id,
                                    std::string_view sender_key) const;

  /// The keys of these jobs' workers are valid from now on.
  void Begin(const std::vector<std::string>& jobs);
  /// The keys of these jobs' workers are no longer valid.
  void End(const std::vector<std::string>& jobs);

  /// The endpoint and keys that a peer of this role needs to connect; for workers, `job` is their
  /// job.
  Access AccessOf(AccessRole role, const std::string& job, const std::string& endpoint) const;
  Status WriteAccessFiles(const std::string& endpoint) const;

 private:
  Gate(const GateOptions& options, KeyRing keys);

  const GateOptions options_;
  KeyRing keys_;
  const KeyRing::GrantRef everybody_;
};

}  // namespace bellis
