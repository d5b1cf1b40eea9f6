// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the layout of base.snapshot, as docs/formats/snapshot.md describes it. The reader maps these structures;
// they hold integers in little-endian order and no padding that the compiler chose.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace muster::edge::base_format {

static_assert(std::endian::native == std::endian::little, "the snapshot is mapped: its integers are little-endian");

inline constexpr std::array<char, 8> kMagic = {'M', 'U', 'S', 'T', 'E', 'R', 'S', 'N'};
inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::uint64_t kKnownFeatures = 0;  // a bit that a reader does not know makes it refuse the file
inline constexpr std::uint32_t kNone = 0xFFFFFFFF;  // "no index"
inline constexpr std::uint32_t kMaxSections = 64;
inline constexpr std::uint64_t kMaxFileSize = 64ULL << 30;

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
  kTenants = 1,             // Tenant, by id
  kTenantsByName = 2,       // u32 index of Tenant, by (name, status)
  kIssuers = 3,             // Issuer, by id
  kIssuersByKey = 4,        // u32 index of Issuer, by SPKI hash
  kPolicies = 5,            // Policy, by id
  kDevices = 6,             // Device, by id
  kDeviceBuckets = 7,       // u32: where ids with these leading bits start
  kCertificates = 8,        // Certificate, by hash
  kCertificateBuckets = 9,  // u32: where hashes with these leading bits start
  kCertificateTails = 10,   // the last 8 octets of each certificate's hash
  kPool = 11,               // octets: names, attributes, rules, DER
  kExternalTrusts = 12,     // ExternalTrust, by issuer; may be missing
};
inline constexpr std::uint32_t kSectionKinds = 12;

struct Section {
  SectionKind kind;
  std::uint32_t entry_size;
  std::uint64_t offset;  // from the start of the file, a multiple of 8
  std::uint64_t count;
};
static_assert(sizeof(Section) == 24);

// A status of 0 marks an entity that others name but that is not held itself.
inline constexpr std::uint8_t kAbsent = 0;

struct Tenant {
  std::array<std::uint8_t, 16> id;
  std::uint32_t name_offset;  // in the pool
  std::uint16_t name_length;
  std::uint8_t status;
  std::uint8_t reserved;
};
static_assert(sizeof(Tenant) == 24);

struct Issuer {
  std::array<std::uint8_t, 16> id;
  std::array<std::uint8_t, 32> spki_sha256;
  std::uint32_t tenant;  // index
  std::uint32_t certificate_offset;
  std::uint32_t certificate_length;
  std::uint8_t status;
  std::array<std::uint8_t, 3> reserved;
};
static_assert(sizeof(Issuer) == 64);

// Of an issuer that is a trust anchor of the tenant's own PKI.
struct ExternalTrust {
  std::uint32_t issuer;  // index
  std::uint32_t offset;  // in the pool
  std::uint32_t length;
};
static_assert(sizeof(ExternalTrust) == 12);

struct Policy {
  std::array<std::uint8_t, 16> id;
  std::uint32_t tenant;  // index
  std::uint32_t rules_offset;
  std::uint32_t rules_length;
  std::uint8_t status;
  std::array<std::uint8_t, 3> reserved;
};
static_assert(sizeof(Policy) == 32);

struct Device {
  std::array<std::uint8_t, 16> id;
  std::uint32_t tenant;  // index
  std::uint32_t policy;  // index, kNone for the default policy
  std::uint32_t name_offset;
  std::uint32_t attributes_offset;
  std::uint32_t attributes_length;  // groups and labels
  std::uint16_t name_length;
  std::uint8_t status;
  std::uint8_t reserved;
};
static_assert(sizeof(Device) == 40);

struct Certificate {
  std::array<std::uint8_t, 24> hash_head;  // the first 24 octets of the SHA-256
  std::uint32_t device;                    // index
  std::uint32_t issuer_and_status;         // issuer's index in the upper 30 bits, status in the lower 2
  std::int64_t not_after;                  // seconds since the Unix epoch, inclusive
};
static_assert(sizeof(Certificate) == 40);
inline constexpr std::uint32_t kMaxIssuers = 1U << 30;

// Leading bits that choose a bucket: about four entries a bucket.
inline int bucket_bits(std::uint64_t count) {
  int bits = 0;
  while (bits < 24 && (std::uint64_t{4} << bits) < count) ++bits;
  return bits;
}

inline std::uint32_t bucket_of(const std::uint8_t* key, int bits) {
  const std::uint32_t head =
      std::uint32_t{key[0]} << 24 | std::uint32_t{key[1]} << 16 | std::uint32_t{key[2]} << 8 | key[3];
  return bits == 0 ? 0 : head >> (32 - bits);
}

}  // namespace muster::edge::base_format
