// SPDX-License-Identifier: Apache-2.0
#include "ca/key_store.h"

namespace muster::ca {

namespace {
constexpr std::string_view kFileName = "file";
constexpr std::string_view kPkcs11Name = "pkcs11";
}  // namespace

std::string_view to_string(KeyStoreKind kind) { return kind == KeyStoreKind::kFile ? kFileName : kPkcs11Name; }

std::optional<KeyStoreKind> parse_key_store_kind(std::string_view name) {
  if (name == kFileName) return KeyStoreKind::kFile;
  if (name == kPkcs11Name) return KeyStoreKind::kPkcs11;
  return std::nullopt;
}

}  // namespace muster::ca
