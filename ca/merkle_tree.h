// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the append-only tree of the issuance log (RFC 6962 §2.1, which RFC 9162 §2.1 keeps). A node is named by its
// height (leaves: 0) and its position from the left; only nodes whose leaves are all there have a name.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/bytes.h"
#include "core/record.h"
#include "core/result.h"

namespace muster::ca {

Sha256 merkle_leaf(BytesView entry);  // SHA-256(0x00 | entry)
Sha256 merkle_node(const Sha256& left, const Sha256& right);
Sha256 merkle_empty_root();

struct NodeName {
  unsigned height = 0;
  std::uint64_t position = 0;
  friend auto operator<=>(const NodeName&, const NodeName&) = default;
};

// MerkleFrontier is a tree of which only the largest complete subtrees are kept: enough to append and to compute roots.
class MerkleFrontier {
 public:
  MerkleFrontier() = default;
  // `hashes`: the complete subtrees of `size`'s binary digits, largest first. Reason: transparency.frontier_invalid.
  static Result<MerkleFrontier> restore(std::uint64_t size, std::vector<Sha256> hashes);

  // Calls `completed` for the leaf and each node that is complete with it.
  void append(const Sha256& leaf, const std::function<void(const NodeName&, const Sha256&)>& completed = {});
  std::uint64_t size() const { return size_; }
  const std::vector<Sha256>& hashes() const { return hashes_; }
  Sha256 root() const;

 private:
  std::uint64_t size_ = 0;
  std::vector<Sha256> hashes_;
};

using NodeSource = std::function<Result<Sha256>(const NodeName&)>;
// Proofs as in RFC 6962 §2.1.1 and §2.1.2, nearest to the leaf first. Reasons: those of `nodes`,
// transparency.range_invalid (index >= size, or old size > size).
Result<std::vector<Sha256>> inclusion_proof(std::uint64_t index, std::uint64_t size, const NodeSource& nodes);
Result<std::vector<Sha256>> consistency_proof(std::uint64_t old_size, std::uint64_t size, const NodeSource& nodes);
Result<Sha256> tree_root(std::uint64_t size, const NodeSource& nodes);

struct TreeHead {
  std::uint64_t size = 0;
  Sha256 root{};
};
// RFC 9162 §2.1.4.2. Proofs of inclusion are checked by those who hold certificates (docs/formats/transparency.md).
bool verify_consistency(const TreeHead& old_head, const TreeHead& head, std::span<const Sha256> proof);

// MerkleGroup appends a group of leaves and proves them in the tree that ends with the group, from memory alone.
class MerkleGroup {
 public:
  explicit MerkleGroup(MerkleFrontier before);
  void append(const Sha256& leaf);
  const MerkleFrontier& frontier() const { return frontier_; }
  // Of a leaf of the group.
  Result<std::vector<Sha256>> proof(std::uint64_t index) const;
  // Nodes that the group completed.
  const std::map<NodeName, Sha256>& completed() const { return completed_; }

 private:
  MerkleFrontier frontier_;
  std::map<NodeName, Sha256> before_;
  std::map<NodeName, Sha256> completed_;
};

}  // namespace muster::ca
