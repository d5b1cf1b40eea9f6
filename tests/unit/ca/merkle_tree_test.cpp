// SPDX-License-Identifier: Apache-2.0
#include "ca/merkle_tree.h"

#include <gtest/gtest.h>

#include <string>

#include "ca/checkpoint.h"
#include "ca/reasons.h"
#include "core/encoding.h"
#include "support/inclusion.h"

namespace muster::ca {
namespace {

using test_support::verify_inclusion;

// The leaves and roots that implementations of RFC 6962 test with.
const std::vector<std::string> kEntries = {
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"};
const std::vector<std::string> kRoots = {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                                         "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                                         "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                                         "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
                                         "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                                         "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
                                         "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
                                         "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
                                         "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};

constexpr std::uint64_t kLargest = 300;

Sha256 leaf_of(std::uint64_t index) {
  const std::string text = "leaf " + std::to_string(index);
  return merkle_leaf(as_bytes(text));
}

// A tree of kLargest leaves, with all its nodes and the root at each size.
struct Tree {
  Tree() {
    MerkleFrontier frontier;
    roots.push_back(frontier.root());
    for (std::uint64_t i = 0; i < kLargest; ++i) {
      frontier.append(leaf_of(i), [&](const NodeName& name, const Sha256& hash) { nodes.emplace(name, hash); });
      roots.push_back(frontier.root());
    }
  }
  NodeSource source() const {
    return [this](const NodeName& name) -> Result<Sha256> { return nodes.at(name); };
  }
  std::map<NodeName, Sha256> nodes;
  std::vector<Sha256> roots;
};

TEST(MerkleTree, HasTheRootsThatOthersCompute) {
  MerkleFrontier frontier;
  EXPECT_EQ(to_hex(frontier.root()), kRoots[0]);
  for (std::size_t i = 0; i < kEntries.size(); ++i) {
    frontier.append(merkle_leaf(from_hex(kEntries[i]).value()));
    EXPECT_EQ(to_hex(frontier.root()), kRoots[i + 1]);
  }
}

TEST(MerkleTree, ProvesEachLeafInEachSizeAndNoOtherLeaf) {
  const Tree tree;
  for (std::uint64_t size = 1; size <= kLargest; ++size) {
    ASSERT_EQ(tree_root(size, tree.source()).value(), tree.roots[size]);
    for (std::uint64_t index = 0; index < size; index += 1 + index / 8) {
      const auto proof = inclusion_proof(index, size, tree.source()).value();
      ASSERT_TRUE(verify_inclusion(leaf_of(index), index, size, proof, tree.roots[size])) << index << " of " << size;
      ASSERT_FALSE(verify_inclusion(leaf_of(index + 1), index, size, proof, tree.roots[size]));
      ASSERT_FALSE(verify_inclusion(leaf_of(index), index, size, proof, tree.roots[size - 1]));
      const bool elsewhere = verify_inclusion(leaf_of(index), (index + 1) % size, size, proof, tree.roots[size]);
      ASSERT_EQ(elsewhere, size == 1);
      auto longer = proof;
      longer.push_back(leaf_of(0));
      ASSERT_FALSE(verify_inclusion(leaf_of(index), index, size, longer, tree.roots[size]));
    }
  }
}

TEST(MerkleTree, ProvesThatEachSizeGrewOutOfEachSmallerOne) {
  const Tree tree;
  for (std::uint64_t size = 1; size <= kLargest; size += 1 + size / 16) {
    for (std::uint64_t old_size = 0; old_size <= size; ++old_size) {
      const auto proof = consistency_proof(old_size, size, tree.source()).value();
      const TreeHead before{old_size, tree.roots[old_size]};
      ASSERT_TRUE(verify_consistency(before, {size, tree.roots[size]}, proof)) << old_size << " to " << size;
      if (old_size > 0) {
        ASSERT_FALSE(verify_consistency({old_size, leaf_of(0)}, {size, tree.roots[size]}, proof) && old_size != 1);
        ASSERT_FALSE(verify_consistency(before, {size, leaf_of(7)}, proof));
      }
    }
  }
  EXPECT_FALSE(consistency_proof(3, 2, tree.source()).ok());
  EXPECT_FALSE(inclusion_proof(2, 2, tree.source()).ok());
}

TEST(MerkleTree, AGroupIsProvedFromTheFrontierAlone) {
  const Tree tree;
  for (const std::uint64_t group : {1U, 2U, 7U, 200U}) {
    MerkleFrontier frontier;
    while (frontier.size() + group <= kLargest) {
      const std::uint64_t first = frontier.size();
      MerkleGroup appended{MerkleFrontier::restore(first, frontier.hashes()).value()};
      for (std::uint64_t i = first; i < first + group; ++i) appended.append(leaf_of(i));
      frontier = appended.frontier();
      ASSERT_EQ(frontier.root(), tree.roots[first + group]);
      for (std::uint64_t i = first; i < first + group; ++i) {
        const auto proof = appended.proof(i).value();
        ASSERT_TRUE(verify_inclusion(leaf_of(i), i, first + group, proof, frontier.root()));
      }
    }
  }
  const auto damaged = MerkleFrontier::restore(5, {leaf_of(0)});
  ASSERT_FALSE(damaged.ok());
  EXPECT_EQ(damaged.error().reason, reasons::kFrontierInvalid);
}

TEST(LogEntry, HidesWhatItCommitsTo) {
  const LoggedCertificate certificate{TenantId::random(), IssuerId::random(), leaf_of(1)};
  const Sha256 seed = leaf_of(2);
  const Sha256 entry = log_entry(log_blinding(seed, 5), certificate);
  LoggedCertificate other = certificate;
  other.tenant = TenantId::random();

  EXPECT_EQ(entry, log_entry(log_blinding(seed, 5), certificate));
  EXPECT_NE(entry, log_entry(log_blinding(seed, 6), certificate));
  EXPECT_NE(entry, log_entry(log_blinding(seed, 5), other));
}

TEST(Checkpoint, OfAnotherKeyOriginOrFormIsRefused) {
  const Bytes public_key(32, 7);
  const auto key = parse_verifier_key(verifier_key("example.test/log", public_key)).value();
  const std::string note = signed_checkpoint("example.test/log", {3, leaf_of(1)}, public_key, Bytes(64, 1));

  EXPECT_EQ(key.origin, "example.test/log");
  EXPECT_EQ(key.public_key, public_key);
  EXPECT_TRUE(note.starts_with("example.test/log\n3\n"));
  for (const std::string& text : {note, std::string("x"), std::string("\n\n"), note + note}) {
    const auto opened = open_checkpoint(key, text);
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().reason, reasons::kCheckpointInvalid);
  }
  for (const char* text : {"", "a+b", "a+b+c", "example.test/log+00000000+AQcHBw=="}) {
    EXPECT_FALSE(parse_verifier_key(text).ok()) << text;
  }
}

// The key, text and signature of the Go module checksum database, sum.golang.org, whose notes have this form.
TEST(Checkpoint, ReadsTheNameAndIdOfAKeyThatOthersMade) {
  const auto key = parse_verifier_key("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8");

  ASSERT_TRUE(key.ok());
  EXPECT_EQ(key->origin, "sum.golang.org");
}

}  // namespace
}  // namespace muster::ca
