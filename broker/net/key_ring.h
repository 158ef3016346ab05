#pragma once

// The keys that a broker accepts, and what each permits.
//
// All keys are derived from one secret of 32 bytes, which the broker keeps in a file. So a
// restarted broker accepts the same keys, and nothing else need be stored. The key of a job's
// workers is valid while the job runs. Without a state directory, a restarted broker uses job ids
// again, so the keys of jobs are derived from a random number of this start, too.

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "bellis/result.h"
#include "broker/net/permissions.h"
#include "common/access/access.h"

namespace bellis {

class KeyRing {
 public:
  using GrantRef = std::shared_ptr<const Grant>;

  /// Reads the secret from the file at `path` (mode 0600, with a checksum), which is made if it
  /// does not exist. An empty `path`: draws a secret for this broker only. `jobs_last`: ids of jobs
  /// are never given again.
  static Result<KeyRing> Open(const std::string& path, bool jobs_last);

  /// The broker's own pair of keys, in Z85.
  const std::string& server_public() const { return server_public_; }
  const std::string& server_secret() const { return server_secret_; }

  /// Keys and token of a role, without an endpoint; `job` for workers.
  Access AccessOf(AccessRole role, const std::string& job = "") const;

  /// From now on the key of the job's workers is accepted. Cost: making a pair of keys, some 100
  /// us.
  void AddJob(const std::string& job);
  /// The key of the job's workers is no longer accepted, and the Grant of connected workers is
  /// revoked.
  void EndJob(const std::string& job);

  /// The grant of a public key (Z85) or of a token; null: unknown. The time of the search reveals
  /// nothing about the token.
  GrantRef FindKey(std::string_view public_key) const;
  GrantRef FindToken(std::string_view token) const;

 private:
  explicit KeyRing(std::string secret, std::string jobs_salt);
  void Add(const Access& access, std::shared_ptr<Grant> grant);
  std::string Derive(std::string_view purpose) const;

  const std::string secret_;
  const std::string jobs_salt_;
  std::string server_public_;
  std::string server_secret_;
  std::unordered_map<std::string, std::shared_ptr<Grant>> by_key_;
  std::unordered_map<std::string, std::shared_ptr<Grant>> by_token_;  // by the hash of the token
};

}  // namespace bellis
