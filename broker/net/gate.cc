#include "broker/net/gate.h"

#include <utility>

namespace bellis {
namespace {

bool IsChosenByLibzmq(std::string_view routing_id) {
  return routing_id.size() == 5 && routing_id.front() == '\0';
}

}  // namespace

Result<std::unique_ptr<Gate>> Gate::Open(const GateOptions& options) {
  auto keys = KeyRing::Open(options.key_file, options.jobs_last);
  if (!keys.ok()) return keys.error();
  return std::unique_ptr<Gate>(new Gate(options, *std::move(keys)));
}

Gate::Gate(const GateOptions& options, KeyRing keys)
    : options_(options), keys_(std::move(keys)), everybody_(std::make_shared<Grant>()) {}

std::string Gate::curve_secret() const {
  return options_.proof == Proof::kCurve ? keys_.server_secret() : "";
}

Result<KeyRing::GrantRef> Gate::GrantOf(const HelloMsg& hello, std::string_view routing_id,
                                        std::string_view sender_key) const {
  // Without CURVE no key identifies a peer, so another one could choose the same routing id after
  // this peer has left.
  if (options_.proof == Proof::kToken && !IsChosenByLibzmq(routing_id)) {
    return Error{ErrorCode::kUnauthorized,
                 "this socket has a routing id of its own choice, which others could take"};
  }
  KeyRing::GrantRef grant = everybody_;
  if (options_.proof == Proof::kToken) grant = keys_.FindToken(hello.token);
  // The key by which a peer was let in may have been revoked since.
  if (options_.proof == Proof::kCurve) grant = keys_.FindKey(sender_key);
  if (grant) return grant;
  const char* text = "hello.token is wrong";
  if (hello.token.empty()) text = "hello.token is missing; this broker asks for one";
  if (options_.proof == Proof::kCurve) text = "the key of this connection has ended";
  return Error{ErrorCode::kUnauthorized, text};
}

void Gate::Begin(const std::vector<std::string>& jobs) {
  if (options_.proof == Proof::kNone) return;
  for (const std::string& job : jobs) keys_.AddJob(job);
}

void Gate::End(const std::vector<std::string>& jobs) {
  if (options_.proof == Proof::kNone) return;
  for (const std::string& job : jobs) keys_.EndJob(job);
}

Access Gate::AccessOf(AccessRole role, const std::string& job, const std::string& endpoint) const {
  Access access;
  if (options_.proof != Proof::kNone) access = keys_.AccessOf(role, job);
  if (options_.proof == Proof::kCurve) access.token.clear();
  if (options_.proof == Proof::kToken) access.keys = {};
  access.endpoint = endpoint;
  return access;
}

Status Gate::WriteAccessFiles(const std::string& endpoint) const {
  if (options_.access_file.empty()) return OkStatus();
  for (const AccessRole role : {AccessRole::kOwner, AccessRole::kLauncher, AccessRole::kWatcher}) {
    const bool owner = role == AccessRole::kOwner;
    const std::string more = owner ? "" : std::string(".") + AccessRoleName(role);
    Status written = WriteAccessFile(options_.access_file + more, AccessOf(role, "", endpoint));
    if (!written.ok()) return written;
  }
  return OkStatus();
}

}  // namespace bellis
