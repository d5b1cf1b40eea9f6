// SPDX-License-Identifier: Apache-2.0
#include "edge/registration_report.h"

#include <algorithm>
#include <filesystem>

#include "core/encoding.h"
#include "edge/sealed_file.h"
#include "edge/wire.h"

namespace muster::edge {
namespace {

constexpr std::string_view kMagic = "MUSTERRG";
constexpr std::uint32_t kVersion = 1;
constexpr std::string_view kPrefix = "registration-";
constexpr std::string_view kSuffix = ".report";

}  // namespace

std::string reports_folder(const std::string& wal_folder) { return wal_folder + "/registrations"; }

std::string report_name(const Sha256& leaf) { return std::string(kPrefix) + to_hex(leaf) + std::string(kSuffix); }

std::vector<std::string> list_reports(const std::string& folder, std::size_t limit) {
  std::vector<std::string> paths;
  std::error_code error;
  std::filesystem::directory_iterator entry{folder, error};
  for (; !error && entry != std::filesystem::directory_iterator{}; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const bool is_report = name.starts_with(kPrefix) && name.ends_with(kSuffix);
    if (is_report && paths.size() < limit) paths.push_back(entry->path().string());
  }
  std::ranges::sort(paths);
  return paths;
}

Bytes encode_report(const RegistrationReport& report) {
  Bytes out;
  WireWriter w{out};
  w.octets(as_bytes(kMagic));
  w.u32(kVersion);
  w.octets(report.tenant_id.octets());
  w.octets(report.anchor_id.octets());
  w.count16(report.chain.size());
  for (const Bytes& der : report.chain) w.text16(as_text(der));
  seal(out);
  return out;
}

Result<RegistrationReport> decode_report(BytesView bytes) {
  const Error broken{ErrorCode::kCorrupt, "snapshot.corrupt", "a registration report is broken"};
  MUSTER_TRY(const BytesView body, unseal(bytes));
  WireReader in{body};
  const auto magic = in.array<8>();
  const std::uint32_t version = in.u32();
  if (as_text(magic) != kMagic || version != kVersion) return broken;
  RegistrationReport report;
  report.tenant_id = TenantId{RawId{in.array<16>()}};
  report.anchor_id = IssuerId{RawId{in.array<16>()}};
  for (std::uint16_t left = in.u16(); left > 0 && in.ok(); --left) report.chain.push_back(to_bytes(in.text16()));
  const bool fits = !report.chain.empty() && report.chain.size() <= kMaxReportChain;
  if (!in.ok() || !in.rest().empty() || !fits) return broken;
  return report;
}

}  // namespace muster::edge
