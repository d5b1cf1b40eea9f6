// SPDX-License-Identifier: Apache-2.0
#include "edge/base_file_check.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "core/crc32c.h"
#include "edge/entity_codec.h"

namespace muster::edge {
namespace {

namespace fmt = base_format;

Error corrupt(const char* what) { return Error{ErrorCode::kCorrupt, "snapshot.corrupt", what}; }

bool is_status_or_absent(std::uint8_t status) { return status <= 3; }

// Strictly ascending, so that a key is there once and binary search finds it.
template <typename Entry, typename Projection>
bool ascends(std::span<const Entry> entries, Projection key) {
  return std::ranges::adjacent_find(entries, std::ranges::greater_equal{}, key) == entries.end();
}

bool indexes_fit(std::span<const std::uint32_t> indexes, std::size_t limit) {
  return std::ranges::all_of(indexes, [limit](std::uint32_t index) { return index < limit; });
}

}  // namespace

Result<void> BaseFileCheck::run() {
  MUSTER_TRY_VOID(check_header());
  MUSTER_TRY_VOID(find_sections());
  MUSTER_TRY_VOID(take_layout());
  MUSTER_TRY_VOID(check_small_tables());
  MUSTER_TRY_VOID(check_rows());
  base_.position_ = StreamPosition{RawId{header_.epoch}, header_.number};
  return {};
}

Result<void> BaseFileCheck::check_header() {
  const BytesView file = base_.file_;
  std::memcpy(&header_, file.data(), sizeof header_);
  if (header_.magic != fmt::kMagic) return corrupt("no snapshot magic");
  if (header_.section_count > fmt::kMaxSections) return corrupt("too many sections");
  const std::size_t head_size = sizeof header_ + header_.section_count * sizeof(fmt::Section);
  if (head_size > file.size() || header_.file_size != file.size()) return corrupt("the file's length is wrong");
  fmt::Header cleared = header_;
  cleared.header_crc = 0;
  std::uint32_t crc = crc32c({reinterpret_cast<const std::uint8_t*>(&cleared), sizeof cleared});
  crc = crc32c(file.subspan(sizeof header_, head_size - sizeof header_), crc);
  if (crc != header_.header_crc) return corrupt("the header's checksum is wrong");
  MUSTER_TRY_VOID(check_version());
  if (crc32c(file.subspan(head_size)) != header_.body_crc) return corrupt("the body's checksum is wrong");
  return {};
}

Result<void> BaseFileCheck::check_version() const {
  const auto unsupported = [](std::string detail) {
    return Error{ErrorCode::kUnsupported, "snapshot.version_unsupported", std::move(detail)};
  };
  const std::string versions = "base.snapshot has format version " + std::to_string(header_.version) +
                               ", this program reads version " + std::to_string(fmt::kVersion);
  if (header_.minimum_reader_version > fmt::kVersion) {
    return unsupported(versions + ": update this program (the broker's plugin) and restart it");
  }
  if (header_.version < fmt::kOldestReadable) {
    return unsupported(versions + ": update and restart muster edge, which then writes it anew");
  }
  if ((header_.features & ~fmt::kKnownFeatures) != 0) {
    return unsupported("base.snapshot uses features that this program does not know: update it and restart it");
  }
  return {};
}

Result<void> BaseFileCheck::find_sections() {
  for (std::uint32_t i = 0; i < header_.section_count; ++i) {
    fmt::Section section{};
    std::memcpy(&section, base_.file_.data() + sizeof header_ + i * sizeof section, sizeof section);
    const auto kind = static_cast<std::uint32_t>(section.kind);
    if (kind == 0 || kind > fmt::kSectionKinds)
      continue;  // a later version's: it may be ignored, or there is a feature bit
    if (sections_[kind].kind != fmt::SectionKind{}) return corrupt("a section is there twice");
    sections_[kind] = section;
  }
  using enum fmt::SectionKind;
  const bool taken = take(kTenants, base_.tenants_) && take(kTenantsByName, base_.tenants_by_name_) &&
                     take(kIssuers, base_.issuers_) && take(kIssuersByKey, base_.issuers_by_key_) &&
                     take(kIssuersByTenant, base_.issuers_by_tenant_) && take(kPolicies, base_.policies_) &&
                     take(kDeviceClasses, base_.device_classes_) && take(kPool, base_.pool_);
  if (!taken) return corrupt("a section is missing or does not lie inside the file");
  return {};
}

const fmt::Section& BaseFileCheck::section(fmt::SectionKind kind) const {
  return sections_[static_cast<std::uint32_t>(kind)];
}

template <typename Entry>
bool BaseFileCheck::take(fmt::SectionKind kind, std::span<const Entry>& table) const {
  const fmt::Section& found = section(kind);
  if (found.kind != kind || found.entry_size != sizeof(Entry) || found.offset % 8 != 0) return false;
  if (found.offset > base_.file_.size()) return false;
  const std::uint64_t room = (base_.file_.size() - found.offset) / sizeof(Entry);
  if (found.count > room || found.count >= fmt::kNone) return false;
  // The mapping starts at a page and offsets are multiples of 8, so entries are aligned.
  table = {reinterpret_cast<const Entry*>(base_.file_.data() + found.offset), found.count};
  return true;
}

Result<void> BaseFileCheck::take_layout() {
  using enum fmt::SectionKind;
  std::span<const fmt::Layout> layouts;
  if (!take(kLayout, layouts) || layouts.size() != 1) return corrupt("the layout is missing");
  const fmt::Layout& l = base_.layout_ = layouts.front();
  const bool narrow = l.device_skip <= fmt::kMaxSkip && l.certificate_skip <= fmt::kMaxSkip &&
                      std::max({l.class_bits, l.device_bits, l.issuer_bits, l.not_after_bits}) <= fmt::kMaxFieldBits;
  // So that no sum with an offset from it overflows.
  if (!narrow || l.not_after_base < 0 || l.not_after_base > fmt::kNoEnd) return corrupt("the layout is broken");
  std::span<const std::uint32_t> device_buckets;
  std::span<const std::uint32_t> certificate_buckets;
  const bool taken = take(kDeviceBuckets, device_buckets) && take(kCertificateBuckets, certificate_buckets) &&
                     take_packed(kDevices, fmt::device_row_size(l), l.device_skip, device_buckets, base_.devices_) &&
                     take_packed(kCertificates, fmt::certificate_row_size(l), l.certificate_skip, certificate_buckets,
                                 base_.certificates_);
  if (!taken) return corrupt("a table of rows is missing or does not lie inside the file");
  return {};
}

bool BaseFileCheck::take_packed(fmt::SectionKind kind, std::size_t row_size, unsigned skip,
                                std::span<const std::uint32_t> buckets, PackedTable& table) const {
  const fmt::Section& found = section(kind);
  if (found.kind != kind || found.entry_size != row_size || found.count >= fmt::kMaxEntities) return false;
  if (found.offset > base_.file_.size()) return false;
  if (found.count * row_size + kPackedSlack > base_.file_.size() - found.offset) return false;
  table = PackedTable{base_.file_.data() + found.offset, found.count, row_size, skip, buckets};
  return true;
}

bool BaseFileCheck::is_string(fmt::PoolOffset offset) const {
  const BytesView pool = base_.pool_;
  std::uint32_t size = 0;
  if (pool.size() < sizeof size || offset > pool.size() - sizeof size) return false;
  std::memcpy(&size, pool.data() + offset, sizeof size);
  return size <= pool.size() - sizeof size - offset;
}

bool BaseFileCheck::entries_are_sound() const {
  const std::size_t tenants = base_.tenants_.size();
  const bool tenants_sound = std::ranges::all_of(base_.tenants_, [&](const fmt::Tenant& t) {
    return is_status_or_absent(t.status) && is_string(t.name) && is_string(t.settings) &&
           read_tenant_attributes(base_.string(t.settings));
  });
  const bool issuers_sound = std::ranges::all_of(base_.issuers_, [&](const fmt::Issuer& i) {
    return is_status_or_absent(i.status) && i.tenant < tenants && is_string(i.certificate) && is_string(i.external);
  });
  const bool policies_sound = std::ranges::all_of(base_.policies_, [&](const fmt::Policy& p) {
    return is_status_or_absent(p.status) && p.tenant < tenants && is_string(p.rules);
  });
  const bool classes_sound = std::ranges::all_of(base_.device_classes_, [&](const fmt::DeviceClass& c) {
    return (c.tenant_and_status >> 2) < tenants && (c.policy == fmt::kNone || c.policy < base_.policies_.size()) &&
           is_string(c.attributes);
  });
  return tenants_sound && issuers_sound && policies_sound && classes_sound;
}

// Each tenant's issuers stand together, where the tenant says.
bool BaseFileCheck::issuers_belong_to_their_tenants() const {
  const auto order = base_.issuers_by_tenant_;
  if (order.size() != base_.issuers_.size() || !indexes_fit(order, base_.issuers_.size())) return false;
  std::uint32_t next = 0;
  for (std::uint32_t tenant = 0; tenant < base_.tenants_.size(); ++tenant) {
    if (base_.tenants_[tenant].first_issuer != next) return false;
    while (next < order.size() && base_.issuers_[order[next]].tenant == tenant) ++next;
  }
  return next == order.size();
}

Result<void> BaseFileCheck::check_small_tables() const {
  if (!entries_are_sound()) return corrupt("a tenant, an issuer, a policy or a device's class is broken");
  if (!issuers_belong_to_their_tenants()) return corrupt("the issuers are not in their tenants' order");
  if (!ascends(base_.tenants_, &fmt::Tenant::id) || !ascends(base_.issuers_, &fmt::Issuer::id) ||
      !ascends(base_.policies_, &fmt::Policy::id)) {
    return corrupt("a table is not in order");
  }
  if (!indexes_fit(base_.tenants_by_name_, base_.tenants_.size()) ||
      !indexes_fit(base_.issuers_by_key_, base_.issuers_.size())) {
    return corrupt("an index names what is not there");
  }
  const auto name_of = [this](std::uint32_t index) { return base_.text(base_.tenants_[index].name); };
  const auto key_of = [this](std::uint32_t index) -> const Sha256& { return base_.issuers_[index].spki_sha256; };
  if (!std::ranges::is_sorted(base_.tenants_by_name_, {}, name_of) ||
      !std::ranges::is_sorted(base_.issuers_by_key_, {}, key_of)) {
    return corrupt("an index is not in order");
  }
  return {};
}

Result<void> BaseFileCheck::check_rows() const {
  if (!base_.devices_.is_sound()) return corrupt("the devices are not in order");
  if (!base_.certificates_.is_sound()) return corrupt("the certificates are not in order");
  const fmt::Layout& l = base_.layout_;
  for (std::uint32_t row = 0; row < base_.devices_.size(); ++row) {
    if (read_bits(base_.devices_.fields(row), 0, l.class_bits) >= base_.device_classes_.size()) {
      return corrupt("a device is broken");
    }
  }
  for (std::uint32_t row = 0; row < base_.certificates_.size(); ++row) {
    if (read_bits(base_.certificates_.fields(row), 0, l.device_bits) >= base_.devices_.size()) {
      return corrupt("a certificate is broken");
    }
  }
  return {};
}

}  // namespace muster::edge
