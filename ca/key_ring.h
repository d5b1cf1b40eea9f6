// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the key-encryption keys of a deployment, one of them the primary, so that one can follow another while the
// server runs.
//
// The file: one key a line, 64 hexadecimal digits; the first wraps, all of them open. Empty lines and lines that begin
// with # are skipped. A file of exactly 32 octets is one key in binary. Only its owner may read it.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ca/key_encryption_key.h"
#include "core/result.h"

namespace muster::ca {

inline constexpr std::size_t kMaxKeyEncryptionKeys = 16;

// KeyRing is thread-safe.
class KeyRing {
 public:
  using Key = std::shared_ptr<const KeyEncryptionKey>;

  // Reasons: file.* (core/file.h), kek.invalid (also for a key that stands there twice).
  static Result<std::shared_ptr<KeyRing>> load(const std::string& path);
  // Of one key that is in no file: reload then does nothing.
  static std::shared_ptr<KeyRing> of(KeyEncryptionKey key);

  Key primary() const;
  // Reads the file again when it does not know the id: another process may have begun a rotation. nullptr: unknown.
  Key find(const KeyEncryptionKey::Id& id);
  // The ring stays as it was where the file cannot be used. Reasons: those of load.
  Result<void> reload();
  std::vector<std::string> ids() const;  // lower-case hexadecimal, the primary first

 private:
  KeyRing(std::string path, std::vector<Key> keys) : path_(std::move(path)), keys_(std::move(keys)) {}
  Key find_loaded(const KeyEncryptionKey::Id& id) const;

  const std::string path_;
  mutable std::mutex mutex_;
  std::vector<Key> keys_;  // guarded by mutex_; never empty
};

// read_key_file reads such a file without keeping it. Reasons: those of KeyRing::load.
Result<std::vector<KeyEncryptionKey>> read_key_file(const std::string& path);
// write_key_file replaces it durably, mode 0600, in the order given. Reasons: kek.invalid, file.write_failed.
Result<void> write_key_file(const std::string& path, const std::vector<const KeyEncryptionKey*>& keys);

}  // namespace muster::ca
