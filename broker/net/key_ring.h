#pragma once

// The keys that a broker takes, and what they are good for.
//
// All are made from one secret of 32 bytes, which the broker keeps in a file: a broker that is
// started again takes the same keys, and nothing else need be stored. The key of a job's workers
// counts while the job runs. Without a state directory ids of jobs come again, so their keys are
// made from a number that is drawn at each start, too.

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

  /// The secret is in the file at `path` (mode 0600, with a checksum), which is made if it is
  /// not there; an empty `path`: a secret that nobody else will know. `jobs_last`: their ids are
  /// never given again.
  static Result<KeyRing> Open(const std::string& path, bool jobs_last);

  /// The broker's own pair, in Z85.
  const std::string& server_public() const { return server_public_; }
  const std::string& server_secret() const { return server_secret_; }

  /// Keys and token of a role, without an endpoint; `job` for workers.
  Access AccessOf(AccessRole role, const std::string& job = "") const;

  /// From now on the key of the job's workers is accepted. Cost: making a pair of keys, some 100
  /// us.
  void AddJob(const std::string& job);
  /// That key is no longer accepted, and the Grant that its peers have says so.
  void EndJob(const std::string& job);

  /// The grant of a public key (Z85) or of a token, found in a time that tells nothing of it. Null:
  /// unknown.
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
  std::unordered_map<std::string, std::shared_ptr<Grant>> by_token_;  // by their hashes
};

}  // namespace bellis
