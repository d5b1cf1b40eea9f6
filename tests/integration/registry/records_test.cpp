// SPDX-License-Identifier: Apache-2.0
#include <future>

#include "core/encoding.h"
#include "integration/registry/registry_fixture.h"
#include "registry/audit_chain.h"
#include "registry/audit_store.h"
#include "registry/batch_store.h"
#include "registry/idempotency_store.h"
#include "registry/reasons.h"

namespace muster::registry {
namespace {

class Audit : public RegistryTest {
 protected:
  static AuditEvent event_of(const TenantId& tenant, std::string action = "device.create") {
    AuditEvent event;
    event.tenant_id = tenant;
    event.at = 1'795'000'000'123'456;
    event.actor = "token:1";
    event.action = std::move(action);
    event.target = "device:2";
    event.target_name = "pump";
    event.detail = {{AuditField::kReason, "ok"}, {AuditField::kCount, "3"}};
    return event;
  }
  void append(const TenantId& tenant, int count) {
    const std::vector<AuditEvent> events(static_cast<std::size_t>(count), event_of(tenant));
    must(in_system([&](Transaction& tx) { return append_audit_events(tx, events); }));
  }
  std::size_t chain(std::size_t limit = 100) {
    return must(in_system([&](Transaction& tx) { return chain_audit_events(tx, limit); }));
  }
  Result<ChainState> verify(const TenantId& tenant) {
    return in_system([&](Transaction& tx) { return verify_audit_chain(tx, tenant); });
  }
};

TEST_F(Audit, EachTenantHasItsOwnDenseChain) {
  const Tenant acme = make_tenant("acme");
  const Tenant beta = make_tenant("beta");
  append(acme.id, 3);
  append(beta.id, 2);
  append({}, 1);

  EXPECT_EQ(chain(4), 5U);  // whole groups
  EXPECT_EQ(chain(), 1U);
  EXPECT_EQ(chain(), 0U);

  EXPECT_EQ(must(verify(acme.id)).length, 3U);
  EXPECT_EQ(must(verify(beta.id)).length, 2U);
  EXPECT_EQ(must(verify({})).length, 1U);
  EXPECT_EQ(must(verify(TenantId::random())).length, 0U);
}

TEST_F(Audit, AChangedOrRemovedRowBreaksTheChain) {
  const Tenant tenant = make_tenant("acme");
  append(tenant.id, 5);
  chain();
  ASSERT_TRUE(verify(tenant.id).ok());

  database_.execute("UPDATE muster.audit_events SET detail = detail || '{\"count\": \"4\"}' WHERE id = 3");
  const auto changed = verify(tenant.id);
  database_.execute("UPDATE muster.audit_events SET detail = detail || '{\"count\": \"3\"}' WHERE id = 3");
  const auto restored = verify(tenant.id);
  database_.execute("DELETE FROM muster.audit_chain WHERE sequence = 2");
  const auto removed = verify(tenant.id);

  EXPECT_EQ(reason_of(changed), kAuditChainBroken);
  EXPECT_EQ(changed.error().detail, "at sequence 3");
  EXPECT_TRUE(restored.ok());
  EXPECT_EQ(reason_of(removed), kAuditChainBroken);
}

TEST_F(Audit, AnEventCommittedLateIsChainedLater) {
  const Tenant tenant = make_tenant("acme");
  must(in(tenant.id, [&](Transaction& slow) -> Result<void> {
    MUSTER_TRY_VOID(append_audit_event(slow, event_of(tenant.id, "slow")));
    append(tenant.id, 1);
    EXPECT_EQ(chain(), 1U);
    return {};
  }));

  EXPECT_EQ(chain(), 1U);
  EXPECT_EQ(must(verify(tenant.id)).length, 2U);
}

TEST_F(Audit, EventsAreListedNewestFirstWithWhatTheyCarry) {
  const Tenant tenant = make_tenant("acme");
  append(tenant.id, 2);
  append({}, 1);
  chain();
  AuditEvent odd = event_of(tenant.id, "device.delete");
  odd.detail = {{AuditField::kDetail, std::string("a\n\xff", 3) + std::string(2000, 'x')}};
  must(in(tenant.id, [&](Transaction& tx) { return append_audit_event(tx, odd); }));

  const auto own = must(in(tenant.id, [&](Transaction& tx) { return list_audit_events(tx, {tenant.id}, {2, ""}); }));
  const auto rest = must(in(tenant.id, [&](Transaction& tx) {
    return list_audit_events(tx, {tenant.id}, {2, own.next_cursor});
  }));
  const auto all = must(in_system([](Transaction& tx) { return list_audit_events(tx, {}, {}); }));

  ASSERT_EQ(own.items.size(), 2U);
  EXPECT_EQ(own.items[0].action, "device.delete");
  EXPECT_FALSE(own.items[0].sequence.has_value());
  EXPECT_EQ(own.items[0].detail[0].second.substr(0, 4), "a??x");
  EXPECT_EQ(own.items[0].detail[0].second.size(), kMaxAuditValue);
  EXPECT_EQ(own.items[1].sequence, 2U);
  EXPECT_EQ(own.items[1].at, 1'795'000'000'123'456);
  EXPECT_EQ(own.items[1].tenant_name, "acme");
  EXPECT_EQ(own.items[1].detail, (std::vector<std::pair<std::string, std::string>>{{"count", "3"}, {"reason", "ok"}}));
  EXPECT_EQ(rest.items.size(), 1U);
  EXPECT_EQ(all.items.size(), 4U);
}

class Idempotency : public RegistryTest {
 protected:
  auto begin(const TenantId& tenant, const IdempotencyKey& key, const Sha256& body, UtcTime at = kNow) {
    return in(tenant, [&](Transaction& tx) { return begin_idempotent(tx, key, body, at); });
  }
};

TEST_F(Idempotency, TheSameRequestGetsTheSameAnswerAndAnotherBodyIsRefused) {
  const Tenant tenant = make_tenant("acme");
  const IdempotencyKey key{tenant.id, "token:1", "POST", "/v1/x", "k"};
  const Sha256 body = random_hash();
  ASSERT_FALSE(must(begin(tenant.id, key, body)).has_value());
  EXPECT_EQ(reason_of(begin(tenant.id, key, body)), kIdempotencyInProgress);
  must(in(tenant.id, [&](Transaction& tx) {
    return finish_idempotent(tx, key, kNow, {201, "application/json", "/v1/x/1", std::string("{\"a\":\"\0\"}", 9)});
  }));

  const auto replay = must(begin(tenant.id, key, body));

  ASSERT_TRUE(replay.has_value());
  EXPECT_EQ(replay->status, 201);
  EXPECT_EQ(replay->location, "/v1/x/1");
  EXPECT_EQ(replay->body, std::string("{\"a\":\"\0\"}", 9));
  EXPECT_EQ(reason_of(begin(tenant.id, key, random_hash())), kIdempotencyBodyDiffers);
  EXPECT_FALSE(must(begin(tenant.id, key, body, kNow + std::chrono::hours(25))).has_value());
}

TEST_F(Idempotency, AKeyBelongsToItsTenantCallerMethodAndPath) {
  const Tenant acme = make_tenant("acme");
  const Tenant beta = make_tenant("beta");
  const Sha256 body = random_hash();
  const IdempotencyKey key{acme.id, "token:1", "POST", "/v1/x", "k"};
  must(begin(acme.id, key, body));

  std::vector<IdempotencyKey> others(4, key);
  others[0].tenant_id = beta.id;
  others[1].caller = "token:2";
  others[2].method = "DELETE";
  others[3].path = "/v1/y";

  for (const auto& other : others) EXPECT_FALSE(must(begin(other.tenant_id, other, random_hash())).has_value());
}

TEST_F(Idempotency, OfTwoThatRaceOneWorksAndTheOtherGetsItsAnswer) {
  const Tenant tenant = make_tenant("acme");
  const IdempotencyKey key{tenant.id, "token:1", "POST", "/v1/x", "k"};
  const Sha256 body = random_hash();
  const auto request = [&] {
    return must(in(tenant.id, [&](Transaction& tx) -> Result<bool> {
      MUSTER_TRY(const auto answer, begin_idempotent(tx, key, body, kNow));
      if (answer) return false;
      MUSTER_TRY_VOID(finish_idempotent(tx, key, kNow, {201, "", "", "done"}));
      return true;
    }));
  };
  std::vector<std::future<bool>> racers;
  for (int i = 0; i < 4; ++i) racers.push_back(std::async(std::launch::async, request));

  int worked = 0;
  for (auto& racer : racers) worked += racer.get() ? 1 : 0;

  EXPECT_EQ(worked, 1);
}

TEST_F(Idempotency, AClaimThatDiedOrWasAbandonedIsFreeAgain) {
  const Tenant tenant = make_tenant("acme");
  const IdempotencyKey key{tenant.id, "token:1", "POST", "/v1/x", "k"};
  must(begin(tenant.id, key, random_hash()));
  must(in(tenant.id, [&](Transaction& tx) { return abandon_idempotent(tx, key, kNow); }));

  EXPECT_FALSE(must(begin(tenant.id, key, random_hash())).has_value());
  EXPECT_FALSE(
      must(begin(tenant.id, key, random_hash(), kNow + std::chrono::seconds(kIdempotencyInProgressSeconds + 1)))
          .has_value());
}

// A server that was frozen for minutes wakes up beside the one that was told to do its work again.
TEST_F(Idempotency, WhoWasTakenForDeadChangesNothingOfWhoTookOver) {
  const Tenant tenant = make_tenant("acme");
  const IdempotencyKey key{tenant.id, "token:1", "POST", "/v1/x", "k"};
  const Sha256 body = random_hash();
  const UtcTime later = kNow + std::chrono::seconds(kIdempotencyInProgressSeconds + 1);
  must(begin(tenant.id, key, body));
  ASSERT_FALSE(must(begin(tenant.id, key, body, later)).has_value());

  must(in(tenant.id, [&](Transaction& tx) { return abandon_idempotent(tx, key, kNow); }));
  EXPECT_EQ(reason_of(begin(tenant.id, key, body, later)), kIdempotencyInProgress) << "no third one begins";
  const auto late = in(tenant.id, [&](Transaction& tx) {
    return finish_idempotent(tx, key, kNow, {500, "", "", "x"});
  });
  EXPECT_EQ(reason_of(late), kIdempotencyInProgress);
  must(in(tenant.id, [&](Transaction& tx) { return finish_idempotent(tx, key, later, {201, "", "", "done"}); }));

  EXPECT_EQ(must(begin(tenant.id, key, body, later))->body, "done");
}

TEST_F(Idempotency, RecordsWithoutATenantBelongToTheSystemAndOldOnesArePruned) {
  const IdempotencyKey key{{}, "token:1", "POST", "/v1/tenants", "k"};
  const Tenant tenant = make_tenant("acme");
  const IdempotencyKey of_tenant{tenant.id, "token:1", "POST", "/v1/x", "k"};
  const UtcTime long_ago = kNow - std::chrono::hours(24 * 365);
  must(in_system([&](Transaction& tx) { return begin_idempotent(tx, key, random_hash(), long_ago); }));
  must(begin(tenant.id, of_tenant, random_hash(), long_ago));

  EXPECT_EQ(must(in_system(
                [&](Transaction& tx) { return prune_idempotency_records(tx, kNow - std::chrono::hours(24 * 300)); })),
            2U);
}

class Batches : public RegistryTest {};

TEST_F(Batches, ResultsCanBeFetchedAgainAndAreStoredOnce) {
  const Tenant tenant = make_tenant("acme");
  const Batch batch = must(in(tenant.id, [&](Transaction& tx) { return create_batch(tx, tenant.id, "token:1"); }));
  const std::vector<BatchResult> results = {{1, "{\"line\":1}"}, {2, "{\"line\":2}"}};
  const std::vector<BatchResult> again = {{2, "{\"other\":2}"}, {3, "{\"line\":3}"}};
  must(in(tenant.id, [&](Transaction& tx) { return append_batch_results(tx, tenant.id, batch.id, results); }));
  must(in(tenant.id, [&](Transaction& tx) { return append_batch_results(tx, tenant.id, batch.id, again); }));
  must(in(tenant.id, [&](Transaction& tx) { return finish_batch(tx, tenant.id, batch.id); }));

  const auto after = must(in(tenant.id, [&](Transaction& tx) { return get_batch(tx, tenant.id, batch.id); }));
  const auto page =
      must(in(tenant.id, [&](Transaction& tx) { return read_batch_results(tx, tenant.id, batch.id, 1, 10); }));

  EXPECT_EQ(after.lines, 3U);
  EXPECT_EQ(after.status, BatchStatus::kDone);
  ASSERT_EQ(page.size(), 2U);
  EXPECT_EQ(page[0].json, "{\"line\":2}");
  EXPECT_EQ(must(in_system(
                [](Transaction& tx) { return prune_batches(tx, kYearLater + std::chrono::hours(24 * 365 * 50)); })),
            1U);
  EXPECT_EQ(database_.execute("SELECT count(*) FROM muster.batch_results"), "0");
}

}  // namespace
}  // namespace muster::registry
