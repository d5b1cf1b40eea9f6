// SPDX-License-Identifier: Apache-2.0
#include "api/batch_line.h"

#include <algorithm>

#include "api/json_reader.h"
#include "api/json_writer.h"
#include "api/log_json.h"
#include "api/problem.h"
#include "api/reasons.h"
#include "core/encoding.h"
#include "core/time.h"
#include "x509/pem.h"

namespace muster::api {
namespace {

constexpr std::size_t kMaxLines = 10'000;
constexpr std::size_t kMaxLineBytes = 32u << 10;
constexpr std::string_view kLabel = "CERTIFICATE";

Result<enroll::EnrollRequest> parse(const TenantId& tenant, const BatchLine& line, std::string& device) {
  if (line.text.size() > kMaxLineBytes) {
    return Error{ErrorCode::kInvalidArgument, reasons::kLineInvalid,
                 "at most " + std::to_string(kMaxLineBytes) + " octets a line"};
  }
  MUSTER_TRY(JsonReader body, JsonReader::parse(line.text));
  enroll::EnrollRequest request;
  request.tenant = tenant;
  request.device = body.required_string("device");
  request.csr = body.required_string("csr");
  if (auto profile = body.optional_string("profile")) request.profile = std::move(*profile);
  if (body.optional_bool("create").value_or(false)) request.create = enroll::CreateDevice::kYes;
  device = request.device;
  MUSTER_TRY_VOID(body.finish());
  return request;
}

}  // namespace

Result<std::vector<BatchLine>> split_batch(std::string_view text) {
  std::vector<BatchLine> lines;
  for (std::uint64_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    if (lines.size() == kMaxLines) {
      return Error{ErrorCode::kResourceExhausted, reasons::kTooManyLines, "at most " + std::to_string(kMaxLines)};
    }
    lines.push_back({number, line});
  }
  return lines;
}

BatchItem parse_batch_line(const TenantId& tenant, const BatchLine& line) {
  BatchItem item{line.number, "", std::nullopt, {}};
  auto parsed = parse(tenant, line, item.device);
  if (parsed.ok()) {
    item.request = std::move(*parsed);
  } else {
    item.error = parsed.error();
  }
  return item;
}

std::string success_line(std::uint64_t line, const std::string& device, const enroll::IssuedCertificate& issued) {
  JsonWriter out;
  out.object([&] {
    out.field("line", line)
        .field("device", device)
        .field("status", 201)
        .field("id", issued.id_hex)
        .field("serial", issued.serial_hex)
        .field("certificate", issued.certificate_pem)
        .field("chain", issued.chain_pem)
        .field("not_after", to_rfc3339(issued.not_after));
    if (!issued.log) return;
    out.key("log");
    write_inclusion(out, *issued.log);
  });
  return out.take();
}

std::string failure_line(const BatchItem& item, const Error& error) {
  JsonWriter out;
  out.object([&] {
    out.field("line", item.line)
        .field("device", item.device)
        .field("status", http_status(error))
        .field("reason", error.reason);
    if (error.code == ErrorCode::kInvalidArgument && !error.detail.empty()) out.field("detail", error.detail);
  });
  return out.take();
}

std::string chain_pem(const registry::Issuer& issuer) {
  std::string chain = x509::write_pem(kLabel, issuer.certificate);
  for (std::size_t i = 0; i + 1 < issuer.chain.size(); ++i) chain += x509::write_pem(kLabel, issuer.chain[i]);
  return chain;
}

enroll::IssuedCertificate stored_certificate(const registry::StoredBatchResult::Issued& issued, std::string chain) {
  enroll::IssuedCertificate certificate;
  certificate.id = issued.id;
  certificate.id_hex = to_hex(issued.id);
  certificate.serial_hex = to_hex(issued.serial);
  certificate.certificate_pem = x509::write_pem(kLabel, issued.certificate);
  certificate.chain_pem = std::move(chain);
  certificate.not_after = issued.not_after;
  return certificate;
}

}  // namespace muster::api
