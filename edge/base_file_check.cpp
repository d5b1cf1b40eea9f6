// SPDX-License-Identifier: Apache-2.0
#include "edge/base_file_check.h"

#include <algorithm>
#include <cstring>

#include "core/crc32c.h"

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

// Whether every entry lies in the bucket that its key names.
template <typename Entry, typename Key>
bool buckets_hold(std::span<const Entry> entries, std::span<const std::uint32_t> buckets, Key key) {
  const int bits = fmt::bucket_bits(entries.size());
  if (buckets.size() != (std::size_t{1} << bits) + 1) return false;
  if (buckets.front() != 0 || buckets.back() != entries.size() || !std::ranges::is_sorted(buckets)) return false;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::uint32_t b = fmt::bucket_of(key(entries[i]).data(), bits);
    if (i < buckets[b] || i >= buckets[b + 1]) return false;
  }
  return true;
}

bool indexes_fit(std::span<const std::uint32_t> indexes, std::size_t limit) {
  return std::ranges::all_of(indexes, [limit](std::uint32_t index) { return index < limit; });
}

}  // namespace

Result<void> BaseFileCheck::run() {
  MUSTER_TRY_VOID(check_header());
  MUSTER_TRY_VOID(find_sections());
  MUSTER_TRY_VOID(check_small_tables());
  MUSTER_TRY_VOID(check_devices());
  MUSTER_TRY_VOID(check_certificates());
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
  if (header_.minimum_reader_version > fmt::kVersion || (header_.features & ~fmt::kKnownFeatures) != 0) {
    return Error{ErrorCode::kUnsupported, "snapshot.version_unsupported", "the snapshot needs a newer reader"};
  }
  if (crc32c(file.subspan(head_size)) != header_.body_crc) return corrupt("the body's checksum is wrong");
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
                     take(kPolicies, base_.policies_) && take(kDevices, base_.devices_) &&
                     take(kDeviceBuckets, base_.device_buckets_) && take(kCertificates, base_.certificates_) &&
                     take(kCertificateBuckets, base_.certificate_buckets_) &&
                     take(kCertificateTails, base_.certificate_tails_) && take(kPool, base_.pool_) &&
                     (sections_[static_cast<std::uint32_t>(kExternalTrusts)].kind == fmt::SectionKind{} ||
                      take(kExternalTrusts, base_.external_trusts_));  // an earlier version wrote none
  if (!taken) return corrupt("a section is missing or does not lie inside the file");
  return {};
}

template <typename Entry>
bool BaseFileCheck::take(fmt::SectionKind kind, std::span<const Entry>& table) const {
  const fmt::Section& section = sections_[static_cast<std::uint32_t>(kind)];
  if (section.kind != kind || section.entry_size != sizeof(Entry) || section.offset % 8 != 0) return false;
  if (section.offset > base_.file_.size()) return false;
  const std::uint64_t room = (base_.file_.size() - section.offset) / sizeof(Entry);
  if (section.count > room || section.count >= fmt::kNone) return false;
  // The mapping starts at a page and offsets are multiples of 8, so entries are aligned.
  table = {reinterpret_cast<const Entry*>(base_.file_.data() + section.offset), section.count};
  return true;
}

bool BaseFileCheck::in_pool(std::uint32_t offset, std::uint32_t length) const {
  return offset <= base_.pool_.size() && length <= base_.pool_.size() - offset;
}

Result<void> BaseFileCheck::check_small_tables() const {
  const std::size_t tenants = base_.tenants_.size();
  for (const fmt::Tenant& t : base_.tenants_) {
    if (!is_status_or_absent(t.status) || !in_pool(t.name_offset, t.name_length)) return corrupt("a tenant is broken");
  }
  for (const fmt::Issuer& i : base_.issuers_) {
    const bool sound = is_status_or_absent(i.status) && i.tenant < tenants;
    if (!sound || !in_pool(i.certificate_offset, i.certificate_length)) return corrupt("an issuer is broken");
  }
  for (const fmt::ExternalTrust& e : base_.external_trusts_) {
    if (e.issuer >= base_.issuers_.size() || !in_pool(e.offset, e.length)) return corrupt("an anchor is broken");
  }
  if (!ascends(base_.external_trusts_, &fmt::ExternalTrust::issuer)) return corrupt("the anchors are not in order");
  for (const fmt::Policy& p : base_.policies_) {
    const bool sound = is_status_or_absent(p.status) && p.tenant < tenants;
    if (!sound || !in_pool(p.rules_offset, p.rules_length)) return corrupt("a policy is broken");
  }
  if (!ascends(base_.tenants_, &fmt::Tenant::id) || !ascends(base_.issuers_, &fmt::Issuer::id) ||
      !ascends(base_.policies_, &fmt::Policy::id)) {
    return corrupt("a table is not in order");
  }
  if (!indexes_fit(base_.tenants_by_name_, tenants) || !indexes_fit(base_.issuers_by_key_, base_.issuers_.size())) {
    return corrupt("an index names what is not there");
  }
  const auto name_of = [this](std::uint32_t index) {
    const fmt::Tenant& tenant = base_.tenants_[index];
    return base_.text(tenant.name_offset, tenant.name_length);
  };
  const auto key_of = [this](std::uint32_t index) -> const Sha256& { return base_.issuers_[index].spki_sha256; };
  if (!std::ranges::is_sorted(base_.tenants_by_name_, {}, name_of) ||
      !std::ranges::is_sorted(base_.issuers_by_key_, {}, key_of)) {
    return corrupt("an index is not in order");
  }
  return {};
}

Result<void> BaseFileCheck::check_devices() const {
  for (const fmt::Device& d : base_.devices_) {
    const bool sound = is_status_or_absent(d.status) && d.tenant < base_.tenants_.size() &&
                       (d.policy == fmt::kNone || d.policy < base_.policies_.size());
    if (!sound || !in_pool(d.name_offset, d.name_length) || !in_pool(d.attributes_offset, d.attributes_length)) {
      return corrupt("a device is broken");
    }
  }
  const auto key = [](const fmt::Device& d) -> const auto& { return d.id; };
  if (!ascends(base_.devices_, &fmt::Device::id) || !buckets_hold(base_.devices_, base_.device_buckets_, key)) {
    return corrupt("the devices are not in order");
  }
  return {};
}

Result<void> BaseFileCheck::check_certificates() const {
  if (base_.certificate_tails_.size() != base_.certificates_.size())
    return corrupt("certificate hashes are incomplete");
  for (const fmt::Certificate& c : base_.certificates_) {
    const bool sound = c.device < base_.devices_.size() && (c.issuer_and_status >> 2) < base_.issuers_.size() &&
                       (c.issuer_and_status & 3) != fmt::kAbsent;
    if (!sound) return corrupt("a certificate is broken");
  }
  const auto key = [](const fmt::Certificate& c) -> const auto& { return c.hash_head; };
  if (!ascends(base_.certificates_, &fmt::Certificate::hash_head) ||
      !buckets_hold(base_.certificates_, base_.certificate_buckets_, key)) {
    return corrupt("the certificates are not in order");
  }
  return {};
}

}  // namespace muster::edge
