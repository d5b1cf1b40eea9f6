// SPDX-License-Identifier: Apache-2.0
#include "enroll/transparency_log.h"

#include "core/encoding.h"
#include "core/random.h"
#include "registry/transparency_store.h"

namespace muster::enroll {

namespace {

constexpr unsigned kTileHeight = 8;       // C2SP tlog-tiles
constexpr std::size_t kMostTiles = 1024;  // of 8 KiB: four million entries

using Opened = std::pair<ca::HeartbeatKey, registry::TransparencyKey>;

Result<Opened> open_key(db::Transaction& tx, ca::KeyRing& ring, const std::string& deployment,
                        const std::string& origin) {
  MUSTER_TRY(auto row, registry::find_transparency_key(tx));
  if (!row) {
    MUSTER_TRY(auto made, ca::HeartbeatKey::make(*ring.primary(), deployment));
    MUSTER_TRY_VOID(registry::offer_transparency_key(tx, {made.id, origin, made.public_key, made.kek_id, made.blob}));
    MUSTER_TRY(row, registry::find_transparency_key(tx));  // another server may have come first
    if (!row) return internal_error("the log's key was not stored");
  }
  MUSTER_TRY(auto key, ca::HeartbeatKey::open(ring, deployment, {row->id, row->public_key, row->kek_id, row->blob}));
  const auto primary = ring.primary();
  if (row->kek_id != to_hex(primary->id())) {
    MUSTER_TRY(auto wrapped, key.wrap(*primary, deployment));
    row->kek_id = std::move(wrapped.kek_id);
    row->blob = std::move(wrapped.blob);
    MUSTER_TRY_VOID(registry::rewrap_transparency_key(tx, *row));
  }
  return Opened{std::move(key), std::move(*row)};
}

void append_octets(Bytes& to, const Sha256& hash) { to.insert(to.end(), hash.begin(), hash.end()); }

Sha256 random_seed() {
  Sha256 seed;
  fill_random(seed);
  return seed;
}

}  // namespace

std::shared_ptr<const Bytes> TileCache::find(const Name& name) const {
  const std::lock_guard lock{mutex_};
  const auto found = tiles_.find(name);
  return found == tiles_.end() ? nullptr : found->second;
}

// The lowest and leftmost go first: who follows the log asks for its end, who proves asks for its top.
void TileCache::keep(const Name& name, std::shared_ptr<const Bytes> hashes) {
  const std::lock_guard lock{mutex_};
  tiles_.insert_or_assign(name, std::move(hashes));
  if (tiles_.size() > kMostTiles) tiles_.erase(tiles_.begin());
}

Result<std::unique_ptr<TransparencyLog>> TransparencyLog::open(db::ConnectionPool& pool, ca::KeyRing& ring,
                                                               const std::string& deployment,
                                                               const std::string& trust_domain) {
  MUSTER_TRY(Opened opened, db::run_in_transaction(pool, db::Scope::system(), [&](db::Transaction& tx) {
               return open_key(tx, ring, deployment, trust_domain + "/issuance-log");
             }));
  auto& [key, row] = opened;
  return std::unique_ptr<TransparencyLog>(
      new TransparencyLog(std::move(key), deployment, std::move(row.origin), std::move(row.public_key)));
}

Result<void> TransparencyLog::rewrap(db::ConnectionPool& pool, ca::KeyRing& ring) const {
  MUSTER_TRY_VOID(db::run_in_transaction(
      pool, db::Scope::system(), [&](db::Transaction& tx) { return open_key(tx, ring, deployment_, origin_); }));
  return {};
}

Result<std::string> TransparencyLog::sign(const ca::TreeHead& head) const {
  const std::string text = ca::checkpoint_text(origin_, head);
  MUSTER_TRY(const Bytes signature, key_.sign(as_bytes(text)));
  return ca::signed_checkpoint(origin_, head, public_key_, signature);
}

Result<std::vector<LogInclusion>> TransparencyLog::append(db::Transaction& tx, const TenantId& tenant,
                                                          std::span<const ca::LoggedCertificate> certificates,
                                                          std::optional<UnixMicros> stored_at) const {
  if (certificates.empty()) return std::vector<LogInclusion>{};
  MUSTER_TRY(registry::TransparencyHead head, registry::lock_transparency_head(tx));
  MUSTER_TRY(auto before, ca::MerkleFrontier::restore(head.size, std::move(head.frontier)));
  ca::MerkleGroup tree{std::move(before)};
  registry::TransparencyAppend append;
  append.stored_at = stored_at;
  append.group.first_index = head.size;
  append.group.seed = random_seed();
  std::vector<LogInclusion> inclusions(certificates.size());
  for (std::size_t i = 0; i < certificates.size(); ++i) {
    inclusions[i].index = head.size + i;
    inclusions[i].blinding = ca::log_blinding(append.group.seed, inclusions[i].index);
    const Sha256 entry = ca::log_entry(inclusions[i].blinding, certificates[i]);
    append_octets(append.group.entries, entry);
    append_octets(append.group.certificate_ids, certificates[i].id);
    tree.append(ca::merkle_leaf(entry));
  }
  const ca::TreeHead after{tree.frontier().size(), tree.frontier().root()};
  MUSTER_TRY(append.checkpoint, sign(after));
  append.frontier = tree.frontier().hashes();
  for (const auto& [name, hash] : tree.completed()) {
    if (name.height > 0 && name.height % kTileHeight == 0) append.nodes.push_back({name.height, name.position, hash});
  }
  MUSTER_TRY_VOID(registry::append_transparency(tx, tenant, append));
  const auto checkpoint = std::make_shared<const std::string>(append.checkpoint);
  for (LogInclusion& inclusion : inclusions) {
    inclusion.size = after.size;
    inclusion.checkpoint = checkpoint;
    MUSTER_TRY(inclusion.proof, tree.proof(inclusion.index));
  }
  return inclusions;
}

}  // namespace muster::enroll
