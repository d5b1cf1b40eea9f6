// SPDX-License-Identifier: Apache-2.0
#include "edge/agent/identity_sync.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <mutex>
#include <thread>

#include "core/clock.h"
#include "core/encoding.h"
#include "edge/agent/join.h"
#include "edge/entity_line.h"
#include "http/server.h"
#include "support/eventually.h"
#include "support/temp_folder.h"

namespace muster::edge {
namespace {

// What the server signs is passed on as it is.
constexpr HeartbeatSignature kSignature = {1, 2, 3};

using test_support::eventually;

// What the server's edge listener says, over plain HTTP: TLS is the client's part and tested there.
class FakeServer {
 public:
  explicit FakeServer(std::uint16_t port = 0) {
    http::Router router;
    const auto get = [&router](const char* pattern, http::Handler handler) {
      http::Route route;
      route.method = "GET";
      route.pattern = pattern;
      route.handler = std::move(handler);
      router.add(std::move(route));
    };
    get("/v1/edge/snapshot", [this](const http::Request&) { return snapshot(); });
    get("/v1/edge/changes", [this](const http::Request& request) { return changes(request); });
    get("/v1/edge/digest", [this](const http::Request&) { return digest(); });
    http::Route join_route;
    join_route.method = "POST";
    join_route.pattern = "/v1/edge/join";
    join_route.handler = [this](const http::Request&) { return http::json_response(join_status, join_answer); };
    router.add(std::move(join_route));
    http::ListenerConfig config;
    config.name = "fake";
    config.address = "127.0.0.1";
    config.port = port;
    config.threads = 4;
    listener_ = http::Listener::create(std::move(config), std::move(router), metrics_).value();
    listener_->start();
  }
  ~FakeServer() { listener_->stop(); }

  http::Client client() const {
    http::ClientConfig config;
    config.base_url = "http://127.0.0.1:" + std::to_string(listener_->port());
    return http::Client::create(config).value();
  }
  std::uint16_t port() const { return listener_->port(); }

