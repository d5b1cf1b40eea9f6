// SPDX-License-Identifier: Apache-2.0
#include "ingest/normalizer.h"

#include <gtest/gtest.h>

#include <limits>

#include "ingest/reasons.h"
#include "unit/record/golden.h"

namespace muster::ingest {
namespace {

struct Output {
  Stream stream;
  std::string key;
  Bytes record;
};

// OutputList stands for the log's transaction: it keeps what was produced.
class OutputList final : public Transaction {
 public:
  Result<void> produce(Stream stream, std::string_view key, BytesView record) override {
    outputs.push_back({stream, std::string{key}, {record.begin(), record.end()}});
    return {};
  }
  Result<void> put_state(std::string_view, BytesView) override { return {}; }
  std::size_t octets() const override { return 0; }
  void advance(const Cursor&, std::int64_t) override {}
  Result<void> commit() override { return {}; }
  std::vector<Output> outputs;
};

std::vector<Output> normalize(std::string_view payload) {
  RecordView record = golden_publish();
  record.payload = as_bytes(payload);
  Bytes encoded;
  EXPECT_TRUE(append_record(encoded, record).ok());
  OutputList out;
  Normalizer normalizer;
  EXPECT_TRUE(normalizer.process(encoded, out).ok());
  return std::move(out.outputs);
}

std::string_view header_of(const RecordView& record, std::string_view name) {
  for (const RecordHeaderView& header : record.headers) {
    if (header.name == name) return header.value;
  }
  return {};
}

TEST(Normalizer, WritesOneCloudEventForAReading) {
  const auto outputs = normalize(R"({"ts":1700000000.5,"p":2.5,"ok":true,"s":"a\"b"})");

  ASSERT_EQ(outputs.size(), 1u);
  EXPECT_EQ(outputs[0].stream, Stream::kNormalized);
  EXPECT_EQ(outputs[0].key, "acme/pump-1");
  const auto event = decode_record(outputs[0].record);
  ASSERT_TRUE(event.ok());
  EXPECT_EQ(
      as_text(event->payload),
      R"({"specversion":"1.0","id":"10111213-1415-1617-1819-1a1b1c1d1e1f/42/0","source":"acme/pump-1",)"
      R"("type":"muster.measurements.v1","time":"2023-11-14T22:13:20.500000Z","datacontenttype":"application/json",)"
      R"("tenantid":"20212223-2425-2627-2829-2a2b2c2d2e2f","deviceid":"30313233-3435-3637-3839-3a3b3c3d3e3f",)"
      R"("mappingversion":"builtin-1","data":{"topic":"acme/pump-1/telemetry/pressure","measurements":[)"
      R"({"name":"p","value":2.5,"time":"2023-11-14T22:13:20.500000Z"},)"
      R"({"name":"ok","value":true,"time":"2023-11-14T22:13:20.500000Z"},)"
      R"({"name":"s","value":"a\"b","time":"2023-11-14T22:13:20.500000Z"}]}})");
}

TEST(Normalizer, KeepsIdentityAndUnknownHeaders) {
  const auto outputs = normalize("[{\"a\":1},{\"a\":2}]");

  ASSERT_EQ(outputs.size(), 2u);
  const auto second = decode_record(outputs[1].record);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->tenant_id, golden_publish().tenant_id);
  EXPECT_EQ(second->device_id, golden_publish().device_id);
  EXPECT_EQ(second->sequence, 42u);
  EXPECT_EQ(header_of(*second, "content-type"), "application/cloudevents+json");
  EXPECT_EQ(header_of(*second, "output-index"), "1");
  EXPECT_EQ(header_of(*second, "user:site"), "plant-7");
}

TEST(Normalizer, AReadingWithoutATimeHasTheReceiveTime) {
  const auto outputs = normalize("{\"a\":1}");

  ASSERT_EQ(outputs.size(), 1u);
  EXPECT_NE(as_text(decode_record(outputs[0].record)->payload).find(R"("time":"2023-11-14T22:13:21.500000Z")"),
            std::string_view::npos);
}

