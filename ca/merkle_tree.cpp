// SPDX-License-Identifier: Apache-2.0
#include "ca/merkle_tree.h"

#include <algorithm>
#include <bit>

#include "ca/reasons.h"
#include "x509/sha256.h"

namespace muster::ca {
namespace {

constexpr std::uint8_t kLeafPrefix = 0;
constexpr std::uint8_t kNodePrefix = 1;

// Leaves first (inclusive) to last (exclusive). Ranges arise only by halving, so a range of 2^n leaves is a node.
struct Range {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t size() const { return last - first; }
  // RFC 6962 §2.1: the largest power of two smaller than the size.
  std::uint64_t middle() const { return first + std::bit_floor(size() - 1); }
};

Result<Sha256> range_root(const Range& range, const NodeSource& nodes) {
  if (std::has_single_bit(range.size())) {
    const auto height = static_cast<unsigned>(std::countr_zero(range.size()));
    return nodes({height, range.first >> height});
  }
  MUSTER_TRY(const Sha256 left, range_root({range.first, range.middle()}, nodes));
  MUSTER_TRY(const Sha256 right, range_root({range.middle(), range.last}, nodes));
  return merkle_node(left, right);
}

Error invalid_range() { return {ErrorCode::kInvalidArgument, reasons::kTreeRangeInvalid, ""}; }

}  // namespace

Sha256 merkle_leaf(BytesView entry) {
  Bytes input{kLeafPrefix};
  input.insert(input.end(), entry.begin(), entry.end());
  return x509::sha256(input);
}

Sha256 merkle_node(const Sha256& left, const Sha256& right) {
  std::array<std::uint8_t, 65> input{kNodePrefix};
  std::ranges::copy(left, input.begin() + 1);
  std::ranges::copy(right, input.begin() + 33);
  return x509::sha256(input);
}

Sha256 merkle_empty_root() { return x509::sha256({}); }

Result<MerkleFrontier> MerkleFrontier::restore(std::uint64_t size, std::vector<Sha256> hashes) {
  if (hashes.size() != static_cast<std::size_t>(std::popcount(size))) {
    return Error{ErrorCode::kCorrupt, reasons::kFrontierInvalid, std::to_string(size)};
  }
  MerkleFrontier frontier;
  frontier.size_ = size;
  frontier.hashes_ = std::move(hashes);
  return frontier;
}

void MerkleFrontier::append(const Sha256& leaf, const std::function<void(const NodeName&, const Sha256&)>& completed) {
  NodeName name{0, size_};
  Sha256 hash = leaf;
  if (completed) completed(name, hash);
  for (; (name.position & 1) != 0; name = {name.height + 1, name.position >> 1}) {
    hash = merkle_node(hashes_.back(), hash);
    hashes_.pop_back();
    if (completed) completed({name.height + 1, name.position >> 1}, hash);
  }
  hashes_.push_back(hash);
  ++size_;
}

Sha256 MerkleFrontier::root() const {
  if (hashes_.empty()) return merkle_empty_root();
  Sha256 root = hashes_.back();
  for (std::size_t i = hashes_.size() - 1; i-- > 0;) root = merkle_node(hashes_[i], root);
  return root;
}

Result<Sha256> tree_root(std::uint64_t size, const NodeSource& nodes) {
  if (size == 0) return merkle_empty_root();
  return range_root({0, size}, nodes);
}

Result<std::vector<Sha256>> inclusion_proof(std::uint64_t index, std::uint64_t size, const NodeSource& nodes) {
  if (index >= size) return invalid_range();
  std::vector<Sha256> proof;
  for (Range range{0, size}; range.size() > 1;) {
    const std::uint64_t middle = range.middle();
    const bool left = index < middle;
    const Range other = left ? Range{middle, range.last} : Range{range.first, middle};
    MUSTER_TRY(const Sha256 hash, range_root(other, nodes));
    proof.push_back(hash);
    range = left ? Range{range.first, middle} : Range{middle, range.last};
  }
  std::ranges::reverse(proof);
  return proof;
}

Result<std::vector<Sha256>> consistency_proof(std::uint64_t old_size, std::uint64_t size, const NodeSource& nodes) {
  if (old_size > size) return invalid_range();
  std::vector<Sha256> proof;
  if (old_size == 0 || old_size == size) return proof;
  Range range{0, size};
  bool whole = true;  // the old tree is, so far, a node that the verifier knows: its root
  while (range.last != old_size) {
    const std::uint64_t middle = range.middle();
    const bool left = old_size <= middle;
    MUSTER_TRY(const Sha256 hash, range_root(left ? Range{middle, range.last} : Range{range.first, middle}, nodes));
    proof.push_back(hash);
    if (!left) whole = false;
    range = left ? Range{range.first, middle} : Range{middle, range.last};
  }
  if (!whole) {
    MUSTER_TRY(const Sha256 hash, range_root(range, nodes));
    proof.push_back(hash);
  }
  std::ranges::reverse(proof);
  return proof;
}

bool verify_consistency(const TreeHead& old_head, const TreeHead& head, std::span<const Sha256> proof) {
  if (old_head.size > head.size) return false;
  if (old_head.size == head.size) return proof.empty() && old_head.root == head.root;
  if (old_head.size == 0) return proof.empty() && old_head.root == merkle_empty_root();
  if (proof.empty()) return false;
  const bool starts_with_root = std::has_single_bit(old_head.size);
  std::uint64_t at = old_head.size - 1;
  std::uint64_t last = head.size - 1;
  while ((at & 1) != 0) {
    at >>= 1;
    last >>= 1;
  }
  Sha256 old_hash = starts_with_root ? old_head.root : proof.front();
  Sha256 hash = old_hash;
  for (const Sha256& sibling : proof.subspan(starts_with_root ? 0 : 1)) {
    if (last == 0) return false;
    if ((at & 1) != 0 || at == last) {
      old_hash = merkle_node(sibling, old_hash);
      hash = merkle_node(sibling, hash);
      while ((at & 1) == 0 && at != 0) {
        at >>= 1;
        last >>= 1;
      }
    } else {
      hash = merkle_node(hash, sibling);
    }
    at >>= 1;
    last >>= 1;
  }
  return last == 0 && old_hash == old_head.root && hash == head.root;
}

MerkleGroup::MerkleGroup(MerkleFrontier before) : frontier_(std::move(before)) {
  std::uint64_t first = 0;
  std::size_t next = 0;
  for (std::uint64_t rest = frontier_.size(); rest != 0; rest ^= std::bit_floor(rest)) {
    const auto height = static_cast<unsigned>(std::bit_width(rest) - 1);
    before_.emplace(NodeName{height, first >> height}, frontier_.hashes()[next++]);
    first += std::bit_floor(rest);
  }
}

void MerkleGroup::append(const Sha256& leaf) {
  frontier_.append(leaf, [&](const NodeName& name, const Sha256& hash) { completed_.emplace(name, hash); });
}

Result<std::vector<Sha256>> MerkleGroup::proof(std::uint64_t index) const {
  return inclusion_proof(index, frontier_.size(), [&](const NodeName& name) -> Result<Sha256> {
    if (const auto found = completed_.find(name); found != completed_.end()) return found->second;
    if (const auto found = before_.find(name); found != before_.end()) return found->second;
    return internal_error("a proof in the group needs a node before it");
  });
}

}  // namespace muster::ca