  StreamPosition commit(std::vector<IdentityChange> changed) {
    const std::lock_guard lock{mutex_};
    position_.number += 1;
    for (IdentityChange& entity : changed) log_.emplace_back(position_.number, std::move(entity));
    return position_;
  }
  // A change that the stream forgets to tell.
  void commit_silently(IdentityChange entity) {
    const std::lock_guard lock{mutex_};
    log_.emplace_back(0, std::move(entity));
  }
  void forget_history() {
    const std::lock_guard lock{mutex_};
    oldest_ = position_.number + 1;
    position_.number += 1;
  }
  void begin_epoch() {
    const std::lock_guard lock{mutex_};
    position_ = {random_raw_id(), 1};
    oldest_ = 0;
  }
  // From now on the digest is that of this moment.
  void hold_digest() {
    const std::lock_guard lock{mutex_};
    held_digest_ = present_digest();
  }
  void spoil_held_digest() {
    const std::lock_guard lock{mutex_};
    char& digit = held_digest_.at(held_digest_.find(R"("digest":")") + 10);
    digit = digit == '0' ? '1' : '0';
  }
  StreamPosition position() {
    const std::lock_guard lock{mutex_};
    return position_;
  }

  std::atomic<int> snapshots{0};
  std::atomic<int> digests{0};
  std::atomic<bool> expired_left_out{false};  // of the digest, as the registry does
  std::atomic<bool> truncate_streams{false};
  int join_status = 200;
  std::string join_answer;

 private:
  std::string head(const char* type) const {
    return std::string{R"({"type":")"} + type + R"(","epoch":")" + to_uuid_text(position_.epoch) + R"(","number":)" +
           std::to_string(position_.number) + R"(,"issued_at":")" + to_rfc3339(SystemClock{}.now()) +
           R"(","signature":")" + to_base64(kSignature) + "\"";
  }
  std::string tail(std::size_t count) const {
    return truncate_streams ? "" : R"({"type":"end","count":)" + std::to_string(count) + "}\n";
  }
  http::Response stream(std::string body) const {
    http::Response response;
    response.content_type = "application/x-ndjson";
    response.body = std::move(body);
    return response;
  }
  // The newest state of each entity, in the order of first mention.
  std::vector<IdentityChange> present() const {
    std::vector<std::pair<std::string, IdentityChange>> states;
    for (const auto& [number, entity] : log_) {
      const std::string line = to_entity_line(entity);
      const std::string key = line.substr(0, line.find(',', line.find("\"id\"")));
      const auto found = std::ranges::find(states, key, [](const auto& s) { return s.first; });
      if (found == states.end()) {
        states.emplace_back(key, entity);
      } else {
        found->second = entity;
      }
    }
    std::vector<IdentityChange> all;
    for (auto& [key, entity] : states) all.push_back(std::move(entity));
    return all;
  }
  http::Response snapshot() {
    const std::lock_guard lock{mutex_};
    ++snapshots;
    std::string body = head("begin") + "}\n";
    const auto all = present();
    for (const IdentityChange& entity : all) body += to_entity_line(entity) + "\n";
    return stream(body + tail(all.size()));
  }
  http::Response changes(const http::Request& request) {
    const std::lock_guard lock{mutex_};
    const std::string& since = request.query.at("since");
    const std::uint64_t from = std::stoull(since.substr(37));
    if (since.substr(0, 36) != to_uuid_text(position_.epoch) || from < oldest_) {
      return http::problem_response({410, "changes.reload_required", ""}, request.request_id);
    }
    std::string body = head("changes-begin") + ",\"from\":" + std::to_string(from) + "}\n";
    std::size_t count = 0;
    for (const auto& [number, entity] : log_) {
      if (number <= from) continue;
      body += to_entity_line(entity) + "\n";
      ++count;
    }
    return stream(body + tail(count));
  }
  http::Response digest() {
    const std::lock_guard lock{mutex_};
    ++digests;
    return http::json_response(200, held_digest_.empty() ? present_digest() : held_digest_);
  }
  std::string present_digest() {
    EntityDigest digest;
    for (const IdentityChange& entity : present()) {
      if (!expired_left_out || !std::holds_alternative<CertificateState>(entity)) digest.toggle(entity);
    }
    return R"({"epoch":")" + to_uuid_text(position_.epoch) + R"(","number":)" + std::to_string(position_.number) +
           R"(,"digest":")" + digest.hex() + "\"}";
  }

  MetricsRegistry metrics_;
  std::mutex mutex_;
  StreamPosition position_{random_raw_id(), 1};
  std::uint64_t oldest_ = 0;
  std::string held_digest_;  // empty: always the present one
  std::vector<std::pair<std::uint64_t, IdentityChange>> log_;
  std::unique_ptr<http::Listener> listener_;
};

class IdentitySyncTest : public ::testing::Test {
 protected:
  IdentitySyncTest() {
    std::filesystem::create_directory(folder());
    std::filesystem::create_directory(temp_ / "state");
    SnapshotFolderConfig config;
    config.folder = folder();
    config.state_file = (temp_ / "state" / "held").string();
    config.is_signed = [](BytesView, BytesView signature) { return std::ranges::equal(signature, kSignature); };
    reader_ = SnapshotFolder::create(std::move(config)).value();
  }
  ~IdentitySyncTest() override { stop(); }

  std::string folder() const { return (temp_ / "snapshot").string(); }
  void start(std::chrono::milliseconds digest_period = std::chrono::hours{1}) {
    events_ = std::make_unique<EventReporter>(server_->client(), metrics_);
    IdentitySyncConfig config;
    config.poll_wait = std::chrono::milliseconds{0};
    config.digest_period = digest_period;
    config.least_backoff = std::chrono::milliseconds{5};
    config.most_backoff = std::chrono::milliseconds{20};
    sync_ = std::make_unique<IdentitySync>(config, SnapshotFolderWriter::open({.folder = folder()}).value(),
                                           server_->client(), *events_, metrics_);
    thread_ = std::jthread{[this](std::stop_token token) { sync_->run(token); }};
  }
  void stop() { thread_ = {}; }
  // Whether a broker comes to hold `wanted`.
  bool reaches(const StreamPosition& wanted) {
    return eventually([&] {
      if (auto update = reader_->refresh(); update.ok() && *update) view_ = (*update)->view;
      return view_ && view_->position() == wanted;
    });
  }

