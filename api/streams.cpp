// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "api/reasons.h"
#include "api/routes.h"
#include "core/encoding.h"
#include "core/record.h"
#include "ingest/log.h"

namespace muster::api {
namespace {

constexpr std::size_t kMaxCursors = 4'096;
// Threads that may sit in a long poll at once; beyond it the answer comes at once, so other requests find a thread.
constexpr int kMaxWaiting = 24;

std::string_view kind_text(RecordKind kind) {
  switch (kind) {
    case RecordKind::kPublish: return "publish";
    case RecordKind::kWill: return "will";
    case RecordKind::kConnect: return "connect";
    case RecordKind::kDisconnect: return "disconnect";
    case RecordKind::kDenial: return "denial";
  }
  return "unknown";
}

void write_cursor(JsonWriter& out, const ingest::Cursor& cursor) {
  out.object(
      [&] { out.field("epoch", cursor.epoch).field("partition", cursor.partition).field("offset", cursor.offset); });
}

// In `normalized` the worker's octets are a CloudEvent in JSON: its data stands as `data`, its attributes beside as
// `event`. Anything else is base64.
void write_payload(JsonWriter& out, ingest::Stream stream, std::string_view payload) {
  // Ordered, so that what the worker wrote reads in the order in which it was written.
  using Json = nlohmann::ordered_json;
  Json event = stream == ingest::Stream::kNormalized ? Json::parse(payload, nullptr, false) : Json();
  if (!event.is_object() || !event.contains("data")) {
    out.field("payload", to_base64(as_bytes(payload)));
    return;
  }
  const auto dump = [](const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); };
  out.key("data").raw(dump(event["data"]));
  event.erase("data");
  out.key("event").raw(dump(event));
}

void write_decoded(JsonWriter& out, ingest::Stream stream, const RecordView& view) {
  out.field("key", std::string{view.tenant} + "/" + std::string{view.device})
      .field("kind", kind_text(view.kind))
      .field("time", to_rfc3339_micros(view.receive_time))
      .field("incarnation", view.incarnation.text())
      .field("sequence", view.sequence)
      .field("connection", view.connection_id.text())
      .field("topic", view.topic);
  for (const RecordHeaderView& header : view.headers) {
    if (header.name == "reason") {
      out.field("reason", header.value);
      break;
    }
  }
  write_payload(out, stream, as_text(view.payload));
}

void write_record(JsonWriter& out, ingest::Stream stream, const ingest::TenantRecord& record) {
  out.object([&] {
    out.field("stream", to_string(stream))
        .field("epoch", record.epoch)
        .field("partition", record.partition)
        .field("offset", record.offset);
    const auto view = decode_record(record.record);
    if (view.ok()) {
      write_decoded(out, stream, *view);
    } else {
      // A record of a newer version is still the tenant's.
      out.field("reason", view.error().reason).field("payload", to_base64(record.record));
    }
  });
}

Result<ingest::Stream> stream_of_path(const Call& call) {
  const auto stream = ingest::stream_from(call.request.parameter("stream"));
  if (!stream) return Error{ErrorCode::kNotFound, reasons::kStreamUnknown, ""};
  return *stream;
}

// Counts a thread that waits for as long as it lives.
class WaitingThread {
 public:
  explicit WaitingThread(std::atomic<int>& count) : count_(count), position_(count.fetch_add(1)) {}
  ~WaitingThread() { count_.fetch_sub(1); }
  WaitingThread(const WaitingThread&) = delete;
  WaitingThread& operator=(const WaitingThread&) = delete;
  bool may_wait() const { return position_ < kMaxWaiting; }

 private:
  std::atomic<int>& count_;
  const int position_;
};

Result<http::Response> records(Call& call) {
  MUSTER_TRY(const ingest::Stream stream, stream_of_path(call));
  const auto group = call.query("group");
  if (!group) return Error{ErrorCode::kInvalidArgument, reasons::kQueryInvalid, "group: the consumer group's name"};
  MUSTER_TRY(const std::int64_t max, call.query_integer("max", 100, 1, ingest::kMaxTenantRead));
  MUSTER_TRY(const std::int64_t wait_ms, call.query_integer("wait_ms", 0, 0, ingest::kMaxTenantWait.count()));
  const WaitingThread waiting{call.context.stream_waiters};
  const std::chrono::milliseconds wait{waiting.may_wait() && !call.context.stopping ? wait_ms : 0};
  MUSTER_TRY(const auto read,
             call.context.reader.read_records(call.tenant().id, stream, *group, static_cast<std::size_t>(max), wait));
  JsonWriter out;
  out.object([&] {
    out.key("records").array([&] {
      for (const auto& record : read.records) write_record(out, stream, record);
    });
    out.key("cursor").array([&] {
      for (const auto& cursor : read.next) write_cursor(out, cursor);
    });
  });
  return http::json_response(200, out.take());
}

Result<http::Response> commit(Call& call) {
  MUSTER_TRY(const ingest::Stream stream, stream_of_path(call));
  MUSTER_TRY(JsonReader body, call.json());
  const std::string group = body.required_string("group");
  std::vector<ingest::Cursor> cursors;
  for (JsonReader& entry : body.required_objects("cursors", kMaxCursors)) {
    const std::int64_t partition = entry.required_integer("partition");
    const std::int64_t offset = entry.required_integer("offset");
    const std::int64_t epoch = entry.optional_integer("epoch").value_or(1);
    if (partition < 0 || partition > INT32_MAX) entry.fail("partition", "a partition's number");
    if (epoch < 0 || epoch > INT32_MAX) entry.fail("epoch", "an epoch's number");
    if (offset < 0) entry.fail("offset", "an offset");
    MUSTER_TRY_VOID(entry.finish());
    cursors.push_back({stream, static_cast<std::int32_t>(epoch), static_cast<std::int32_t>(partition), offset});
  }
  MUSTER_TRY_VOID(body.finish());
  MUSTER_TRY_VOID(call.context.reader.commit(call.tenant().id, stream, group, cursors));
  http::Response response;
  response.status = 204;
  return response;
}

}  // namespace

void add_streams(Operations& operations) {
  const std::string stream = "/v1/tenants/{tenant}/streams/{stream}";
  operations.push_back(
      {"GET", stream + "/records", Action::kStreamRead, records, Replay::kNone, {"group", "max", "wait_ms"}});
  operations.push_back({"POST", stream + "/commits", Action::kStreamRead, commit});
}

}  // namespace muster::api
