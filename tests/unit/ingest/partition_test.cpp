// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <limits>

#include "ingest/log.h"

namespace muster::ingest {
namespace {

struct Hashed {
  std::string_view key;
  std::int32_t hash;
};

// From Kafka's own test of Utils.murmur2 (clients/src/test/java/org/apache/kafka/common/utils/UtilsTest.java).
constexpr Hashed kKafkaVectors[] = {{"21", -973932308},
                                    {"foobar", -790332482},
                                    {"a-little-bit-long-string", -985981536},
                                    {"a-little-bit-longer-string", -1486304829},
                                    {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
                                    {"abc", 479470107}};

TEST(Partition, IsWhatKafkasDefaultPartitionerChooses) {
  for (const Hashed& vector : kKafkaVectors) {
    EXPECT_EQ(partition_of(vector.key, std::numeric_limits<std::int32_t>::max()), vector.hash & 0x7fffffff)
        << vector.key;
    EXPECT_EQ(partition_of(vector.key, 16), (vector.hash & 0x7fffffff) % 16) << vector.key;
  }
}

TEST(Stream, NamesReadBackAndNothingElseDoes) {
  for (const Stream stream : {Stream::kRaw, Stream::kNormalized, Stream::kDeadLetters, Stream::kLifecycle}) {
    EXPECT_EQ(stream_from(to_string(stream)), stream);
  }
  EXPECT_EQ(stream_from(""), std::nullopt);
  EXPECT_EQ(stream_from("Raw"), std::nullopt);
}

TEST(Stream, MessagesGoToRawAndConnectionsToLifecycle) {
  EXPECT_EQ(stream_of(RecordKind::kPublish), Stream::kRaw);
  EXPECT_EQ(stream_of(RecordKind::kWill), Stream::kRaw);
  EXPECT_EQ(stream_of(RecordKind::kConnect), Stream::kLifecycle);
  EXPECT_EQ(stream_of(RecordKind::kDisconnect), Stream::kLifecycle);
  EXPECT_EQ(stream_of(RecordKind::kDenial), Stream::kLifecycle);
}

}  // namespace
}  // namespace muster::ingest
