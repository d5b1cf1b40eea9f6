// SPDX-License-Identifier: Apache-2.0
//
// Purpose: records to append and a way to read them all, for tests of the log.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "core/record.h"
#include "ingest/log.h"

namespace muster::ingest {

inline constexpr std::chrono::milliseconds kShortWait{20};
inline constexpr std::chrono::seconds kDeadline{20};

// Batch owns encoded records and the entries that view them.
class Batch {
 public:
  explicit Batch(IncarnationId incarnation) : incarnation_(incarnation) {}
  Batch& add(std::uint64_t sequence, std::string device = "pump-1", Stream stream = Stream::kRaw) {
    RecordView record;
    record.incarnation = incarnation_;
    record.sequence = sequence;
    record.tenant_id = tenant_;
    record.tenant = "acme";
    record.device = device;
    record.topic = "acme/pump-1/telemetry";
    const std::string payload = "{\"n\":" + std::to_string(sequence) + "}";
    record.payload = as_bytes(payload_.empty() ? payload : payload_);
    Bytes encoded;
    EXPECT_TRUE(append_record(encoded, record).ok());
    records_.push_back(std::move(encoded));
    keys_.push_back("acme/" + device);
    streams_.push_back(stream);
    return *this;
  }
  std::vector<AppendEntry> entries() const {
    std::vector<AppendEntry> entries;
    for (std::size_t i = 0; i < records_.size(); ++i) entries.push_back({streams_[i], keys_[i], records_[i]});
    return entries;
  }
  // What the records added from now on carry; empty: their sequence as {"n":…}.
  Batch& with_payload(std::string payload) {
    payload_ = std::move(payload);
    return *this;
  }
  Batch& of_tenant(const TenantId& tenant) {
    tenant_ = tenant;
    return *this;
  }
  const IncarnationId& incarnation() const { return incarnation_; }
  static constexpr std::uint8_t kTenant[16] = {0x7e, 1, 2, 3};

 private:
  IncarnationId incarnation_;
  TenantId tenant_ = TenantId::from_octets(kTenant);
  std::string payload_;
  std::vector<Bytes> records_;
  std::vector<std::string> keys_;
  std::vector<Stream> streams_;
};

struct SeenRecord {
  std::int32_t partition;
  std::int64_t offset;
  UnixMicros append_time;
  std::string key;
  std::uint64_t sequence;
};

// Polls until `count` records were seen or the deadline passed; commits each batch.
inline std::vector<SeenRecord> drain(Consumer& consumer, std::size_t count) {
  std::vector<SeenRecord> seen;
  const auto until = std::chrono::steady_clock::now() + kDeadline;
  while (seen.size() < count && std::chrono::steady_clock::now() < until) {
    const auto batch = consumer.poll(100, kShortWait);
    if (!batch.ok()) {
      ADD_FAILURE() << to_log_text(batch.error());
      return seen;
    }
    for (const StoredRecordView& stored : batch->records) {
      const auto record = decode_record(stored.record);
      if (!record.ok()) {
        ADD_FAILURE() << to_log_text(record.error());
        return seen;
      }
      seen.push_back({batch->next.partition, stored.offset, stored.append_time,
                      std::string{record->tenant} + "/" + std::string{record->device}, record->sequence});
    }
    if (!batch->records.empty()) {
      EXPECT_TRUE(consumer.commit(batch->next, batch->fence).ok());
    }
  }
  return seen;
}

}  // namespace muster::ingest
