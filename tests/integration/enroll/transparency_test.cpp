// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "ca/checkpoint.h"
#include "enroll/authority_context.h"
#include "enroll/log_backfill.h"
#include "enroll/transparency_log.h"
#include "enroll/transparency_reader.h"
#include "integration/enroll/enroll_lab.h"
#include "registry/reasons.h"
#include "support/inclusion.h"

namespace muster::enroll {
namespace {

class Transparency : public EnrollLab {
 protected:
  std::vector<IssuedCertificate> issue(const LabTenant& tenant, const std::string& prefix, int count) {
    std::vector<EnrollRequest> requests;
    for (int i = 0; i < count; ++i) {
      requests.push_back(request(tenant, prefix + std::to_string(i), DeviceKey{}));
      requests.back().create = CreateDevice::kYes;
    }
    std::vector<IssuedCertificate> issued;
    for (auto& result : authority->enroll_batch(tenant.admin, requests)) {
      EXPECT_TRUE(result.ok()) << to_log_text(result.error());
      if (result.ok()) issued.push_back(std::move(*result));
    }
    return issued;
  }
  IssuerId issuer_of(const LabTenant& tenant) { return authority->ensure_tenant_issuer(platform, tenant.id)->id; }
  ca::VerifierKey key() {
    std::string text = TransparencyReader{*authority}.verifier_key().value();
    text.pop_back();
    return ca::parse_verifier_key(text).value();
  }
  std::size_t backfill(const LabTenant& tenant) {
    const auto logged = backfill_log(*authority, tenant.id);
    EXPECT_TRUE(logged.ok()) << to_log_text(logged.error());
    return logged.ok() ? *logged : 0;
  }
  static std::string_view reason_of(const Result<LogInclusion>& result) {
    return result.ok() ? std::string_view{} : result.error().reason;
  }
  // Whether `log` proves the certificate by a checkpoint that the log's key signed.
  bool proves(const LogInclusion& log, const LabTenant& tenant, const Sha256& certificate) {
    const auto head = ca::open_checkpoint(key(), *log.checkpoint);
    const Sha256 entry = ca::log_entry(log.blinding, {tenant.id, issuer_of(tenant), certificate});
    return head.ok() && head->size == log.size &&
           test_support::verify_inclusion(ca::merkle_leaf(entry), log.index, log.size, log.proof, head->root);
  }
};

TEST_F(Transparency, EachCertificateComesWithItsProofAndHasOneLater) {
  std::vector<std::pair<const LabTenant*, IssuedCertificate>> all;
  for (const int count : {1, 3, 200, 70}) {
    for (const LabTenant* tenant : {&acme, &beta}) {
      for (auto& issued : issue(*tenant, "d" + std::to_string(count) + "-", count)) all.emplace_back(tenant, issued);
    }
  }
  std::set<std::uint64_t> places;
  for (const auto& [tenant, issued] : all) {
    ASSERT_TRUE(issued.log);
    EXPECT_TRUE(proves(*issued.log, *tenant, issued.id)) << issued.log->index << " of " << issued.log->size;
    EXPECT_TRUE(places.insert(issued.log->index).second);
  }
  EXPECT_EQ(places.size(), 548U);
  EXPECT_EQ(*places.rbegin(), 547U);
  for (std::size_t i = 0; i < all.size(); i += 37) {
    TransparencyReader reader{*authority};
    const auto later = reader.inclusion(all[i].first->id, all[i].second.id);
    ASSERT_TRUE(later.ok()) << to_log_text(later.error());
    EXPECT_EQ(later->size, 548U);
    EXPECT_TRUE(proves(*later, *all[i].first, all[i].second.id));
  }
}

TEST_F(Transparency, TilesHaveTheRootOfTheCheckpoint) {
  issue(acme, "a", 200);
  issue(beta, "b", 113);
  TransparencyReader reader{*authority};
  const auto head = ca::open_checkpoint(key(), reader.checkpoint().value()).value();
  ASSERT_EQ(head.size, 313U);
  ca::MerkleFrontier frontier;
  for (const auto& [number, width] : {std::pair{0U, 256U}, std::pair{1U, 57U}}) {
    const Bytes entries = reader.entries(number, width).value();
    const Bytes tile = reader.tile({0, number, width}).value();
    for (std::size_t i = 0; i < width; ++i) {
      const Sha256 leaf = ca::merkle_leaf(BytesView{entries}.subspan(34 * i + 2, 32));
      EXPECT_TRUE(std::equal(leaf.begin(), leaf.end(), tile.begin() + static_cast<std::ptrdiff_t>(32 * i)));
      frontier.append(leaf);
    }
    if (number == 0) {
      const Sha256 root = frontier.root();
      const Bytes above = reader.tile({1, 0, 1}).value();
      EXPECT_TRUE(std::ranges::equal(root, above));
    }
  }
  EXPECT_EQ(frontier.root(), head.root);
  EXPECT_FALSE(reader.tile({0, 1, 58}).ok());
  EXPECT_FALSE(reader.entries(2, 1).ok());
}

TEST_F(Transparency, OneTenantOpensItsOwnEntriesOnly) {
  const auto mine = issue(acme, "a", 5);
  issue(beta, "b", 4);
  TransparencyReader reader{*authority};

  EXPECT_EQ(reader.openings(acme.id, 0)->size(), 5U);
  EXPECT_EQ(reader.openings(beta.id, 0)->size(), 4U);
  EXPECT_TRUE(reader.openings(acme.id, 9)->empty());
  const auto foreign = reader.inclusion(beta.id, mine[0].id);
  ASSERT_FALSE(foreign.ok());
  EXPECT_EQ(foreign.error().reason, registry::kCertificateNotFound);
}

TEST_F(Transparency, ARolledBackTransactionLeavesNothing) {
  issue(acme, "a", 3);
  const auto log = TransparencyReader{*authority}.checkpoint().value();
  const auto failed =
      db::run_in_transaction(*pool, db::Scope::of_tenant(acme.id), [&](db::Transaction& tx) -> Result<void> {
        const std::vector<ca::LoggedCertificate> certificates = {{acme.id, issuer_of(acme), Sha256{1}}};
        MUSTER_TRY_VOID(authority->context().transparency->append(tx, acme.id, certificates));
        return Error{ErrorCode::kUnavailable, "test.failed", ""};
      });

  EXPECT_FALSE(failed.ok());
  EXPECT_EQ(TransparencyReader{*authority}.checkpoint().value(), log);
}

// A deployment that issued before it had a log.
TEST_F(Transparency, CertificatesFromBeforeTheLogComeIntoIt) {
  const auto batch = issue(acme, "a", 70);
  const auto one = issue(acme, "b", 1);
  issue(beta, "c", 3);
  database.execute(
      "DELETE FROM muster.transparency_groups; DELETE FROM muster.transparency_nodes;"
      " UPDATE muster.transparency_head SET size = 0, frontier = '{}', checkpoint = ''");
  const auto newer = issue(acme, "d", 2);
  EXPECT_EQ(reason_of(TransparencyReader{*authority}.inclusion(acme.id, one[0].id)), registry::kCertificateNotLogged);

  EXPECT_EQ(backfill(acme), 71U);
  EXPECT_EQ(backfill(acme), 0U) << "each comes into it once";
  EXPECT_EQ(backfill(beta), 3U);

  std::vector<Sha256> ids;
  for (const auto* some : {&batch, &one, &newer}) {
    for (const auto& issued : *some) ids.push_back(issued.id);
  }
  const auto proofs = TransparencyReader{*authority}.inclusions(acme.id, ids);
  ASSERT_TRUE(proofs.ok()) << to_log_text(proofs.error());
  ASSERT_EQ(proofs->size(), 73U);
  for (const auto& [id, log] : *proofs) EXPECT_TRUE(proves(log, acme, id)) << log.index;
  const auto single = TransparencyReader{*authority}.inclusion(acme.id, one[0].id);
  ASSERT_TRUE(single.ok()) << to_log_text(single.error());
  EXPECT_TRUE(proves(*single, acme, one[0].id));
  EXPECT_TRUE(TransparencyReader{*authority}.inclusions(beta.id, ids)->empty());
}

TEST_F(Transparency, AnotherServerGoesOnWithTheSameKey) {
  const auto before = key();
  auto second = make_authority();
  ASSERT_TRUE(second->initialise_deployment().ok());
  std::string text = TransparencyReader{*second}.verifier_key().value();
  text.pop_back();

  EXPECT_EQ(ca::parse_verifier_key(text)->public_key, before.public_key);
}

}  // namespace
}  // namespace muster::enroll
