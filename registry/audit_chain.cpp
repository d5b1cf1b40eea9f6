// SPDX-License-Identifier: Apache-2.0
#include "registry/audit_chain.h"

#include "x509/sha256.h"

namespace muster::registry {

namespace {

void append_number(Bytes& out, std::uint64_t value, int octets) {
  for (int shift = 8 * (octets - 1); shift >= 0; shift -= 8) out.push_back(static_cast<std::uint8_t>(value >> shift));
}

void append_text(Bytes& out, std::string_view text) {
  append_number(out, text.size(), 4);
  out.insert(out.end(), text.begin(), text.end());
}

}  // namespace

Bytes encode_audit_row(const AuditRow& row) {
  Bytes out;
  out.push_back(kAuditEncodingVersion);
  const BytesView tenant = row.tenant_id.octets();
  out.insert(out.end(), tenant.begin(), tenant.end());
  append_number(out, row.sequence.value(), 8);
  append_number(out, row.id, 8);
  append_number(out, static_cast<std::uint64_t>(row.at), 8);
  append_number(out, static_cast<std::uint64_t>(row.outcome), 1);
  append_text(out, row.actor);
  append_text(out, row.action);
  append_text(out, row.target);
  append_text(out, row.target_name);
  append_number(out, row.detail.size(), 4);
  for (const auto& [name, value] : row.detail) {
    append_text(out, name);
    append_text(out, value);
  }
  return out;
}

Sha256 chain_hash(const Sha256& previous, BytesView encoding) {
  Bytes input(previous.begin(), previous.end());
  input.insert(input.end(), encoding.begin(), encoding.end());
  return x509::sha256(input);
}

}  // namespace muster::registry
