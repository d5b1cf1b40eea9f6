// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the rows of the issuance log (docs/formats/transparency.md): its key, its head, its leaves by groups, and
// the nodes that tiles are made of. What they mean is ca/merkle_tree.h's business.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "core/record.h"
#include "core/time.h"
#include "db/transaction.h"

namespace muster::registry {

struct TransparencyKey {
  KeyId id;
  std::string origin;
  Bytes public_key;    // 32 octets
  std::string kek_id;  // lower-case hexadecimal
  Bytes blob;
};
// Scope: system, for the three. Offering a second key does nothing: the log keeps its first.
Result<std::optional<TransparencyKey>> find_transparency_key(db::Transaction& tx);
Result<void> offer_transparency_key(db::Transaction& tx, const TransparencyKey& key);
Result<void> rewrap_transparency_key(db::Transaction& tx, const TransparencyKey& key);

struct TransparencyHead {
  std::uint64_t size = 0;
  std::vector<Sha256> frontier;
};
// Locks the head until the transaction's end. Scope: a tenant's.
Result<TransparencyHead> lock_transparency_head(db::Transaction& tx);

struct TransparencyNode {
  unsigned height = 0;  // a multiple of 8
  std::uint64_t position = 0;
  Sha256 hash{};
};
struct TransparencyGroup {
  std::uint64_t first_index = 0;
  Sha256 seed{};
  Bytes entries;          // 32 octets a leaf
  Bytes certificate_ids;  // 32 octets a leaf
};
struct TransparencyAppend {
  TransparencyGroup group;
  std::vector<Sha256> frontier;  // after the group
  std::string checkpoint;        // signed, of the size after the group
  std::vector<TransparencyNode> nodes;
  std::optional<UnixMicros> stored_at{};  // of the certificates; absent: this transaction stores them
};
// Appends behind the head that this transaction has locked. Scope: the tenant's.
Result<void> append_transparency(db::Transaction& tx, const TenantId& tenant, const TransparencyAppend& append);

// The newest signed checkpoint, empty before the first certificate. Scope: system, as for the reads of leaves and
// nodes.
struct TransparencyState {
  std::uint64_t size = 0;
  std::string checkpoint;
};
Result<TransparencyState> read_transparency_state(db::Transaction& tx);
// What the head says and where the leaves end: the same number, or rows were changed by hand.
struct TransparencyExtent {
  std::uint64_t size = 0;
  std::uint64_t leaves_end = 0;
};
Result<TransparencyExtent> read_transparency_extent(db::Transaction& tx);
// Entries of leaves first to last (exclusive), 32 octets each; fewer where leaves are missing.
Result<Bytes> read_transparency_entries(db::Transaction& tx, std::uint64_t first, std::uint64_t last);
// Hashes of nodes first to last (exclusive) of one height, 32 octets each; fewer where nodes are missing.
Result<Bytes> read_transparency_nodes(db::Transaction& tx, unsigned height, std::uint64_t first, std::uint64_t last);

struct LoggedPlace {
  std::uint64_t index = 0;
  Sha256 seed{};
  IssuerId issuer_id;
};
// Where a certificate of the tenant lies. Reasons: certificate.not_found, certificate.not_logged.
Result<LoggedPlace> find_logged(db::Transaction& tx, const TenantId& tenant, const Sha256& certificate);

struct LoggedLeaf {
  std::uint64_t index = 0;
  Sha256 seed{};
};
// The same of several at once; those that are not in the log are left out.
Result<std::map<Sha256, LoggedLeaf>> find_logged_leaves(db::Transaction& tx, const TenantId& tenant,
                                                        std::span<const Sha256> certificates);

// One transaction at a time, until its end; false: another one has it. Scope: system.
Result<bool> take_backfill_turn(db::Transaction& tx);
// Certificates of the tenant that no group has: stored before there was a log. The oldest come first, at most `limit`.
struct UnloggedCertificate {
  Sha256 id{};
  IssuerId issuer_id;
  UnixMicros stored_at = 0;
};
Result<std::vector<UnloggedCertificate>> list_unlogged(db::Transaction& tx, const TenantId& tenant, std::size_t limit);

struct LoggedOpening {
  std::uint64_t index = 0;
  Sha256 seed{};
  Sha256 certificate_id{};
  IssuerId issuer_id;
};
// What the tenant's leaves commit to, from the group that begins at `first` or next behind it, at most `limit` groups
// (of up to 1,000 leaves each).
Result<std::vector<LoggedOpening>> list_logged(db::Transaction& tx, const TenantId& tenant, std::uint64_t first,
                                               std::size_t limit);

}  // namespace muster::registry