TEST(Normalizer, WhatItCannotDecodeIsADeadLetterWithTheOriginalOctets) {
  const auto outputs = normalize("not json");

  ASSERT_EQ(outputs.size(), 1u);
  EXPECT_EQ(outputs[0].stream, Stream::kDeadLetters);
  const auto letter = decode_record(outputs[0].record);
  ASSERT_TRUE(letter.ok());
  EXPECT_EQ(as_text(letter->payload), "not json");
  EXPECT_EQ(letter->topic, golden_publish().topic);
  EXPECT_EQ(header_of(*letter, "reason"), reasons::kJsonInvalid);
  EXPECT_EQ(header_of(*letter, "mapping-version"), "builtin-1");
  EXPECT_EQ(header_of(*letter, "content-type"), "application/json");
}

TEST(Normalizer, OctetsThatAreNoRecordAreADeadLetterToo) {
  Bytes broken;
  ASSERT_TRUE(append_record(broken, golden_publish()).ok());
  broken[0] = 9;
  OutputList out;

  const auto reason = Normalizer{}.process(broken, out);

  ASSERT_TRUE(reason.ok());
  EXPECT_EQ(*reason, reasons::kRecordMalformed);
  const auto letter = decode_record(out.outputs.at(0).record);
  ASSERT_TRUE(letter.ok());
  EXPECT_EQ(letter->tenant_id, golden_publish().tenant_id);
  EXPECT_EQ(Bytes(letter->payload.begin(), letter->payload.end()), broken);
}

RecordView with_headers(std::string_view payload, const std::vector<RecordHeaderView>& headers) {
  RecordView record = golden_publish();
  record.payload = as_bytes(payload);
  record.headers = headers;
  return record;
}

std::vector<Output> normalize_record(const RecordView& record) {
  Bytes encoded;
  EXPECT_TRUE(append_record(encoded, record).ok());
  OutputList out;
  Normalizer normalizer;
  const auto processed = normalizer.process(encoded, out);
  EXPECT_TRUE(processed.ok()) << "a record that fails stops its partition for ever: " << processed.error().reason;
  return std::move(out.outputs);
}

// One message of a megabyte could otherwise become 900 megabytes of events.
TEST(Normalizer, DoesNotRepeatLongHeadersInManyEvents) {
  const std::string long_value(60'000, 'x');
  const std::vector<RecordHeaderView> headers(15, {"user:a", long_value});
  std::string payload = "[{\"a\":1}";
  for (int i = 1; i < 900; ++i) payload += ",{\"a\":1}";
  payload += "]";
  const auto outputs = normalize_record(with_headers(payload, headers));

  ASSERT_EQ(outputs.size(), 1u);
  EXPECT_EQ(outputs[0].stream, Stream::kDeadLetters);
  EXPECT_EQ(header_of(*decode_record(outputs[0].record), "reason"), reasons::kOutputTooLarge);
  EXPECT_EQ(normalize_record(with_headers("{\"a\":1}", headers))[0].stream, Stream::kNormalized);
}

// What an edge with a stolen password may forge: the database checks only the ids.
TEST(Normalizer, ForgedRecordsBecomeDeadLetters) {
  const std::vector<RecordHeaderView> full(65'535);
  const auto outputs = normalize_record(with_headers("{\"a\":1}", full));
  ASSERT_EQ(outputs.size(), 1u);
  EXPECT_EQ(header_of(*decode_record(outputs[0].record), "reason"), reasons::kTooManyHeaders);
  EXPECT_EQ(decode_record(outputs[0].record)->device_id, golden_publish().device_id);

  RecordView extreme = golden_publish();
  extreme.receive_time = std::numeric_limits<UnixMicros>::min();
  extreme.connection_start = std::numeric_limits<UnixMicros>::max();
  extreme.payload = as_bytes(std::string_view{R"({"n":"a","v":1,"t":-200000000})"});
  EXPECT_EQ(normalize_record(extreme).size(), 1u);
}

TEST(Normalizer, KeepsTheStartOfOctetsThatAreTooManyForARecord) {
  Bytes huge(300'000'000, 0xff);
  OutputList out;
  Normalizer normalizer;
  ASSERT_TRUE(normalizer.process(huge, out).ok());
  EXPECT_LT(out.outputs.at(0).record.size(), 20'000'000u);
}

}  // namespace
}  // namespace muster::ingest
