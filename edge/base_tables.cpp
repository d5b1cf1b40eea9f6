// SPDX-License-Identifier: Apache-2.0
#include "edge/base_tables.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <functional>
#include <numeric>
#include <unordered_map>

#include "core/crc32c.h"
#include "edge/packed_table.h"

namespace muster::edge {
namespace {

namespace fmt = base_format;

const Error kLimit{ErrorCode::kResourceExhausted, "snapshot.limit_exceeded", "the snapshot is over a format's width"};
constexpr auto kGone = static_cast<std::uint8_t>(EntityStatus::kGone);
constexpr auto kSuspended = static_cast<std::uint8_t>(EntityStatus::kSuspended);

constexpr unsigned kSearchSkip = 2;  // leading octets that narrow the search for a device

unsigned bits_for(std::uint64_t most) { return static_cast<unsigned>(std::bit_width(most)); }

PackedKey head_of(const Sha256& hash) {
  PackedKey head;
  std::copy_n(hash.begin(), head.size(), head.begin());
  return head;
}

// Sorted by key, the last of each.
template <typename Row, typename Key>
void keep_last(std::vector<Row>& rows, Key key) {
  std::ranges::stable_sort(rows, {}, key);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (kept > 0 && std::invoke(key, rows[kept - 1]) == std::invoke(key, rows[i])) --kept;
    rows[kept++] = rows[i];
  }
  rows.resize(kept);
}

// The rows of one packed section with the buckets that belong to it.
struct Packed {
  Bytes rows;  // with slack behind the last
  std::size_t width = 0;
  std::size_t count = 0;
  std::vector<std::uint32_t> buckets;
};

template <typename Entries, typename KeyOf, typename PutFields>
Packed pack(const Entries& entries, unsigned skip, std::size_t width, KeyOf key_of, PutFields put_fields) {
  Packed packed{Bytes(entries.size() * width + kPackedSlack, 0), width, entries.size(), {}};
  packed.buckets.assign(packed_bucket_count(skip), 0);
  std::uint8_t* row = packed.rows.data();
  for (const auto& entry : entries) {
    const PackedKey key = key_of(entry);
    ++packed.buckets[packed_bucket_of(key, skip) + 1];
    std::memcpy(row, key.data() + skip, key.size() - skip);
    put_fields(entry, row + key.size() - skip);
    row += width;
  }
  std::partial_sum(packed.buckets.begin(), packed.buckets.end(), packed.buckets.begin());
  return packed;
}

class TableWriter {
 public:
  explicit TableWriter(BaseTables& tables) : t_(tables) {}
  Result<void> prepare();
  Result<void> write(int fd, const StreamPosition& position) const;

 private:
  void index_tenants();
  void index_issuers();
  void order_devices();
  void find_device_starts();
  void order_certificates();
  void add_missing_devices();
  void drop_useless_certificates();
  void classify_devices();
  void lay_out();
  void pack_rows();
  std::uint32_t device_index(const RawId& id) const;
  std::uint32_t issuer_place(const CertificateRow& row) const { return issuer_places_[row.issuer]; }

