// SPDX-License-Identifier: Apache-2.0
//
// Purpose: bearer tokens. The registry keeps only their SHA-256; a token is 32 random octets, so a plain hash is
// enough.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/id.h"
#include "core/record.h"
#include "core/time.h"
#include "db/transaction.h"
#include "registry/page.h"
#include "registry/tenant_store.h"

namespace muster::registry {

enum class TokenRole : std::uint8_t { kPlatformAdmin, kTenantAdmin, kFactory, kAuditor, kApplication, kBroker };
std::string_view to_string(TokenRole role);  // "platform-admin" …
std::optional<TokenRole> parse_token_role(std::string_view text);

struct Token {
  TokenId id;
  TenantId tenant_id;  // nil: of the platform (platform-admin, auditor, broker)
  TokenRole role = TokenRole::kAuditor;
  std::string description;
  UtcTime created_at{};
  std::optional<UtcTime> expires_at;
  std::optional<UtcTime> revoked_at;
  std::vector<std::string> devices;  // see NewToken
};

inline constexpr std::size_t kMaxTokenDevices = 1'000;

struct NewToken {
  TenantId tenant_id;  // nil: of the platform; then the scope is system, otherwise that tenant's
  TokenRole role = TokenRole::kAuditor;
  std::string description;  // at most 256 octets
  std::optional<UtcTime> expires_at;
  Sha256 sha256{};  // of the token's whole text, "mst_…"
  // kFactory only: names of devices whose first certificate it may have although it did not create them.
  std::vector<std::string> devices = {};
};

struct TokenHolder {
  TokenId id;
  TokenRole role = TokenRole::kAuditor;
  TenantId tenant_id;                                  // nil: of the platform
  std::string tenant_name;                             // empty likewise
  TenantStatus tenant_status = TenantStatus::kActive;  // the caller refuses what is not active
};

Result<Token> create_token(db::Transaction& tx, const NewToken& token);
// Scope: system. Reason: token.invalid (unknown, revoked, expired at `now`, its tenant deleted).
Result<TokenHolder> find_token_holder(db::Transaction& tx, const Sha256& sha256, UtcTime now);
// Whether the allow-list of each token names the device beside it; one answer per question, in order. Scope: the
// tenant's, so another tenant's token names nothing.
struct AllowListQuestion {
  TokenId token;
  std::string device;
};
Result<std::vector<bool>> are_on_allow_list(db::Transaction& tx, const TenantId& tenant,
                                            std::span<const AllowListQuestion> questions);
// `tenant` nil: those of the platform (scope system). Newest first; revoked ones too.
Result<Page<Token>> list_tokens(db::Transaction& tx, const TenantId& tenant, const PageRequest& page);
// Reason: token.not_found. Revoking twice is not an error.
Result<void> revoke_token(db::Transaction& tx, const TenantId& tenant, const TokenId& id, UtcTime now);

}  // namespace muster::registry
