// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the canonical encoding of an audit event and the hash that chains it. Version 1:
//   octet 1 · tenant id (16) · sequence (u64) · event id (u64) · at in µs (i64) · outcome (u8) ·
//   actor, action, target, target name (each u32 length + UTF-8) · count of details (u32) · each name and value
//   likewise, sorted by name.
// All numbers big-endian. hash = SHA-256(previous hash · encoding); the first event's previous hash is 32 zero octets.
#pragma once

#include "core/bytes.h"
#include "core/record.h"
#include "registry/audit_store.h"

namespace muster::registry {

inline constexpr std::uint8_t kAuditEncodingVersion = 1;

// `row.sequence` must be set.
Bytes encode_audit_row(const AuditRow& row);
Sha256 chain_hash(const Sha256& previous, BytesView encoding);

}  // namespace muster::registry
