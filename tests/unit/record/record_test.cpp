// SPDX-License-Identifier: Apache-2.0
#include "core/record.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "core/encoding.h"
#include "core/file.h"
#include "unit/record/golden.h"

namespace muster {
namespace {

TEST(Record, DecodesToWhatWasEncoded) {
  const RecordView record = golden_publish();

  Bytes encoded;
  ASSERT_TRUE(append_record(encoded, record).ok());
  const auto decoded = decode_record(encoded);

  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->kind, record.kind);
  EXPECT_EQ(decoded->qos, record.qos);
  EXPECT_EQ(decoded->retain, record.retain);
  EXPECT_EQ(decoded->lane, record.lane);
  EXPECT_EQ(decoded->sequence, record.sequence);
  EXPECT_EQ(decoded->incarnation, record.incarnation);
  EXPECT_EQ(decoded->tenant_id, record.tenant_id);
  EXPECT_EQ(decoded->device_id, record.device_id);
  EXPECT_EQ(decoded->connection_id, record.connection_id);
  EXPECT_EQ(decoded->connection_start, record.connection_start);
  EXPECT_EQ(decoded->receive_time, record.receive_time);
  EXPECT_EQ(decoded->certificate_id, record.certificate_id);
  EXPECT_EQ(decoded->tenant, record.tenant);
  EXPECT_EQ(decoded->device, record.device);
  EXPECT_EQ(decoded->topic, record.topic);
  ASSERT_EQ(decoded->headers.size(), 2u);
  EXPECT_EQ(decoded->headers[1].name, "user:site");
  EXPECT_EQ(decoded->headers[1].value, "plant-7");
  EXPECT_EQ(as_text(decoded->payload), as_text(record.payload));
}

TEST(Record, StandsAtTheOffsetsThatTheHeaderPromises) {
  Bytes encoded;
  ASSERT_TRUE(append_record(encoded, golden_publish()).ok());

  EXPECT_EQ(encoded[kRecordSequenceOffset], 42);
  EXPECT_EQ(IncarnationId::from_octets(&encoded[kRecordIncarnationOffset]), golden_publish().incarnation);
  EXPECT_EQ(TenantId::from_octets(&encoded[kRecordTenantIdOffset]), golden_publish().tenant_id);
  EXPECT_EQ(DeviceId::from_octets(&encoded[kRecordDeviceIdOffset]), golden_publish().device_id);
}

class GoldenRecord : public testing::TestWithParam<GoldenCase> {};

// The files are the format: a change that does not read them, or writes other octets, is a new version.
TEST_P(GoldenRecord, EncodesToTheOctetsInTheFile) {
  const std::string path = std::string{MUSTER_SOURCE_DIR} + "/docs/formats/golden/" + std::string{GetParam().file};
  Bytes encoded;
  ASSERT_TRUE(append_record(encoded, GetParam().record()).ok());
  if (std::getenv("MUSTER_WRITE_GOLDEN") != nullptr) {
    ASSERT_TRUE(write_file_durably(path, encoded, 0644).ok());
  }

  const auto golden = read_file(path, 1u << 20);

  ASSERT_TRUE(golden.ok()) << path;
  EXPECT_EQ(to_hex(*golden), to_hex(encoded));
  EXPECT_TRUE(decode_record(*golden).ok());
}

INSTANTIATE_TEST_SUITE_P(Files, GoldenRecord, testing::ValuesIn(kGoldenCases),
                         [](const auto& c) { return std::string{c.param.name}; });

TEST(Record, EveryTruncationIsMalformed) {
  Bytes encoded;
  ASSERT_TRUE(append_record(encoded, golden_publish()).ok());

  for (std::size_t size = 0; size < encoded.size(); ++size) {
    const auto decoded = decode_record(BytesView{encoded}.first(size));
    ASSERT_FALSE(decoded.ok()) << size;
    EXPECT_EQ(decoded.error().reason, "record.malformed");
  }
}

TEST(Record, OctetsAfterThePayloadAreMalformed) {
  Bytes encoded;
  ASSERT_TRUE(append_record(encoded, golden_publish()).ok());
  encoded.push_back(0);

  EXPECT_EQ(decode_record(encoded).error().reason, "record.malformed");
}

struct FixedOctet {
  const char* name;
  std::size_t offset;
  std::uint8_t value;
  const char* reason;
};

class RecordFixedPart : public testing::TestWithParam<FixedOctet> {};

TEST_P(RecordFixedPart, RefusesAnUnknownValue) {
  Bytes encoded;
  ASSERT_TRUE(append_record(encoded, golden_publish()).ok());
  encoded[GetParam().offset] = GetParam().value;

  const auto decoded = decode_record(encoded);

  ASSERT_FALSE(decoded.ok());
  EXPECT_EQ(decoded.error().reason, GetParam().reason);
}

INSTANTIATE_TEST_SUITE_P(Octets, RecordFixedPart,
                         testing::Values(FixedOctet{"VersionTwo", 0, 2, "record.version_unsupported"},
                                         FixedOctet{"KindZero", 1, 0, "record.malformed"},
                                         FixedOctet{"KindSix", 1, 6, "record.malformed"},
                                         FixedOctet{"QosThree", 2, 0x06, "record.malformed"},
                                         FixedOctet{"UnknownFlag", 2, 0x08, "record.malformed"},
                                         FixedOctet{"Compression", 3, 1, "record.malformed"},
                                         FixedOctet{"MoreHeadersThanOctets", 7, 0xff, "record.malformed"}),
                         [](const auto& c) { return std::string{c.param.name}; });

TEST(Record, ATopicOverItsWidthIsRefusedAndNothingIsWritten) {
  const std::string topic(65536, 't');
  RecordView record = golden_publish();
  record.topic = topic;
  Bytes out{1, 2, 3};

  const auto result = append_record(out, record);

  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().reason, "record.too_large");
  EXPECT_EQ(out, (Bytes{1, 2, 3}));
}

TEST(Record, AppendsAfterWhatIsThere) {
  Bytes out;
  ASSERT_TRUE(append_record(out, golden_publish()).ok());
  const std::size_t first = out.size();
  ASSERT_TRUE(append_record(out, golden_publish()).ok());

  EXPECT_TRUE(decode_record(BytesView{out}.first(first)).ok());
  EXPECT_TRUE(decode_record(BytesView{out}.subspan(first)).ok());
}

}  // namespace
}  // namespace muster
