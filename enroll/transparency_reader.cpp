// SPDX-License-Identifier: Apache-2.0
#include "enroll/transparency_reader.h"

#include <algorithm>

#include "ca/checkpoint.h"
#include "db/transaction.h"
#include "enroll/authority_context.h"
#include "enroll/reasons.h"
#include "enroll/transparency_log.h"
#include "registry/transparency_store.h"

namespace muster::enroll {

namespace {

constexpr unsigned kTileHeight = 8;
constexpr std::uint64_t kTileWidth = 256;
constexpr std::size_t kHash = 32;
constexpr std::size_t kGroupsAtOnce = 20;

Sha256 hash_at(BytesView hashes, std::uint64_t place) {
  Sha256 hash{};
  std::ranges::copy(hashes.subspan(place * kHash, kHash), hash.begin());
  return hash;
}

Error no_tile() { return {ErrorCode::kNotFound, reasons::kTileNotFound, ""}; }

}  // namespace

TransparencyReader::TransparencyReader(RegistrationAuthority& authority) : context_(authority.context()) {}

Result<std::string> TransparencyReader::verifier_key() const {
  MUSTER_TRY_VOID(context_.require_initialised());
  return context_.transparency->verifier_key() + "\n";
}

Result<registry::TransparencyState> TransparencyReader::newest() const {
  return db::run_in_transaction(context_.pool, db::Scope::system(),
                                [](db::Transaction& tx) { return registry::read_transparency_state(tx); });
}

Result<std::string> TransparencyReader::checkpoint() {
  MUSTER_TRY_VOID(context_.require_initialised());
  MUSTER_TRY(const auto state, newest());
  if (state.size == 0) return context_.transparency->sign({0, ca::merkle_empty_root()});
  return state.checkpoint;
}

Result<Bytes> TransparencyReader::load(const LogTile& tile) {
  MUSTER_TRY_VOID(context_.require_initialised());
  TileCache& cache = context_.transparency->tiles();
  if (const auto kept = cache.find({tile.level, tile.number})) {
    return Bytes(kept->begin(), kept->begin() + static_cast<std::ptrdiff_t>(tile.width * kHash));
  }
  MUSTER_TRY(Bytes hashes, read(tile));
  if (hashes.size() == kTileWidth * kHash) {
    cache.keep({tile.level, tile.number}, std::make_shared<const Bytes>(hashes));
  }
  return hashes;
}

Result<Bytes> TransparencyReader::read(const LogTile& tile) {
  const std::uint64_t first = tile.number * kTileWidth;
  return db::run_in_transaction(context_.pool, db::Scope::system(), [&](db::Transaction& tx) -> Result<Bytes> {
    if (tile.level > 0) {
      return registry::read_transparency_nodes(tx, tile.level * kTileHeight, first, first + tile.width);
    }
    MUSTER_TRY(const Bytes entries, registry::read_transparency_entries(tx, first, first + tile.width));
    Bytes hashes;
    hashes.reserve(entries.size());
    for (std::size_t at = 0; at < entries.size(); at += kHash) {
      const Sha256 leaf = ca::merkle_leaf(BytesView{entries}.subspan(at, kHash));
      hashes.insert(hashes.end(), leaf.begin(), leaf.end());
    }
    return hashes;
  });
}

Result<Bytes> TransparencyReader::tile(const LogTile& tile) {
  MUSTER_TRY(Bytes hashes, load(tile));
  if (hashes.size() < tile.width * kHash) return no_tile();
  return hashes;
}

Result<Bytes> TransparencyReader::entries(std::uint64_t number, unsigned width) {
  const std::uint64_t first = number * kTileWidth;
  MUSTER_TRY(const Bytes entries, db::run_in_transaction(context_.pool, db::Scope::system(), [&](db::Transaction& tx) {
               return registry::read_transparency_entries(tx, first, first + width);
             }));
  if (entries.size() < width * kHash) return no_tile();
  Bytes bundle;
  for (std::size_t at = 0; at < entries.size(); at += kHash) {
    bundle.push_back(0);
    bundle.push_back(kHash);
    bundle.insert(bundle.end(), entries.begin() + static_cast<std::ptrdiff_t>(at),
                  entries.begin() + static_cast<std::ptrdiff_t>(at + kHash));
  }
  return bundle;
}

// A node is the root of a part of a tile: 2^(height mod 8) neighbouring hashes of it.
Result<Sha256> TransparencyReader::node(std::uint64_t size, const ca::NodeName& name) {
  const unsigned level = name.height / kTileHeight;
  const unsigned inside = name.height % kTileHeight;
  const std::uint64_t first = name.position << inside;
  const std::uint64_t number = first / kTileWidth;
  const auto [found, fresh] = loaded_.try_emplace({level, number});
  if (fresh) {
    const std::uint64_t there = (size >> (level * kTileHeight)) - number * kTileWidth;
    MUSTER_TRY(found->second, load({level, number, static_cast<unsigned>(std::min(there, kTileWidth))}));
  }
  const BytesView hashes{found->second};
  const std::uint64_t place = first % kTileWidth;
  const std::uint64_t count = std::uint64_t{1} << inside;
  if ((place + count) * kHash > hashes.size()) return internal_error("the log lacks leaves");
  ca::MerkleFrontier part;
  for (std::uint64_t i = 0; i < count; ++i) part.append(hash_at(hashes, place + i));
  return part.root();
}

Result<LogInclusion> TransparencyReader::inclusion(const TenantId& tenant, const Sha256& certificate) {
  MUSTER_TRY_VOID(context_.require_initialised());
  MUSTER_TRY(const registry::LoggedPlace place,
             db::run_in_transaction(context_.pool, db::Scope::of_tenant(tenant), [&](db::Transaction& tx) {
               return registry::find_logged(tx, tenant, certificate);
             }));
  // After the place: the checkpoint is then of a tree that has it.
  MUSTER_TRY(auto state, newest());
  LogInclusion inclusion;
  inclusion.index = place.index;
  inclusion.size = state.size;
  inclusion.blinding = ca::log_blinding(place.seed, place.index);
  inclusion.checkpoint = std::make_shared<const std::string>(std::move(state.checkpoint));
  MUSTER_TRY(inclusion.proof, ca::inclusion_proof(place.index, state.size,
                                                  [&](const ca::NodeName& name) { return node(state.size, name); }));
  return inclusion;
}

Result<std::map<Sha256, LogInclusion>> TransparencyReader::inclusions(const TenantId& tenant,
                                                                      std::span<const Sha256> certificates) {
  MUSTER_TRY_VOID(context_.require_initialised());
  MUSTER_TRY(const auto leaves,
             db::run_in_transaction(context_.pool, db::Scope::of_tenant(tenant), [&](db::Transaction& tx) {
               return registry::find_logged_leaves(tx, tenant, certificates);
             }));
  std::map<Sha256, LogInclusion> found;
  if (leaves.empty()) return found;
  MUSTER_TRY(auto state, newest());
  const auto checkpoint = std::make_shared<const std::string>(std::move(state.checkpoint));
  // Neighbours share most of their proofs.
  std::map<ca::NodeName, Sha256> known;
  const auto source = [&](const ca::NodeName& name) -> Result<Sha256> {
    if (const auto seen = known.find(name); seen != known.end()) return seen->second;
    MUSTER_TRY(const Sha256 hash, node(state.size, name));
    return known.emplace(name, hash).first->second;
  };
  for (const auto& [id, leaf] : leaves) {
    LogInclusion& inclusion = found[id];
    inclusion.index = leaf.index;
    inclusion.size = state.size;
    inclusion.blinding = ca::log_blinding(leaf.seed, leaf.index);
    inclusion.checkpoint = checkpoint;
    MUSTER_TRY(inclusion.proof, ca::inclusion_proof(leaf.index, state.size, source));
  }
  return found;
}

Result<std::vector<LogOpening>> TransparencyReader::openings(const TenantId& tenant, std::uint64_t first) {
  MUSTER_TRY(const auto rows,
             db::run_in_transaction(context_.pool, db::Scope::of_tenant(tenant), [&](db::Transaction& tx) {
               return registry::list_logged(tx, tenant, first, kGroupsAtOnce);
             }));
  std::vector<LogOpening> openings;
  openings.reserve(rows.size());
  for (const auto& row : rows) {
    openings.push_back({row.index, ca::log_blinding(row.seed, row.index), row.certificate_id, row.issuer_id});
  }
  return openings;
}

}  // namespace muster::enroll
