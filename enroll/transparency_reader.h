// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "ca/merkle_tree.h"
#include "core/id.h"
#include "core/record.h"
#include "core/result.h"
#include "enroll/log_inclusion.h"
#include "enroll/registration_authority.h"

namespace muster::registry {
struct TransparencyState;
}

namespace muster::enroll {

struct LogTile {
  unsigned level = 0;
  std::uint64_t number = 0;
  unsigned width = 256;  // 1 to 256 hashes
};

struct LogOpening {
  std::uint64_t index = 0;
  Sha256 blinding{};
  Sha256 certificate_id{};
  IssuerId issuer;
};

// TransparencyReader answers what anybody may ask of the issuance log, and what the owners of certificates may. One per
// request.
class TransparencyReader {
 public:
  explicit TransparencyReader(RegistrationAuthority& authority);

  // C2SP tlog-checkpoint.
  Result<std::string> checkpoint();
  // "origin+id+key".
  Result<std::string> verifier_key() const;
  // C2SP tlog-tiles: `width` hashes of 32 octets; of entries: each a length of two octets and 32 octets.
  // Reason: transparency.tile_not_found (not yet that wide).
  Result<Bytes> tile(const LogTile& tile);
  Result<Bytes> entries(std::uint64_t number, unsigned width);

  // In the tree of the newest checkpoint. Reasons: certificate.not_found, certificate.not_logged.
  Result<LogInclusion> inclusion(const TenantId& tenant, const Sha256& certificate);
  // The same of several, all in one tree; those that are not in the log are left out.
  Result<std::map<Sha256, LogInclusion>> inclusions(const TenantId& tenant, std::span<const Sha256> certificates);
  // What the tenant's leaves from `first` on commit to; at most about 20 groups that were issued at once.
  Result<std::vector<LogOpening>> openings(const TenantId& tenant, std::uint64_t first);

 private:
  // All hashes of a tile up to `width`: from memory where the tile is whole, else from the registry.
  Result<Bytes> load(const LogTile& tile);
  Result<Bytes> read(const LogTile& tile);
  Result<Sha256> node(std::uint64_t size, const ca::NodeName& name);
  Result<registry::TransparencyState> newest() const;

  AuthorityContext& context_;
  std::map<std::pair<unsigned, std::uint64_t>, Bytes> loaded_;
};

}  // namespace muster::enroll
