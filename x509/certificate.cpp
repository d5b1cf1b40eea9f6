// SPDX-License-Identifier: Apache-2.0
#include "x509/certificate.h"

#include <algorithm>

#include "core/encoding.h"
#include "x509/certificate_parser.h"
#include "x509/pem.h"
#include "x509/reasons.h"

namespace muster::x509 {

namespace {
constexpr std::string_view kPemLabel = "CERTIFICATE";
constexpr std::size_t kMaxPemSize = 2 * kMaxCertificateSize;  // base64 with line ends is about 1.4 times the DER
constexpr std::uint8_t kUriTag = 6;
}  // namespace

Result<Certificate> Certificate::parse_der(BytesView der) { return CertificateParser{}.parse(der); }

Result<Certificate> Certificate::parse_pem(std::string_view pem) {
  MUSTER_TRY(auto certificates, parse_pem_list(pem, 1));
  return certificates.front();
}

Result<std::vector<Certificate>> Certificate::parse_pem_list(std::string_view pem, std::size_t max_count) {
  if (pem.size() > kMaxPemSize * max_count) {
    return Error{ErrorCode::kInvalidArgument, reasons::kCertificateTooLarge, {}};
  }
  const auto blocks = read_pem_blocks(pem, kPemLabel, max_count);
  if (!blocks) return Error{ErrorCode::kInvalidArgument, reasons::kCertificatePemInvalid, {}};
  std::vector<Certificate> certificates;
  for (const Bytes& block : *blocks) {
    MUSTER_TRY(auto certificate, parse_der(block));
    certificates.push_back(std::move(certificate));
  }
  return certificates;
}

std::string Certificate::pem() const { return write_pem(kPemLabel, state_->der); }

std::string Certificate::id_hex() const { return to_hex(state_->id); }

bool Certificate::allows(KeyUsageBit bit) const {
  return state_->key_usage && ((*state_->key_usage >> static_cast<unsigned>(bit)) & 1) != 0;
}

bool Certificate::allows(ExtendedKeyUsage usage) const {
  return std::ranges::find(state_->extended_key_usages, usage) != state_->extended_key_usages.end();
}

std::optional<std::string_view> Certificate::only_uri_san() const {
  const auto& names = state_->subject_alt_names;
  if (names.size() != 1 || names.front().tag != kUriTag) return std::nullopt;
  return names.front().value;
}

bool Certificate::is_self_issued() const { return std::ranges::equal(state_->issuer, state_->subject); }

}  // namespace muster::x509
