// SPDX-License-Identifier: Apache-2.0
#include "x509/pem.h"

#include "core/encoding.h"

namespace muster::x509 {

namespace {

void skip_space(std::string_view& text) {
  const std::size_t at = text.find_first_not_of(" \t\r\n");
  text.remove_prefix(at == std::string_view::npos ? text.size() : at);
}

bool take(std::string_view& text, std::string_view expected) {
  if (!text.starts_with(expected)) return false;
  text.remove_prefix(expected.size());
  return true;
}

}  // namespace

std::optional<std::vector<Bytes>> read_pem_blocks(std::string_view text, std::string_view label,
                                                  std::size_t max_count) {
  const std::string begin = "-----BEGIN " + std::string(label) + "-----";
  const std::string end = "-----END " + std::string(label) + "-----";
  std::vector<Bytes> blocks;
  skip_space(text);
  while (!text.empty()) {
    if (blocks.size() == max_count || !take(text, begin)) return std::nullopt;
    const std::size_t body = text.find('-');
    if (body == std::string_view::npos) return std::nullopt;
    auto der = from_base64(text.substr(0, body));
    text.remove_prefix(body);
    if (!der.ok() || der->empty() || !take(text, end)) return std::nullopt;
    blocks.push_back(std::move(der).value());
    skip_space(text);
  }
  if (blocks.empty()) return std::nullopt;
  return blocks;
}

std::string write_pem(std::string_view label, BytesView der) {
  constexpr std::size_t kLine = 64;  // RFC 7468 §2
  const std::string body = to_base64(der);
  std::string pem = "-----BEGIN " + std::string(label) + "-----\n";
  pem.reserve(pem.size() * 2 + body.size() + body.size() / kLine + 8);
  for (std::size_t at = 0; at < body.size(); at += kLine) {
    pem.append(body, at, kLine);
    pem += '\n';
  }
  return pem + "-----END " + std::string(label) + "-----\n";
}

}  // namespace muster::x509
