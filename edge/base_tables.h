// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the writer's half of base.snapshot: rows as they were collected, put into the order and form of
// edge/base_format.h, and written to a file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "edge/base_format.h"
#include "edge/identity_change.h"
#include "edge/string_pool.h"

namespace muster::edge {

// Tenant, issuer and policy are indexes in the small tables below.
struct DeviceRow {
  RawId id;
  std::uint32_t tenant = 0;
  std::uint32_t policy = base_format::kNone;
  base_format::PoolOffset attributes = 0;
  std::uint8_t status = base_format::kAbsent;
  std::uint8_t name_hash = 0;
};
struct CertificateRow {
  Sha256 id{};
  RawId device;
  std::int64_t not_after = 0;
  std::uint32_t tenant = 0;
  std::uint32_t issuer = 0;
  std::uint8_t status = base_format::kAbsent;
};

struct BaseTables {
  std::vector<base_format::Tenant> tenants;   // by id
  std::vector<base_format::Issuer> issuers;   // by id
  std::vector<base_format::Policy> policies;  // by id
  std::vector<DeviceRow> devices;             // in the order in which they came
  std::vector<CertificateRow> certificates;   // as well
  StringPool pool;
};

// Puts devices and certificates in order, drops what nobody would be let in by, and writes everything to `fd`.
// Reasons: file.write_failed, snapshot.limit_exceeded.
Result<void> write_base_tables(int fd, const StreamPosition& position, BaseTables& tables);

}  // namespace muster::edge
