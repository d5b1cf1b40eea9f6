// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the records that the golden files in docs/formats/golden/ hold.
#pragma once

#include <string_view>

#include "core/record.h"

namespace muster {

template <typename T>
T numbered_id(std::uint8_t first) {
  std::uint8_t octets[16];
  for (std::uint8_t i = 0; i < 16; ++i) octets[i] = static_cast<std::uint8_t>(first + i);
  return T::from_octets(octets);
}

inline RecordView golden_publish() {
  RecordView r;
  r.kind = RecordKind::kPublish;
  r.qos = 1;
  r.retain = true;
  r.lane = 3;
  r.incarnation = numbered_id<IncarnationId>(0x10);
  r.sequence = 42;
  r.tenant_id = numbered_id<TenantId>(0x20);
  r.device_id = numbered_id<DeviceId>(0x30);
  r.connection_id = numbered_id<ConnectionId>(0x40);
  r.connection_start = 1'700'000'000'000'000;
  r.receive_time = 1'700'000'001'500'000;
  r.certificate_id.fill(0xab);
  r.tenant = "acme";
  r.device = "pump-1";
  r.topic = "acme/pump-1/telemetry/pressure";
  r.headers = {{"content-type", "application/json"}, {"user:site", "plant-7"}};
  r.payload = as_bytes(R"({"pressure":2.5})");
  return r;
}

inline RecordView golden_will() {
  RecordView r = golden_publish();
  r.kind = RecordKind::kWill;
  r.qos = 0;
  r.retain = false;
  r.sequence = 43;
  r.topic = "acme/pump-1/state";
  r.headers.clear();
  r.payload = as_bytes("offline");
  return r;
}

inline RecordView golden_denial() {
  RecordView r = golden_publish();
  r.kind = RecordKind::kDenial;
  r.qos = 0;
  r.retain = false;
  r.lane = 0;
  r.sequence = 0x1122334455667788;
  r.topic = "beta/pump-9/telemetry";
  r.headers = {{"reason", "policy.denied"}};
  r.payload = {};
  return r;
}

inline RecordView golden_connect() {
  RecordView r = golden_denial();
  r.kind = RecordKind::kConnect;
  r.sequence = 1;
  r.append_time = 1'700'000'002'000'000;
  r.topic = {};
  r.headers.clear();
  return r;
}

struct GoldenCase {
  std::string_view name;
  std::string_view file;
  RecordView (*record)();
};

inline constexpr GoldenCase kGoldenCases[] = {{"Publish", "record-v1-publish.bin", golden_publish},
                                              {"Will", "record-v1-will.bin", golden_will},
                                              {"Denial", "record-v1-denial.bin", golden_denial},
                                              {"Connect", "record-v1-connect.bin", golden_connect}};

}  // namespace muster
