// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what the broker plugin leaves for the edge when a device of a tenant's own PKI connects that is not
// registered: the chain it proved, in one file for each leaf, in the folder `registrations` of the WAL folder. The edge
// sends it to the server and removes it. It is a claim and no more: the server verifies the chain itself.
#pragma once

#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "core/record.h"
#include "core/result.h"

namespace muster::edge {

inline constexpr std::size_t kMaxReportBytes = 192U << 10;
inline constexpr std::size_t kMaxReportChain = 9;      // certificates
inline constexpr std::size_t kMaxWaitingReports = 64;  // files in the folder: more are not written

struct RegistrationReport {
  TenantId tenant_id;
  IssuerId anchor_id;
  std::vector<Bytes> chain;  // DER, leaf first
  friend bool operator==(const RegistrationReport&, const RegistrationReport&) = default;
};

std::string reports_folder(const std::string& wal_folder);
// "registration-<64 hexadecimal digits of the leaf's SHA-256>.report"
std::string report_name(const Sha256& leaf);
// Paths of the reports in a folder, at most `limit`; none where there is no such folder.
std::vector<std::string> list_reports(const std::string& folder, std::size_t limit);

Bytes encode_report(const RegistrationReport& report);
// Reason: snapshot.corrupt.
Result<RegistrationReport> decode_report(BytesView bytes);

}  // namespace muster::edge
