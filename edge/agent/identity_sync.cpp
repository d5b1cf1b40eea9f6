// SPDX-License-Identifier: Apache-2.0
#include "edge/agent/identity_sync.h"

#include <algorithm>

#include "core/clock.h"
#include "edge/agent/backoff.h"
#include "edge/folder_files.h"

namespace muster::edge {
namespace {

constexpr std::chrono::milliseconds kSnapshotTimeout{60'000};  // silence while the server collects everything
constexpr std::chrono::milliseconds kPollSlack{10'000};

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
  show_position();
}

void IdentitySync::show_position() {
  if (folder_.view()) position_.set(static_cast<double>(folder_.view()->position().number));
}

void IdentitySync::run(std::stop_token stop) {
  const std::stop_callback cancel{stop, [this] { client_.cancel(); }};
  Backoff backoff{config_.least_backoff, config_.most_backoff};
  while (!stop.stop_requested()) {
    const auto done = step();
    if (done.ok()) {
      backoff.reset();
      continue;
    }
    if (stop.stop_requested()) return;
    failures_.add();
    log_.warning("identity sync failed", {{"reason", done.error().reason}, {"detail", done.error().detail}});
    if (!backoff.wait(stop)) return;
  }
}

Result<void> IdentitySync::step() {
  if (!folder_.view() || reload_) return load_everything();
  MUSTER_TRY_VOID(follow());
  if (!reload_ && std::chrono::steady_clock::now() >= digest_due_) MUSTER_TRY_VOID(compare_digests());
  if (folder_.wants_compaction()) return folder_.compact();
  return {};
}

// Collects a stream. It counts only when its last line says that all of it arrived.
Result<IdentitySync::Stream> IdentitySync::fetch(const std::string& target, std::chrono::milliseconds read_timeout,
                                                 int& status) {
  http::ClientRequest request;
  request.target = target;
  request.read_timeout = read_timeout;
  Stream stream;
  int begins = 0;
  int ends = 0;
  std::optional<Error> broken;
  const auto answer = client_.stream_lines(request, [&](std::string_view line) {
    auto parsed = parse_stream_line(line);
    if (!parsed.ok()) {
      broken = parsed.error();
    } else if (auto* begin = std::get_if<StreamBegin>(&*parsed)) {
      stream.begin = *begin;
      ++begins;
    } else if (auto* end = std::get_if<StreamEnd>(&*parsed)) {
      stream.end = std::move(*end);
      ++ends;
    } else if (begins == 1 && ends == 0) {
      stream.entities.push_back(std::move(std::get<IdentityChange>(*parsed)));
    } else {
      broken = Error{ErrorCode::kCorrupt, "edge.stream_malformed", "an entity outside begin and end"};
    }
    return !broken;
  });
  if (broken) return *broken;
  if (!answer.ok()) return answer.error();
  status = answer->status;
  if (status != 200) return unexpected_status(status);
  if (begins != 1 || ends != 1 || stream.end.count != stream.entities.size()) {
    return Error{ErrorCode::kCorrupt, "edge.stream_malformed", "the stream is not complete"};
  }
  return stream;
}

Result<void> IdentitySync::load_everything() {
  int status = 0;
  MUSTER_TRY(const Stream stream, fetch("/v1/edge/snapshot", kSnapshotTimeout, status));
  EntityDigest digest;
  for (const IdentityChange& entity : stream.entities) digest.toggle(entity);
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
  MUSTER_TRY_VOID(folder_.write_base(position, stream.entities));
  digest_ = digest;
  reload_ = false;
  digest_due_ = std::chrono::steady_clock::now() + config_.digest_period;
  has_snapshot_ = true;
  reloads_.add();
  show_position();
  answered();
  log_.info("identity snapshot loaded", {{"number", position.number}, {"entities", stream.entities.size()}});
  return pass_on_heartbeat(stream.begin);
}

Result<void> IdentitySync::follow() {
  const StreamPosition held = folder_.view()->position();
  // The first answer after a start is wanted at once: until it comes the edge cannot say that it is well.
  const auto wait = answered_at_ < 0 ? std::chrono::milliseconds{0} : config_.poll_wait;
  int status = 0;
  const auto stream = fetch("/v1/edge/changes?since=" + to_uuid_text(held.epoch) + ":" + std::to_string(held.number) +
                                "&wait_ms=" + std::to_string(wait.count()),
                            wait + kPollSlack, status);
  if (status == 410) {
    reload_ = true;
    return {};
  }
  if (!stream.ok()) return stream.error();
  return apply(*stream);
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
    changes_.add(stream.entities.size());
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

Result<void> IdentitySync::compare_digests() {
  http::ClientRequest request;
  request.target = "/v1/edge/digest";
  MUSTER_TRY(const auto answer, client_.send(request));
  if (answer.status != 200) return unexpected_status(answer.status);
  MUSTER_TRY(const DigestAnswer theirs, parse_digest_answer(answer.body));
  // Something new in between: the next poll brings it, and we compare after that.
  if (theirs.position != folder_.view()->position()) return {};
  digest_due_ = std::chrono::steady_clock::now() + config_.digest_period;
  if (theirs.digest == digest_.hex() || equals_without_expired(theirs.digest)) return {};
  digest_mismatches_.add();
  events_.report("edge.digest_mismatch", "at change " + std::to_string(theirs.position.number));
  reload_ = true;
  return {};
}

// The server leaves expired certificates out, as of some moment before its answer; we hold them until the next base.
// The states are the same if there is a moment at which they are.
bool IdentitySync::equals_without_expired(const std::string& digest) const {
  const UtcTime latest = SystemClock{}.now() + kMaxWallClockLag;
  std::vector<CertificateState> expired;
  folder_.view()->for_each([&](const IdentityChange& entity) {
    const auto* certificate = std::get_if<CertificateState>(&entity);
    if (certificate != nullptr && certificate->not_after < latest) expired.push_back(*certificate);
  });
  std::ranges::sort(expired, {}, &CertificateState::not_after);
  EntityDigest without = digest_;
  for (const CertificateState& certificate : expired) {
    without.toggle(certificate);
    if (without.hex() == digest) return true;
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
