// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the layout of base.snapshot, as docs/formats/snapshot.md describes it. The reader maps these structures;
// they hold integers in little-endian order and no padding that the compiler chose. What there is once for each device
// is packed by the bit (edge/packed_table.h): 38 octets for a device and its certificate in a fleet of a million.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

namespace muster::edge::base_format {

static_assert(std::endian::native == std::endian::little, "the snapshot is mapped: its integers are little-endian");

inline constexpr std::array<char, 8> kMagic = {'M', 'U', 'S', 'T', 'E', 'R', 'S', 'N'};
inline constexpr std::uint32_t kVersion = 3;
inline constexpr std::uint32_t kOldestReadable = 3;  // the rows of version 2 have no names' hashes
inline constexpr std::uint64_t kKnownFeatures = 0;   // a bit that a reader does not know makes it refuse the file
inline constexpr std::uint32_t kNone = 0xFFFFFFFF;   // "no index"
inline constexpr std::uint32_t kMaxSections = 64;
inline constexpr std::uint64_t kMaxFileSize = 64ULL << 30;
inline constexpr std::uint32_t kMaxEntities = 1U << 30;  // of a kind: every index fits into 30 bits

struct Header {
  std::array<char, 8> magic;
  std::uint32_t version;
  std::uint32_t minimum_reader_version;
  std::uint64_t features;
  std::array<std::uint8_t, 16> epoch;
  std::uint64_t number;
  std::uint64_t file_size;
  std::uint32_t section_count;
  std::uint32_t body_crc;    // CRC-32C of everything after the section table
  std::uint32_t header_crc;  // CRC-32C of header and section table with this field zero
  std::uint32_t reserved;
};
static_assert(sizeof(Header) == 72);

enum class SectionKind : std::uint32_t {
  kTenants = 1,              // Tenant, by id
  kTenantsByName = 2,        // u32 index of Tenant, by (name, status)
  kIssuers = 3,              // Issuer, by id
  kIssuersByKey = 4,         // u32 index of Issuer, by SPKI hash
  kIssuersByTenant = 5,      // u32 index of Issuer, by tenant, then id
  kPolicies = 6,             // Policy, by id
  kDeviceClasses = 7,        // DeviceClass
  kLayout = 8,               // Layout, one
  kDevices = 9,              // packed, by id
  kDeviceBuckets = 10,       // u32: where ids with these leading octets start
  kCertificates = 11,        // packed, by hash
  kCertificateBuckets = 12,  // u32: where hashes with these leading octets start
  kPool = 13,                // octets: strings that the other tables name by their offset
};
inline constexpr std::uint32_t kSectionKinds = 13;

struct Section {
  SectionKind kind;
  std::uint32_t entry_size;
  std::uint64_t offset;  // from the start of the file, a multiple of 8
  std::uint64_t count;
};
static_assert(sizeof(Section) == 24);

// A status of 0 marks an entity that others name but that is not held itself.
inline constexpr std::uint8_t kAbsent = 0;

// A string in the pool is its length (u32) and its octets; at offset 0 stands the empty one.
using PoolOffset = std::uint32_t;

struct Tenant {
  std::array<std::uint8_t, 16> id;
  PoolOffset name;
  PoolOffset settings;         // edge/entity_codec.h
  std::uint32_t first_issuer;  // in kIssuersByTenant: its issuers end where the next tenant's begin
  std::uint8_t status;
  std::array<std::uint8_t, 3> reserved;
};
static_assert(sizeof(Tenant) == 32);

struct Issuer {
  std::array<std::uint8_t, 16> id;
  std::array<std::uint8_t, 32> spki_sha256;
  std::uint32_t tenant;    // index
  PoolOffset certificate;  // DER
  PoolOffset external;     // of a trust anchor of the tenant's own PKI: its rules, never empty
  std::uint8_t status;
  std::array<std::uint8_t, 3> reserved;
};
static_assert(sizeof(Issuer) == 64);

struct Policy {
  std::array<std::uint8_t, 16> id;
  std::uint32_t tenant;  // index
  PoolOffset rules;
  std::uint8_t status;
  std::array<std::uint8_t, 3> reserved;
};
static_assert(sizeof(Policy) == 28);

// What many devices have in common.
struct DeviceClass {
  std::uint32_t tenant_and_status;  // tenant's index in the upper 30 bits, status in the lower 2
  std::uint32_t policy;             // index, kNone for the default policy
  PoolOffset attributes;            // groups and labels
};
static_assert(sizeof(DeviceClass) == 12);

// How the packed rows are made up. A row is the last 16 - skip octets of its key (a device's id, the first half of a
// certificate's hash), then its fields from the lowest bit on, filled up to a whole octet:
//   device       class, hash of its name (edge/name_hash.h)
//   certificate  device (index), issuer (its place among the tenant's), suspended (1 bit), notAfter - not_after_base;
//                notAfter of all ones: the end of the year 9999, "no end" (RFC 5280 §4.1.2.5)
struct Layout {
  std::int64_t not_after_base;  // seconds since the Unix epoch
  std::uint8_t device_skip;
  std::uint8_t certificate_skip;
  std::uint8_t class_bits;
  std::uint8_t device_bits;
  std::uint8_t issuer_bits;
  std::uint8_t not_after_bits;
  std::array<std::uint8_t, 2> reserved;
};
static_assert(sizeof(Layout) == 16);
inline constexpr unsigned kMaxSkip = 3;
inline constexpr unsigned kMaxFieldBits = 40;
inline constexpr unsigned kNameBits = 8;
inline constexpr std::int64_t kNoEnd = 253'402'300'799;  // 9999-12-31T23:59:59Z

// Octets that a row's fields take.
inline std::size_t octets_of_bits(unsigned bits) { return (bits + 7) / 8; }
inline std::size_t device_row_size(const Layout& l) {
  return 16U - l.device_skip + octets_of_bits(l.class_bits + kNameBits);
}
inline std::size_t certificate_row_size(const Layout& l) {
  return 16U - l.certificate_skip + octets_of_bits(l.device_bits + l.issuer_bits + 1U + l.not_after_bits);
}

}  // namespace muster::edge::base_format
