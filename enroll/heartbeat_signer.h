// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "core/bytes.h"
#include "core/result.h"

namespace muster::ca {
class HeartbeatKey;
}

namespace muster::enroll {

class RegistrationAuthority;
struct AuthorityContext;

// rewrap_heartbeat_key brings the stored key under the ring's primary key-encryption key; makes it where there is none.
// Reasons: those of HeartbeatSigner.
Result<void> rewrap_heartbeat_key(AuthorityContext& context);

// HeartbeatSigner signs what edges pass on to their brokers as the age of their state (edge/folder_files.h,
// heartbeat_message). The key is made by whoever needs it first and lies in the registry, wrapped like the CAs' keys; a
// new primary key-encryption key is put around it at the next signature. Thread-safe.
class HeartbeatSigner {
 public:
  explicit HeartbeatSigner(RegistrationAuthority& authority);
  ~HeartbeatSigner();

  // 32 octets (RFC 8032 §5.1.5). Reasons of both: enroll.not_initialised, kek.unknown, key.unwrap_failed, database.*.
  Result<Bytes> public_key();
  Result<Bytes> sign(BytesView message);

 private:
  struct Loaded;
  friend Result<void> rewrap_heartbeat_key(AuthorityContext& context);
  static Result<std::shared_ptr<const Loaded>> load_row(AuthorityContext& context);
  Result<std::shared_ptr<const Loaded>> load();

  RegistrationAuthority& authority_;
  std::mutex mutex_;
  std::shared_ptr<const Loaded> loaded_;  // guarded by mutex_
};

}  // namespace muster::enroll