  test_support::TempFolder temp_;
  MetricsRegistry metrics_;
  std::unique_ptr<FakeServer> server_ = std::make_unique<FakeServer>();
  std::unique_ptr<SnapshotFolder> reader_;
  std::shared_ptr<const IdentityView> view_;
  std::unique_ptr<EventReporter> events_;
  std::unique_ptr<IdentitySync> sync_;
  std::jthread thread_;
  TenantState acme_{TenantId::random(), "acme", EntityStatus::kActive};
  DeviceState pump_{DeviceId::random(), acme_.id, "pump", EntityStatus::kActive, {}, {"a", "b"}, {{"k", "v\"\\"}}};
};

TEST_F(IdentitySyncTest, LoadsEverythingThenFollowsChanges) {
  server_->commit({acme_, pump_});
  start();
  ASSERT_TRUE(reaches(server_->position()));
  EXPECT_EQ(view_->find_device(pump_.id)->labels.at(0).second, "v\"\\");

  pump_.status = EntityStatus::kSuspended;
  ASSERT_TRUE(reaches(server_->commit({pump_})));
  EXPECT_EQ(view_->find_device(pump_.id)->status, EntityStatus::kSuspended);
  EXPECT_EQ(server_->snapshots, 1);
  EXPECT_TRUE(eventually([&] { return reader_->refresh().ok() && reader_->age_seconds().has_value(); }));
}

TEST_F(IdentitySyncTest, LoadsEverythingAgainWhenTheServerSaysSo) {
  server_->commit({acme_, pump_});
  start();
  ASSERT_TRUE(reaches(server_->position()));

  server_->forget_history();
  ASSERT_TRUE(reaches(server_->position()));
  server_->begin_epoch();
  ASSERT_TRUE(reaches(server_->position()));
  EXPECT_EQ(server_->snapshots, 3);
}

TEST_F(IdentitySyncTest, FindsAChangeThatTheStreamForgot) {
  server_->commit({acme_, pump_});
  start(std::chrono::milliseconds{1});
  ASSERT_TRUE(reaches(server_->position()));

  pump_.status = EntityStatus::kGone;
  server_->commit_silently(pump_);
  ASSERT_TRUE(eventually([&] {
    if (auto update = reader_->refresh(); update.ok() && *update) view_ = (*update)->view;
    const auto device = view_->find_device(pump_.id);
    return !device || device->status == EntityStatus::kGone;
  }));
  EXPECT_GE(server_->snapshots, 2);
}

TEST_F(IdentitySyncTest, DoesNotTakeACertificateThatTheServerDroppedAsExpiredForADifference) {
  const CertificateState expired{
      {7}, acme_.id, pump_.id, IssuerId::random(), EntityStatus::kActive, UtcTime{std::chrono::seconds{1'000'000'000}}};
  server_->commit({acme_, pump_, expired});
  start(std::chrono::milliseconds{1});
  ASSERT_TRUE(reaches(server_->position()));

  server_->expired_left_out = true;
  const int compared = server_->digests;
  ASSERT_TRUE(eventually([&] { return server_->digests >= compared + 3; }));
  EXPECT_EQ(server_->snapshots, 1);
}

// The server does not walk through a large fleet at every question: its digest may be of a position from before.
TEST_F(IdentitySyncTest, ComparesADigestOfAPositionThatItHasLeft) {
  server_->commit({acme_, pump_});
  server_->hold_digest();
  start(std::chrono::milliseconds{1});
  ASSERT_TRUE(reaches(server_->position()));
  pump_.status = EntityStatus::kSuspended;
  ASSERT_TRUE(reaches(server_->commit({pump_})));

  const int compared = server_->digests;
  ASSERT_TRUE(eventually([&] { return server_->digests >= compared + 3; }));
  EXPECT_EQ(server_->snapshots, 1) << "no difference is seen where there is none";

  server_->spoil_held_digest();
  EXPECT_TRUE(eventually([&] { return server_->snapshots >= 2; })) << "and one is seen where there is one";
}

TEST_F(IdentitySyncTest, AppliesNothingOfAStreamThatWasCutOff) {
  server_->commit({acme_});
  start();
  ASSERT_TRUE(reaches(server_->position()));
  const StreamPosition held = server_->position();

  server_->truncate_streams = true;
  const StreamPosition next = server_->commit({pump_});
  const Counter& failures = metrics_.counter("muster_edge_sync_failures_total", "");
  const std::uint64_t before = failures.value();
  ASSERT_TRUE(eventually([&] { return failures.value() >= before + 2; }));
  ASSERT_TRUE(reaches(held));

  server_->truncate_streams = false;
  EXPECT_TRUE(reaches(next));
}

TEST_F(IdentitySyncTest, GoesOnAfterARestartOfTheEdge) {
  server_->commit({acme_, pump_});
  start();
  ASSERT_TRUE(reaches(server_->position()));
  stop();

  const StreamPosition next = server_->commit({pump_});
  start();

  EXPECT_TRUE(reaches(next));
  EXPECT_EQ(server_->snapshots, 1) << "what was on disk was continued";
}

TEST_F(IdentitySyncTest, JoinsWithAOneTimeToken) {
  server_->join_answer =
      R"({"edge_id":"e","certificate":"C","chain":"CH","infrastructure_root":"R","heartbeat_key":"K","database":{"role":"r","password":"p"}})";
  http::Client client = server_->client();
  const auto joined = join(client, {"token", "CSR", ""});
  ASSERT_TRUE(joined.ok());
  EXPECT_EQ(joined->database_role, "r");
  EXPECT_EQ(joined->certificate, "C");

  EXPECT_EQ(join(client, {"token", "CSR", "BROKER"}).error().reason, "edge.join_malformed");
  server_->join_status = 401;
  EXPECT_EQ(join(client, {"token", "CSR", ""}).error().reason, "edge.join_refused");
}

TEST(EntityLine, IsReadBackAsItWasWritten) {
  const IssuerState issuer{IssuerId::random(), TenantId::random(), EntityStatus::kSuspended, {1, 2}, {9, 8}};
  const PolicyState policy{PolicyId::random(),
                           TenantId::random(),
                           EntityStatus::kActive,
                           {{PolicyAction::kSubscribe, "${tenant}/#"}, {PolicyAction::kPublish, "a"}}};
  const DeviceState device{DeviceId::random(), TenantId::random(), "d", EntityStatus::kGone, policy.id, {}, {}};
  const CertificateState certificate{{7},       TenantId::random(),    device.id,
                                     issuer.id, EntityStatus::kActive, UtcTime{std::chrono::seconds{1'900'000'000}}};
  for (const IdentityChange& entity :
       {IdentityChange{issuer}, IdentityChange{policy}, IdentityChange{device}, IdentityChange{certificate}}) {
    const auto line = parse_stream_line(to_entity_line(entity));
    ASSERT_TRUE(line.ok()) << to_entity_line(entity);
    EXPECT_EQ(std::get<IdentityChange>(*line), entity);
  }
}

TEST(EntityLine, IsRefusedWhenAFieldIsMissingOrOfAnUnknownType) {
  for (const char* line :
       {"", "{", "[]", R"({"type":"tenant"})", R"({"type":"later","id":"x"})",
        R"({"type":"tenant","id":"00000000-0000-4000-8000-000000000000","name":"a","status":"odd"})",
        R"({"type":"tenant","id":"no","name":"a","status":"active"})", R"({"type":"end","count":-1})"}) {
    EXPECT_EQ(parse_stream_line(line).error().reason, "edge.stream_malformed") << line;
  }
  EXPECT_TRUE(parse_stream_line(R"({"type":"end","count":1,"later":true})").ok()) << "unknown fields are skipped";
}

}  // namespace
}  // namespace muster::edge
