// SPDX-License-Identifier: Apache-2.0
#include "ca/key_ring.h"

#include <algorithm>

#include "ca/reasons.h"
#include "core/encoding.h"
#include "core/file.h"

namespace muster::ca {

namespace {

constexpr std::size_t kBinaryKeySize = 32;
constexpr std::size_t kMaxFileSize = 4096;
constexpr std::string_view kComment =
    "# Key-encryption keys of Muster: the first wraps, all of them open. Keep a copy in a safe place.\n";

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
  return line;
}

Error invalid(const std::string& path) { return {ErrorCode::kInvalidArgument, reasons::kKekInvalid, path}; }

Result<std::vector<KeyRing::Key>> read_shared(const std::string& path) {
  MUSTER_TRY(std::vector<KeyEncryptionKey> keys, read_key_file(path));
  std::vector<KeyRing::Key> shared;
  for (KeyEncryptionKey& key : keys) shared.push_back(std::make_shared<const KeyEncryptionKey>(std::move(key)));
  return shared;
}

}  // namespace

Result<std::vector<KeyEncryptionKey>> read_key_file(const std::string& path) {
  MUSTER_TRY(const SecretBytes content, read_secret_file(path, kMaxFileSize));
  std::vector<KeyEncryptionKey> keys;
  if (content.size() == kBinaryKeySize) {
    MUSTER_TRY(KeyEncryptionKey key, KeyEncryptionKey::from_bytes(content.view()));
    keys.push_back(std::move(key));
    return keys;
  }
  std::string_view text = as_text(content.view());
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.empty() || line.front() == '#') continue;
    auto octets = from_hex(line);
    if (!octets.ok() || keys.size() == kMaxKeyEncryptionKeys) return invalid(path);
    const SecretBytes secret{std::move(octets).value()};
    auto key = KeyEncryptionKey::from_bytes(secret.view());
    if (!key.ok()) return invalid(path);
    // Twice the same: somebody pasted the wrong line and believes that a rotation is under way.
    if (std::ranges::any_of(keys, [&](const auto& other) { return other.id() == key->id(); })) return invalid(path);
    keys.push_back(std::move(key).value());
  }
  if (keys.empty()) return invalid(path);
  return keys;
}

Result<void> write_key_file(const std::string& path, const std::vector<const KeyEncryptionKey*>& keys) {
  if (keys.empty() || keys.size() > kMaxKeyEncryptionKeys) return invalid(path);
  // Room for all at once: a string that grows leaves copies of the keys behind.
  Bytes text;
  text.reserve(kComment.size() + keys.size() * (2 * kBinaryKeySize + 1));
  text.insert(text.end(), kComment.begin(), kComment.end());
  for (const KeyEncryptionKey* key : keys) {
    std::string line = to_hex(key->octets());
    text.insert(text.end(), line.begin(), line.end());
    text.push_back('\n');
    explicit_bzero(line.data(), line.size());
  }
  const SecretBytes secret{std::move(text)};
  return write_file_durably(path, secret.view(), 0600);
}

Result<std::shared_ptr<KeyRing>> KeyRing::load(const std::string& path) {
  MUSTER_TRY(std::vector<Key> keys, read_shared(path));
  return std::shared_ptr<KeyRing>(new KeyRing(path, std::move(keys)));
}

std::shared_ptr<KeyRing> KeyRing::of(KeyEncryptionKey key) {
  std::vector<Key> keys{std::make_shared<const KeyEncryptionKey>(std::move(key))};
  return std::shared_ptr<KeyRing>(new KeyRing({}, std::move(keys)));
}

KeyRing::Key KeyRing::primary() const {
  const std::lock_guard lock{mutex_};
  return keys_.front();
}

KeyRing::Key KeyRing::find_loaded(const KeyEncryptionKey::Id& id) const {
  const std::lock_guard lock{mutex_};
  const auto found = std::ranges::find_if(keys_, [&](const Key& key) { return key->id() == id; });
  return found == keys_.end() ? nullptr : *found;
}

KeyRing::Key KeyRing::find(const KeyEncryptionKey::Id& id) {
  if (Key key = find_loaded(id)) return key;
  return reload().ok() ? find_loaded(id) : nullptr;
}

Result<void> KeyRing::reload() {
  if (path_.empty()) return {};
  MUSTER_TRY(std::vector<Key> keys, read_shared(path_));
  const std::lock_guard lock{mutex_};
  keys_ = std::move(keys);
  return {};
}

std::vector<std::string> KeyRing::ids() const {
  const std::lock_guard lock{mutex_};
  std::vector<std::string> ids;
  for (const Key& key : keys_) ids.push_back(to_hex(key->id()));
  return ids;
}

}  // namespace muster::ca