  BaseTables& t_;
  std::vector<std::uint32_t> tenants_by_name_, issuers_by_key_, issuers_by_tenant_;
  std::vector<std::uint32_t> issuer_places_;  // of each issuer among its tenant's
  std::vector<std::uint32_t> device_starts_;  // by the leading octets of the id
  std::vector<fmt::DeviceClass> classes_;
  std::vector<std::uint32_t> class_of_;  // of each device
  fmt::Layout layout_{};
  Packed devices_, certificates_;
};

Result<void> TableWriter::prepare() {
  const std::size_t most =
      std::max({t_.tenants.size(), t_.issuers.size(), t_.policies.size(), t_.devices.size(), t_.certificates.size()});
  if (most >= fmt::kMaxEntities / 2) return kLimit;  // as many again may be added for what is only named
  index_tenants();
  index_issuers();
  order_devices();
  order_certificates();
  add_missing_devices();
  drop_useless_certificates();
  classify_devices();
  lay_out();
  pack_rows();
  return {};
}

// Of several tenants of one name the active one comes first: the others are gone.
void TableWriter::index_tenants() {
  for (std::uint32_t i = 0; i < t_.tenants.size(); ++i) {
    if (t_.tenants[i].status != fmt::kAbsent) tenants_by_name_.push_back(i);
  }
  std::ranges::sort(tenants_by_name_, {}, [this](std::uint32_t i) {
    return std::pair{as_text(t_.pool.get(t_.tenants[i].name)), t_.tenants[i].status};
  });
}

void TableWriter::index_issuers() {
  for (std::uint32_t i = 0; i < t_.issuers.size(); ++i) {
    if (t_.issuers[i].status != fmt::kAbsent) issuers_by_key_.push_back(i);
    issuers_by_tenant_.push_back(i);
  }
  std::ranges::sort(issuers_by_key_, {}, [this](std::uint32_t i) { return t_.issuers[i].spki_sha256; });
  std::ranges::stable_sort(issuers_by_tenant_, {}, [this](std::uint32_t i) { return t_.issuers[i].tenant; });
  issuer_places_.resize(t_.issuers.size());
  std::uint32_t next = 0;
  for (std::uint32_t tenant = 0; tenant < t_.tenants.size(); ++tenant) {
    const std::uint32_t first = t_.tenants[tenant].first_issuer = next;
    while (next < issuers_by_tenant_.size() && t_.issuers[issuers_by_tenant_[next]].tenant == tenant) {
      issuer_places_[issuers_by_tenant_[next]] = next - first;
      ++next;
    }
  }
}

void TableWriter::order_devices() {
  keep_last(t_.devices, &DeviceRow::id);
  std::erase_if(t_.devices, [](const DeviceRow& row) { return row.status == kGone; });
  find_device_starts();
}

void TableWriter::find_device_starts() {
  device_starts_.assign(packed_bucket_count(kSearchSkip), 0);
  for (const DeviceRow& row : t_.devices) ++device_starts_[packed_bucket_of(row.id.octets, kSearchSkip) + 1];
  std::partial_sum(device_starts_.begin(), device_starts_.end(), device_starts_.begin());
}

// Two certificates that share the half of the hash that is kept could not be told apart, so neither is believed: the
// one who found such a pair must not spoil the file for everybody else.
void TableWriter::order_certificates() {
  keep_last(t_.certificates, &CertificateRow::id);
  std::erase_if(t_.certificates, [](const CertificateRow& row) { return row.status == kGone; });
  auto& rows = t_.certificates;
  const auto same_head = [&rows](std::size_t a, std::size_t b) { return head_of(rows[a].id) == head_of(rows[b].id); };
  std::size_t kept_rows = 0;
  for (std::size_t i = 0; i < rows.size();) {
    std::size_t end = i + 1;
    while (end < rows.size() && same_head(i, end)) ++end;
    if (end == i + 1) rows[kept_rows++] = rows[i];
    i = end;
  }
  rows.resize(kept_rows);
}

std::uint32_t TableWriter::device_index(const RawId& id) const {
  const std::uint32_t bucket = packed_bucket_of(id.octets, kSearchSkip);
  const auto first = t_.devices.begin() + device_starts_[bucket];
  const auto end = t_.devices.begin() + device_starts_[bucket + 1];
  const auto found = std::ranges::lower_bound(first, end, id, {}, &DeviceRow::id);
  const bool there = found != end && found->id == id;
  return there ? static_cast<std::uint32_t>(found - t_.devices.begin()) : fmt::kNone;
}

// Devices that only their certificates name: a later delta may bring them.
void TableWriter::add_missing_devices() {
  std::vector<DeviceRow> missing;
  for (const CertificateRow& row : t_.certificates) {
    if (device_index(row.device) == fmt::kNone) missing.push_back({.id = row.device, .tenant = row.tenant});
  }
  std::ranges::stable_sort(missing, {}, &DeviceRow::id);
  missing.erase(std::ranges::unique(missing, {}, &DeviceRow::id).begin(), missing.end());
  const auto middle = t_.devices.insert(t_.devices.end(), missing.begin(), missing.end());
  std::ranges::inplace_merge(t_.devices, middle, {}, &DeviceRow::id);
  find_device_starts();
}

// Nobody is let in by a certificate of another tenant than its device's or its issuer's, or from before time began.
void TableWriter::drop_useless_certificates() {
  std::erase_if(t_.certificates, [this](const CertificateRow& row) {
    if (row.not_after < 0 || row.not_after > fmt::kNoEnd) return true;
    return t_.devices[device_index(row.device)].tenant != row.tenant || t_.issuers[row.issuer].tenant != row.tenant;
  });
}

struct ClassHash {
  std::size_t operator()(const fmt::DeviceClass& c) const noexcept {
    std::uint64_t h = c.tenant_and_status * 0x9e3779b97f4a7c15ULL;
    h = (h ^ c.policy) * 0x9e3779b97f4a7c15ULL;
    return (h ^ h >> 32 ^ c.attributes) * 0x9e3779b97f4a7c15ULL >> 8;
  }
};
struct SameClass {
  bool operator()(const fmt::DeviceClass& a, const fmt::DeviceClass& b) const noexcept {
    return std::memcmp(&a, &b, sizeof a) == 0;
  }
};

void TableWriter::classify_devices() {
  std::unordered_map<fmt::DeviceClass, std::uint32_t, ClassHash, SameClass> known;
  class_of_.reserve(t_.devices.size());
  for (const DeviceRow& row : t_.devices) {
    const fmt::DeviceClass wanted{row.tenant << 2 | row.status, row.policy, row.attributes};
    const auto [entry, is_new] = known.try_emplace(wanted, static_cast<std::uint32_t>(classes_.size()));
    if (is_new) classes_.push_back(wanted);
    class_of_.push_back(entry->second);
  }
}

void TableWriter::lay_out() {
  std::uint32_t most_issuers = 0;
  std::int64_t first = fmt::kNoEnd;
  std::int64_t last = 0;
  for (const CertificateRow& row : t_.certificates) {
    most_issuers = std::max(most_issuers, issuer_place(row));
    if (row.not_after == fmt::kNoEnd) continue;
    first = std::min(first, row.not_after);
    last = std::max(last, row.not_after);
  }
  first = std::min(first, last);
  layout_.not_after_base = first;
  layout_.device_skip = static_cast<std::uint8_t>(packed_skip(t_.devices.size()));
  layout_.certificate_skip = static_cast<std::uint8_t>(packed_skip(t_.certificates.size()));
  layout_.class_bits = static_cast<std::uint8_t>(bits_for(classes_.empty() ? 0 : classes_.size() - 1));
  layout_.device_bits = static_cast<std::uint8_t>(bits_for(t_.devices.empty() ? 0 : t_.devices.size() - 1));
  layout_.issuer_bits = static_cast<std::uint8_t>(bits_for(most_issuers));
  // One value more than the range has, for "no end".
  layout_.not_after_bits = static_cast<std::uint8_t>(bits_for(static_cast<std::uint64_t>(last - first) + 1));
}

void TableWriter::pack_rows() {
  const auto device_key = [](const DeviceRow& row) { return row.id.octets; };
  devices_ = pack(t_.devices, layout_.device_skip, fmt::device_row_size(layout_), device_key,
                  [this, next = std::size_t{0}](const DeviceRow& row, std::uint8_t* fields) mutable {
                    write_bits(fields, 0, layout_.class_bits, class_of_[next++]);
                    write_bits(fields, layout_.class_bits, fmt::kNameBits, row.name_hash);
                  });
  const auto certificate_key = [](const CertificateRow& row) { return head_of(row.id); };
  certificates_ =
      pack(t_.certificates, layout_.certificate_skip, fmt::certificate_row_size(layout_), certificate_key,
           [this](const CertificateRow& row, std::uint8_t* fields) {
             const bool endless = row.not_after == fmt::kNoEnd;
             unsigned at = 0;
             const auto put = [&](unsigned width, std::uint64_t value) {
               write_bits(fields, at, width, value);
               at += width;
             };
             put(layout_.device_bits, device_index(row.device));
             put(layout_.issuer_bits, issuer_place(row));
             put(1, row.status == kSuspended ? 1 : 0);
             put(layout_.not_after_bits,
                 endless ? ~std::uint64_t{0} : static_cast<std::uint64_t>(row.not_after - layout_.not_after_base));
           });
}

Result<void> write_at(int fd, BytesView bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Error{ErrorCode::kUnavailable, "file.write_failed", std::strerror(errno)};
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

template <typename Entry>
BytesView octets_of(const std::vector<Entry>& entries) {
  return {reinterpret_cast<const std::uint8_t*>(entries.data()), entries.size() * sizeof(Entry)};
}

Result<void> TableWriter::write(int fd, const StreamPosition& position) const {
  using enum fmt::SectionKind;
  struct Part {
    fmt::SectionKind kind;
    std::size_t entry_size;
    BytesView octets;
    std::size_t count;
  };
  const auto table = []<typename Entry>(fmt::SectionKind kind, const std::vector<Entry>& entries) {
    return Part{kind, sizeof(Entry), octets_of(entries), entries.size()};
  };
  // The slack behind the last row is part of what is written, not of the table.
  const auto packed = [](fmt::SectionKind kind, const Packed& rows) {
    return Part{kind, rows.width, rows.rows, rows.count};
  };
  const std::vector<fmt::Layout> layout{layout_};
  const BytesView pool = t_.pool.octets();
  const std::array<Part, fmt::kSectionKinds> parts = {{
      table(kTenants, t_.tenants),
      table(kTenantsByName, tenants_by_name_),
      table(kIssuers, t_.issuers),
      table(kIssuersByKey, issuers_by_key_),
      table(kIssuersByTenant, issuers_by_tenant_),
      table(kPolicies, t_.policies),
      table(kDeviceClasses, classes_),
      table(kLayout, layout),
      packed(kDevices, devices_),
      table(kDeviceBuckets, devices_.buckets),
      packed(kCertificates, certificates_),
      table(kCertificateBuckets, certificates_.buckets),
      Part{kPool, 1, pool, pool.size()},
  }};
  std::vector<fmt::Section> sections;
  std::uint64_t offset = sizeof(fmt::Header) + parts.size() * sizeof(fmt::Section);
  static_assert((sizeof(fmt::Header) + fmt::kSectionKinds * sizeof(fmt::Section)) % 8 == 0);
  std::uint32_t body_crc = 0;
  for (const Part& part : parts) {
    sections.push_back({part.kind, static_cast<std::uint32_t>(part.entry_size), offset, part.count});
    MUSTER_TRY_VOID(write_at(fd, part.octets, offset));
    const std::array<std::uint8_t, 8> zeros{};
    const BytesView padding = BytesView{zeros}.first((8 - part.octets.size() % 8) % 8);
    MUSTER_TRY_VOID(write_at(fd, padding, offset + part.octets.size()));
    body_crc = crc32c(padding, crc32c(part.octets, body_crc));
    offset += part.octets.size() + padding.size();
  }
  fmt::Header header{fmt::kMagic,
                     fmt::kVersion,
                     fmt::kVersion,
                     0,
                     position.epoch.octets,
                     position.number,
                     offset,
                     fmt::kSectionKinds,
                     body_crc,
                     0,
                     0};
  header.header_crc =
      crc32c(octets_of(sections), crc32c({reinterpret_cast<const std::uint8_t*>(&header), sizeof header}));
  MUSTER_TRY_VOID(write_at(fd, {reinterpret_cast<const std::uint8_t*>(&header), sizeof header}, 0));
  return write_at(fd, octets_of(sections), sizeof header);
}

}  // namespace

Result<void> write_base_tables(int fd, const StreamPosition& position, BaseTables& tables) {
  TableWriter writer{tables};
  MUSTER_TRY_VOID(writer.prepare());
  return writer.write(fd, position);
}

}  // namespace muster::edge
