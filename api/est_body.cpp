// SPDX-License-Identifier: Apache-2.0
#include "api/est_body.h"

#include <algorithm>
#include <cstring>

#include "api/reasons.h"
#include "core/encoding.h"
#include "x509/pem.h"

namespace muster::api {
namespace {

constexpr std::string_view kPkcs10 = "application/pkcs10";
constexpr std::size_t kLine = 64;

bool is_pkcs10(std::string_view type) {
  type = type.substr(0, type.find(';'));
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.remove_suffix(1);
  return std::ranges::equal(type, kPkcs10,
                            [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; });
}

Error malformed(const char* why) { return {ErrorCode::kInvalidArgument, reasons::kEstBody, why}; }

Result<Bytes> read_pem(std::string_view text) {
  for (const char* label : {"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"}) {
    auto blocks = x509::read_pem_blocks(text, label, 1);
    if (blocks) return std::move(blocks->front());
  }
  return malformed("PEM, but not exactly one certificate request");
}

}  // namespace

Result<Bytes> read_est_request(const http::Request& request) {
  if (!is_pkcs10(request.header("content-type").value_or(""))) {
    return Error{ErrorCode::kInvalidArgument, reasons::kEstMediaType, "send application/pkcs10"};
  }
  MUSTER_TRY(const std::string_view text, request.body.view());
  if (text.find("-----BEGIN") != std::string_view::npos) return read_pem(text);
  auto der = from_base64(text);
  if (!der.ok() || der->empty()) return malformed("not base64 of a PKCS#10 request");
  return der;
}

std::string to_est_base64(BytesView der, bool unwrapped) {
  std::string text = to_base64(der);
  if (unwrapped) return text;
  std::string wrapped;
  wrapped.reserve(text.size() + text.size() / kLine + 1);
  for (std::size_t at = 0; at < text.size(); at += kLine) wrapped.append(text, at, kLine).push_back('\n');
  explicit_bzero(text.data(), text.size());  // it may be a key
  return wrapped;
}

}  // namespace muster::api
