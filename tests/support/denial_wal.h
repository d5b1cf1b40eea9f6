// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "edge/wal_writer.h"

namespace muster::test_support {

// DenialWal stores nothing but what denials say: their reasons and whom they are about.
class DenialWal final : public edge::WalWriter {
 public:
  IncarnationId incarnation() const override { return {}; }
  Result<std::uint64_t> append(RecordView record) override {
    if (record.kind == RecordKind::kDenial) {
      denials.emplace_back(record.headers.at(0).value);
      subjects.push_back(std::string(record.tenant).append("/").append(record.device));
    }
    return ++sequence_;
  }
  bool has_room_for_qos0() const override { return true; }
  edge::WalStatistics statistics() const override { return {}; }
  std::vector<std::string> denials;
  std::vector<std::string> subjects;  // of the same denials, "tenant/device"

 private:
  std::uint64_t sequence_ = 0;
};

}  // namespace muster::test_support
