// SPDX-License-Identifier: Apache-2.0
#include "edge/base_file.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "edge/base_file_check.h"
#include "edge/entity_codec.h"
#include "edge/trusted_file.h"

namespace muster::edge {
namespace {

namespace fmt = base_format;

template <typename IdType>
IdType id_of(const std::array<std::uint8_t, 16>& octets) {
  return IdType{RawId{octets}};
}

// The entry with this id among entries that are sorted by id; null where there is none that is held itself.
template <typename Entry>
const Entry* find_by_id(std::span<const Entry> entries, const RawId& id) {
  const auto found = std::ranges::lower_bound(entries, id.octets, {}, &Entry::id);
  if (found == entries.end() || found->id != id.octets || found->status == fmt::kAbsent) return nullptr;
  return &*found;
}

PackedKey head_of(const Sha256& hash) {
  PackedKey head;
  std::copy_n(hash.begin(), head.size(), head.begin());
  return head;
}

}  // namespace

Result<std::shared_ptr<const BaseFile>> BaseFile::open(const std::string& path, uid_t owner) {
  MUSTER_TRY(const TrustedFile file, open_trusted_file(path, owner));
  const auto size = static_cast<std::uint64_t>(file.info.st_size);
  if (size < sizeof(fmt::Header) || size > fmt::kMaxFileSize) {
    return Error{ErrorCode::kCorrupt, "snapshot.corrupt", path + " has an impossible size"};
  }
  void* mapping = mmap(nullptr, size, PROT_READ, MAP_SHARED | MAP_POPULATE, file.fd.get(), 0);
  if (mapping == MAP_FAILED) {
    return Error{ErrorCode::kUnavailable, "snapshot.unreadable", path + ": " + std::strerror(errno)};
  }
  std::shared_ptr<BaseFile> base{new BaseFile};
  base->file_ = {static_cast<const std::uint8_t*>(mapping), size};
  MUSTER_TRY_VOID(BaseFileCheck{*base}.run());
  base->compiled_ = std::vector<std::atomic<const HeldPolicy*>>(base->policies_.size());
  base->read_attachments();
  return std::shared_ptr<const BaseFile>{std::move(base)};
}

BaseFile::~BaseFile() {
  for (const auto& policy : compiled_) delete policy.load(std::memory_order_relaxed);
  if (!file_.empty()) munmap(const_cast<std::uint8_t*>(file_.data()), file_.size());
}

BytesView BaseFile::string(fmt::PoolOffset offset) const {
  std::uint32_t size = 0;
  std::memcpy(&size, pool_.data() + offset, sizeof size);
  return pool_.subspan(offset + sizeof size, size);
}

void BaseFile::read_attachments() {
  attributes_.reserve(tenants_.size());
  for (const fmt::Tenant& entry : tenants_) {
    auto attributes = read_tenant_attributes(string(entry.settings));
    attributes_.push_back(attributes ? std::move(*attributes) : TenantAttributes{});  // checked before
  }
}

const fmt::DeviceClass& BaseFile::class_of(std::uint32_t device) const {
  return device_classes_[read_bits(devices_.fields(device), 0, layout_.class_bits)];
}

TenantFacts BaseFile::facts(const fmt::Tenant& entry) const {
  const TenantAttributes& own = attributes_[static_cast<std::size_t>(&entry - tenants_.data())];
  return {id_of<TenantId>(entry.id), text(entry.name), static_cast<EntityStatus>(entry.status),
          own.policies.empty() ? nullptr : &own.policies, own.limits == TenantLimits{} ? nullptr : &own.limits};
}

IssuerFacts BaseFile::facts(const fmt::Issuer& entry) const {
  return {id_of<IssuerId>(entry.id),
          id_of<TenantId>(tenants_[entry.tenant].id),
          static_cast<EntityStatus>(entry.status),
          entry.spki_sha256,
          string(entry.certificate),
          string(entry.external)};
}

// nullopt: its issuer is none of its tenant's, which no writer of ours writes and which opening does not look at, for
// that would be a million random accesses. Not known is refused.
std::optional<CertificateFacts> BaseFile::certificate_facts(std::uint32_t row) const {
  const std::uint8_t* fields = certificates_.fields(row);
  unsigned at = 0;
  const auto take = [&](unsigned width) {
    const std::uint64_t value = read_bits(fields, at, width);
    at += width;
    return value;
  };
  const auto device = static_cast<std::uint32_t>(take(layout_.device_bits));
  const std::uint64_t issuer_place = take(layout_.issuer_bits);
  const bool suspended = take(1) == 1;
  const std::uint64_t not_after = take(layout_.not_after_bits);
  const bool endless = not_after == (std::uint64_t{1} << layout_.not_after_bits) - 1;

  const std::uint32_t tenant = class_of(device).tenant_and_status >> 2;
  const std::uint64_t issuers_end =
      tenant + 1 < tenants_.size() ? tenants_[tenant + 1].first_issuer : issuers_by_tenant_.size();
  const std::uint64_t issuer = tenants_[tenant].first_issuer + issuer_place;
  if (issuer >= issuers_end) return std::nullopt;
  const std::int64_t end = endless ? fmt::kNoEnd : layout_.not_after_base + static_cast<std::int64_t>(not_after);
  return CertificateFacts{id_of<TenantId>(tenants_[tenant].id), id_of<DeviceId>(devices_.key(device)),
                          id_of<IssuerId>(issuers_[issuers_by_tenant_[issuer]].id),
                          suspended ? EntityStatus::kSuspended : EntityStatus::kActive,
                          UtcTime{std::chrono::seconds{end}}};
}

std::optional<HeldDevice> BaseFile::held_device(std::uint32_t row) const {
  const fmt::DeviceClass& common = class_of(row);
  const auto status = static_cast<std::uint8_t>(common.tenant_and_status & 3);
  if (status == fmt::kAbsent) return std::nullopt;
  auto attributes = read_attributes(string(common.attributes));
  if (!attributes) return std::nullopt;  // not known is refused, which is the safe reading of a broken entry
  const PolicyId policy = common.policy == fmt::kNone ? PolicyId{} : id_of<PolicyId>(policies_[common.policy].id);
  return HeldDevice{{id_of<DeviceId>(devices_.key(row)),
                     id_of<TenantId>(tenants_[common.tenant_and_status >> 2].id),
                     {},
                     static_cast<EntityStatus>(status),
                     nullptr,
                     std::move(attributes->groups),
                     std::move(attributes->labels),
                     std::move(attributes->grants),
                     static_cast<std::uint8_t>(read_bits(devices_.fields(row), layout_.class_bits, fmt::kNameBits))},
                    policy};
}

std::optional<PolicyState> BaseFile::state(const fmt::Policy& entry) const {
  if (entry.status == fmt::kAbsent) return std::nullopt;
  auto body = read_policy_body(string(entry.rules));
  if (!body) return std::nullopt;
  return PolicyState{id_of<PolicyId>(entry.id), id_of<TenantId>(tenants_[entry.tenant].id),
                     static_cast<EntityStatus>(entry.status), std::move(body->rules), body->limits};
}

std::optional<CertificateFacts> BaseFile::find_certificate(const Sha256& id) const {
  const auto row = certificates_.find(head_of(id));
  return row ? certificate_facts(*row) : std::nullopt;
}

std::optional<HeldDevice> BaseFile::find_device(const DeviceId& id) const {
  const auto row = devices_.find(id.raw().octets);
  return row ? held_device(*row) : std::nullopt;
}

std::optional<TenantFacts> BaseFile::find_tenant(const TenantId& id) const {
  const fmt::Tenant* entry = find_by_id(tenants_, id.raw());
  if (entry == nullptr) return std::nullopt;
  return facts(*entry);
}

std::optional<TenantFacts> BaseFile::find_tenant_by_name(std::string_view name) const {
  const auto name_of = [this](std::uint32_t index) { return text(tenants_[index].name); };
  const auto found = std::ranges::lower_bound(tenants_by_name_, name, {}, name_of);
  if (found == tenants_by_name_.end() || name_of(*found) != name) return std::nullopt;
  return facts(tenants_[*found]);
}

std::optional<IssuerFacts> BaseFile::find_issuer(const IssuerId& id) const {
  const fmt::Issuer* entry = find_by_id(issuers_, id.raw());
  if (entry == nullptr) return std::nullopt;
  return facts(*entry);
}

const HeldPolicy* BaseFile::find_policy(const PolicyId& id) const {
  const fmt::Policy* entry = find_by_id(policies_, id.raw());
  if (entry == nullptr) return nullptr;
  auto& place = compiled_[static_cast<std::size_t>(entry - policies_.data())];
  const HeldPolicy* known = place.load(std::memory_order_acquire);
  if (known != nullptr) return known;
  HeldPolicy held{id_of<TenantId>(tenants_[entry->tenant].id), static_cast<EntityStatus>(entry->status), nullptr};
  if (const auto policy = state(*entry); policy && policy->status == EntityStatus::kActive) {
    held.compiled = std::make_shared<const Policy>(Policy::compile_stored(policy->rules, policy->limits));
  }
  auto mine = std::make_unique<const HeldPolicy>(std::move(held));
  const bool first = place.compare_exchange_strong(known, mine.get(), std::memory_order_acq_rel);
  return first ? mine.release() : known;
}

std::optional<PolicyState> BaseFile::find_policy_state(const PolicyId& id) const {
  const fmt::Policy* entry = find_by_id(policies_, id.raw());
  if (entry == nullptr) return std::nullopt;
  return state(*entry);
}

void BaseFile::for_each_issuer_with_key(const Sha256& spki_sha256,
                                        const std::function<void(const IssuerFacts&)>& visit) const {
  const auto key_of = [this](std::uint32_t index) -> const Sha256& { return issuers_[index].spki_sha256; };
  const auto range = std::ranges::equal_range(issuers_by_key_, spki_sha256, {}, key_of);
  for (const std::uint32_t index : range) visit(facts(issuers_[index]));
}

void BaseFile::for_each_issuer(const std::function<void(const IssuerFacts&)>& visit) const {
  for (const fmt::Issuer& entry : issuers_) {
    if (entry.status != fmt::kAbsent) visit(facts(entry));
  }
}

void BaseFile::for_each(const std::function<void(const IdentityChange&)>& visit) const {
  for (const fmt::Tenant& entry : tenants_) {
    if (entry.status != fmt::kAbsent) visit(to_state(facts(entry)));
  }
  for_each_issuer([&](const IssuerFacts& issuer) { visit(to_state(issuer)); });
  for (const fmt::Policy& entry : policies_) {
    if (auto policy = state(entry)) visit(std::move(*policy));
  }
  for (std::uint32_t row = 0; row < devices_.size(); ++row) {
    if (const auto device = held_device(row)) visit(to_state(*device));
  }
  for (std::uint32_t row = 0; row < certificates_.size(); ++row) visit_certificate(row, visit);
}

void BaseFile::visit_certificate(std::uint32_t row, const std::function<void(const CertificateState&)>& visit) const {
  const auto facts = certificate_facts(row);
  if (!facts) return;
  Sha256 id{};
  std::ranges::copy(certificates_.key(row), id.begin());
  visit(to_state(id, *facts));
}

void BaseFile::for_each_certificate_until(UtcTime time,
                                          const std::function<void(const CertificateState&)>& visit) const {
  const unsigned before = layout_.device_bits + layout_.issuer_bits + 1U;
  const std::int64_t limit = time.time_since_epoch().count() - layout_.not_after_base;
  for (std::uint32_t row = 0; row < certificates_.size(); ++row) {
    const auto not_after =
        static_cast<std::int64_t>(read_bits(certificates_.fields(row), before, layout_.not_after_bits));
    if (not_after < limit) visit_certificate(row, visit);
  }
}

TenantState to_state(const TenantFacts& facts) {
  return {facts.id, std::string{facts.name}, facts.status, facts.policies ? *facts.policies : PolicyAttachments{},
          facts.limits ? *facts.limits : TenantLimits{}};
}

IssuerState to_state(const IssuerFacts& facts) {
  return {facts.id,
          facts.tenant_id,
          facts.status,
          facts.spki_sha256,
          Bytes{facts.certificate.begin(), facts.certificate.end()},
          Bytes{facts.external.begin(), facts.external.end()}};
}

DeviceState to_state(const HeldDevice& device) {
  DeviceState state{device.facts.id,
                    device.facts.tenant_id,
                    std::string{device.facts.name},
                    device.facts.status,
                    device.policy_id,
                    {},
                    {}};
  state.groups.assign(device.facts.groups.begin(), device.facts.groups.end());
  for (const auto& [name, value] : device.facts.labels) state.labels.emplace_back(name, value);
  for (const GrantFacts& grant : device.facts.grants) state.grants.push_back(to_state(grant));
  state.name_hash = device.facts.name_hash;
  return state;
}

CertificateState to_state(const Sha256& id, const CertificateFacts& facts) {
  return {id, facts.tenant_id, facts.device_id, facts.issuer_id, facts.status, facts.not_after};
}

IdentityChange held_form(IdentityChange entity) {
  if (auto* device = std::get_if<DeviceState>(&entity)) {
    device->name.clear();
    device->name_hash = 0;
  }
  if (auto* certificate = std::get_if<CertificateState>(&entity)) {
    std::fill(certificate->id.begin() + sizeof(PackedKey), certificate->id.end(), std::uint8_t{0});
  }
  return entity;
}

}  // namespace muster::edge
