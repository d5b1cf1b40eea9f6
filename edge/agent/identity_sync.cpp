// SPDX-License-Identifier: Apache-2.0
#include "edge/agent/identity_sync.h"

#include <algorithm>
#include <thread>

#include "core/clock.h"
#include "edge/agent/backoff.h"
#include "edge/base_file_writer.h"
#include "edge/folder_files.h"

namespace muster::edge {
namespace {

constexpr std::chrono::milliseconds kSnapshotTimeout{300'000};  // silence while the server collects everything
constexpr std::chrono::milliseconds kPollSlack{10'000};
constexpr std::size_t kPastDigests = 4096;
// Each delta costs fsyncs here, in the plugin and at the server, however small it is: after one of many changes, as
// when a fleet enrols, the next ones gather. A revocation alone is passed on at once.
constexpr std::chrono::milliseconds kGatheringOfOne{1};
constexpr std::chrono::milliseconds kMostGathering{50};
constexpr std::chrono::hours kExpiredAreKept{1};  // far longer than the server's clock may stand behind ours

EntityDigest digest_of(const SnapshotFolderWriter& folder) {
  EntityDigest digest;
  if (folder.view()) folder.view()->for_each([&](const IdentityChange& entity) { digest.toggle(entity); });
  return digest;
}

Error unexpected_status(int status) {
  const bool refused = status == 401 || status == 403;
  return Error{refused ? ErrorCode::kPermissionDenied : ErrorCode::kUnavailable,
               refused ? "edge.refused_by_server" : "edge.server_failed", "status " + std::to_string(status)};
}

}  // namespace

IdentitySync::IdentitySync(IdentitySyncConfig config, SnapshotFolderWriter folder, http::Client client,
                           EventReporter& events, MetricsRegistry& metrics)
    : config_(config),
      folder_(std::move(folder)),
      client_(std::move(client)),
      events_(events),
      digest_(digest_of(folder_)),
      has_snapshot_(folder_.view() != nullptr),
      reloads_(metrics.counter("muster_edge_snapshot_loads_total", "Times that the whole identity state was loaded")),
      changes_(metrics.counter("muster_edge_changes_applied_total", "Entities applied from the change stream")),
      failures_(metrics.counter("muster_edge_sync_failures_total", "Requests to the server that failed")),
      digest_mismatches_(metrics.counter("muster_edge_digest_mismatches_total", "Times that edge and server differed")),
      unsigned_heartbeats_(metrics.counter("muster_edge_unsigned_heartbeats_total",
                                           "Answers without the server's signature, which no broker believes")),
      position_(metrics.gauge("muster_edge_snapshot_position", "Number of the change that the snapshot holds")) {
  if (folder_.view()) remember_digest();
  show_position();
}

void IdentitySync::show_position() {
  if (folder_.view()) position_.set(static_cast<double>(folder_.view()->position().number));
}

void IdentitySync::run(std::stop_token stop) {
  const std::stop_callback cancel{stop, [this] { client_.cancel(); }};
  repeat(
      stop, Backoff{config_.least_backoff, config_.most_backoff}, [this] { return step(); },
      [this](const Error& error) {
        failures_.add();
        log_.warning("identity sync failed", {{"reason", error.reason}, {"detail", error.detail}});
      });
}

Result<void> IdentitySync::step() {
  if (!folder_.view() || reload_) return load_everything();
  MUSTER_TRY_VOID(follow());
  if (!reload_ && std::chrono::steady_clock::now() >= digest_due_) MUSTER_TRY_VOID(compare_digests());
  if (folder_.wants_compaction() && !folder_.is_compacting()) forget_expired();
  return folder_.compact_aside();
}

// Or the base would grow with every certificate that was ever renewed.
void IdentitySync::forget_expired() {
  std::vector<CertificateState> expired;
  folder_.view()->for_each_certificate_until(SystemClock{}.now() - kExpiredAreKept,
                                             [&](const CertificateState& certificate) {
                                               digest_.toggle(certificate);
                                               expired.push_back(certificate);
                                             });
  if (expired.empty()) return;
  folder_.forget(std::move(expired));
  past_digests_.clear();
  remember_digest();
}

// Reads a stream and hands over its entities one by one. They count only when the last line says that all arrived.
Result<IdentitySync::StreamFrame> IdentitySync::fetch(const std::string& target, std::chrono::milliseconds read_timeout,
                                                      int& status, const TakeEntity& take) {
  http::ClientRequest request;
  request.target = target;
  request.read_timeout = read_timeout;
  StreamFrame frame;
  int begins = 0;
  int ends = 0;
  std::uint64_t entities = 0;
  const auto take_line = [&](std::string_view line) -> Result<void> {
    MUSTER_TRY(auto parsed, parse_stream_line(line));
    if (auto* begin = std::get_if<StreamBegin>(&parsed)) {
      frame.begin = *begin;
      ++begins;
    } else if (auto* end = std::get_if<StreamEnd>(&parsed)) {
      frame.end = std::move(*end);
      ++ends;
    } else if (begins == 1 && ends == 0) {
      ++entities;
      return take(std::move(std::get<IdentityChange>(parsed)));
    } else {
      return Error{ErrorCode::kCorrupt, "edge.stream_malformed", "an entity outside begin and end"};
    }
    return {};
  };
  std::optional<Error> broken;
  const auto answer = client_.stream_lines(request, [&](std::string_view line) {
    const auto taken = take_line(line);
    if (!taken.ok()) broken = taken.error();
    return !broken;
  });
  if (broken) return *broken;
  if (!answer.ok()) return answer.error();
  status = answer->status;
  if (status != 200) return unexpected_status(status);
  if (begins != 1 || ends != 1 || frame.end.count != entities) {
    return Error{ErrorCode::kCorrupt, "edge.stream_malformed", "the stream is not complete"};
  }
  return frame;
}

// A million devices never stand in memory as they come, only in the form in which they are written.
Result<void> IdentitySync::load_everything() {
  int status = 0;
  EntityDigest digest;
  BaseFileWriter base;
  MUSTER_TRY(const StreamFrame stream,
             fetch("/v1/edge/snapshot", kSnapshotTimeout, status, [&](IdentityChange&& entity) {
               digest.toggle(entity);
               return base.add(entity);
             }));
  if (!stream.begin.is_snapshot || (!stream.end.digest.empty() && stream.end.digest != digest.hex())) {
    return Error{ErrorCode::kCorrupt, "edge.stream_malformed", "the snapshot's digest is not the server's"};
  }
  const StreamPosition position = stream.begin.position;
  if (folder_.view()) {
    const StreamPosition held = folder_.view()->position();
    if (held.epoch == position.epoch && position.number < held.number) {
      return Error{ErrorCode::kFailedPrecondition, "snapshot.older_than_held",
                   "the server went back without a new epoch: brokers would refuse this snapshot"};
    }
  }
  MUSTER_TRY_VOID(folder_.replace_base(position, std::move(base)));
  digest_ = digest;
  past_digests_.clear();
  remember_digest();
  reload_ = false;
  digest_due_ = std::chrono::steady_clock::now() + config_.digest_period;
  has_snapshot_ = true;
  reloads_.add();
  show_position();
  answered();
  log_.info("identity snapshot loaded", {{"number", position.number}, {"entities", stream.end.count}});
  return pass_on_heartbeat(stream.begin);
}

Result<void> IdentitySync::follow() {
  const StreamPosition held = folder_.view()->position();
  // The first answer after a start is wanted at once: until it comes the edge cannot say that it is well.
  const auto wait = answered_at_ < 0 ? std::chrono::milliseconds{0} : config_.poll_wait;
  std::this_thread::sleep_until(next_poll_);
  int status = 0;
  std::vector<IdentityChange> entities;
  auto frame = fetch("/v1/edge/changes?since=" + to_uuid_text(held.epoch) + ":" + std::to_string(held.number) +
                         "&wait_ms=" + std::to_string(wait.count()),
                     wait + kPollSlack, status, [&](IdentityChange&& entity) -> Result<void> {
                       entities.push_back(std::move(entity));
                       return {};
                     });
  if (status == 410) {
    reload_ = true;
    return {};
  }
  if (!frame.ok()) return frame.error();
  return apply(Stream{std::move(*frame), std::move(entities)});
}

Result<void> IdentitySync::apply(const Stream& stream) {
  const StreamPosition held = folder_.view()->position();
  if (stream.begin.is_snapshot || stream.begin.from != held) {
    reload_ = true;
    return {};
  }
  if (stream.begin.position != held) {
    const auto before = folder_.view();
    const auto written = folder_.write_delta(held, stream.begin.position, stream.entities);
    if (!written.ok() && written.error().reason == "snapshot.limit_exceeded") {
      reload_ = true;
      return {};
    }
    MUSTER_TRY_VOID(written);
    // An entity may be there more than once: each of its states replaces the one before.
    auto view = before;
    for (const IdentityChange& entity : stream.entities) {
      if (const auto old = view->find_same(entity)) digest_.toggle(*old);
      digest_.toggle(entity);
      view = view->with(view->position(), {&entity, 1});
    }
    remember_digest();
    changes_.add(stream.entities.size());
    const auto gathering = static_cast<std::int64_t>(stream.entities.size()) * kGatheringOfOne;
    next_poll_ = std::chrono::steady_clock::now() + std::min<std::chrono::milliseconds>(gathering, kMostGathering);
    show_position();
  }
  answered();
  return pass_on_heartbeat(stream.begin);
}

// What the server did not sign, brokers would not believe.
Result<void> IdentitySync::pass_on_heartbeat(const StreamBegin& begin) {
  if (begin.signature) return folder_.write_heartbeat(begin.position, begin.issued_at, *begin.signature);
  unsigned_heartbeats_.add();
  return {};
}

void IdentitySync::remember_digest() {
  past_digests_.emplace_back(folder_.view()->position(), digest_);
  if (past_digests_.size() > kPastDigests) past_digests_.pop_front();
}

// The server's digest may be of a position that we have passed, or have not reached yet.
Result<void> IdentitySync::compare_digests() {
  http::ClientRequest request;
  request.target = "/v1/edge/digest";
  request.read_timeout = kSnapshotTimeout;
  MUSTER_TRY(const auto answer, client_.send(request));
  if (answer.status != 200) return unexpected_status(answer.status);
  MUSTER_TRY(const DigestAnswer theirs, parse_digest_answer(answer.body));
  const auto ours = std::ranges::find(past_digests_, theirs.position, [](const auto& past) { return past.first; });
  const auto now = std::chrono::steady_clock::now();
  if (ours == past_digests_.end()) {
    digest_due_ = now + config_.digest_period / 10;  // the next poll brings us there
    return {};
  }
  digest_due_ = now + config_.digest_period;
  if (theirs.digest == ours->second.hex() || equals_without_expired(ours->second, theirs.digest)) return {};
  digest_mismatches_.add();
  events_.report("edge.digest_mismatch", "at change " + std::to_string(theirs.position.number));
  reload_ = true;
  return {};
}

// The server leaves expired certificates out, as of some moment before its answer; we hold them until the next base.
// The states are the same if there is a moment at which they are.
bool IdentitySync::equals_without_expired(EntityDigest ours, const std::string& theirs) const {
  const UtcTime latest = SystemClock{}.now() + kMaxWallClockLag;
  std::vector<CertificateState> expired;
  folder_.view()->for_each_certificate_until(
      latest, [&](const CertificateState& certificate) { expired.push_back(certificate); });
  std::ranges::sort(expired, {}, &CertificateState::not_after);
  for (const CertificateState& certificate : expired) {
    ours.toggle(certificate);
    if (ours.hex() == theirs) return true;
  }
  return false;
}

void IdentitySync::answered() {
  answered_at_ = std::chrono::duration_cast<std::chrono::seconds>(boottime_now()).count();
}

std::optional<std::chrono::seconds> IdentitySync::since_last_answer() const {
  const std::int64_t at = answered_at_;
  if (at < 0) return std::nullopt;
  return std::chrono::duration_cast<std::chrono::seconds>(boottime_now()) - std::chrono::seconds{at};
}

}  // namespace muster::edge
