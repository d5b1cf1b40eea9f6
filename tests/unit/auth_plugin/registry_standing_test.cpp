// SPDX-License-Identifier: Apache-2.0
//
// A certificate that the registry lists for another device of the tenant than the one that it names.
#include "auth-plugin/registry_standing.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "auth-plugin/reasons.h"
#include "edge/base_file_writer.h"
#include "edge/name_hash.h"
#include "edge/snapshot_loader.h"
#include "support/filled_hash.h"

namespace muster::auth_plugin {
namespace {

using test_support::filled_hash;

const UtcTime kNow{std::chrono::seconds{1'800'000'000}};

class StandingOf : public testing::Test {
 protected:
  StandingOf() {
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
    issuer_.tenant_id = device_.tenant_id = listed_.tenant_id = tenant_.id;
    issuer_.spki_sha256 = filled_hash(9);
    device_.id = listed_.device_id = DeviceId::random();
    device_.name = "d1";
    listed_.id = filled_hash(1);
    listed_.issuer_id = issuer_.id;
    listed_.not_after = kNow + std::chrono::hours(1);
    EXPECT_TRUE(edge::write_base_file(edge::base_path(folder_), 0600, {RawId{}, 1},
                                      std::vector<edge::IdentityChange>{tenant_, issuer_, device_, listed_})
                    .ok());
    state_.view = base_ = edge::load_base(folder_, geteuid()).value();
    state_.generation = 1;
  }
  ~StandingOf() override { std::filesystem::remove_all(folder_); }

  // The reason, "" where it is let in. The certificate names `device`; the registry lists it for d1.
  std::string_view connect_as(std::string_view device) const {
    const PeerEvidence evidence{
        .certificate_id = listed_.id,
        .principal = {TenantName::parse("acme").value(), DeviceName::parse(std::string(device)).value()},
        .tenant_id = tenant_.id,
        .issuer_id = issuer_.id,
        .anchor_key = issuer_.spki_sha256,
        .not_after = listed_.not_after,
        .credential_id = listed_.id};
    const std::string principal = evidence.principal.text();
    ConnectQuestion question;
    question.state = &state_;
    question.snapshot_fresh = true;
    question.evidence = &evidence;
    question.has_certificate = true;
    question.client_id = principal;
    question.now = kNow;
    const auto decided = decide_connect(question);
    return decided.ok() ? std::string_view() : decided.error().reason;
  }

  std::string folder_ = "/tmp/muster-standing-XXXXXX";
  edge::TenantState tenant_{TenantId::random(), "acme"};
  edge::IssuerState issuer_{.id = IssuerId::random(), .tenant_id = {}, .certificate = {}};
  edge::DeviceState device_;
  edge::CertificateState listed_;
  std::shared_ptr<const edge::SnapshotView> base_;
  IdentityState state_;
};

TEST_F(StandingOf, CertificateListedForAnotherDeviceIsRefusedByABase) {
  EXPECT_EQ(connect_as("d1"), "");
  int mistaken = 0;
  for (int i = 2; i < 1002; ++i) {
    const std::string other = "d" + std::to_string(i);
    const std::string_view reason = connect_as(other);
    const bool same_hash = edge::name_hash(other) == edge::name_hash("d1");
    EXPECT_EQ(reason, same_hash ? std::string_view() : reasons::kDeviceMismatch) << other;
    mistaken += same_hash ? 1 : 0;
  }
  EXPECT_LE(mistaken, 10) << "one name in 256";
}

TEST_F(StandingOf, CertificateListedForAnotherDeviceIsAlwaysRefusedByADelta) {
  state_.view = base_->with({RawId{}, 2}, std::vector<edge::IdentityChange>{device_});
  state_.generation = 2;
  EXPECT_EQ(connect_as("d1"), "");
  for (int i = 2; i < 1002; ++i) EXPECT_EQ(connect_as("d" + std::to_string(i)), reasons::kDeviceMismatch);
}

}  // namespace
}  // namespace muster::auth_plugin
