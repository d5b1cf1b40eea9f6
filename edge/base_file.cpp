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

// The part of a table that `buckets` says can hold `key`.
template <typename Entry>
std::span<const Entry> bucket(std::span<const Entry> entries, std::span<const std::uint32_t> buckets,
                              const std::uint8_t* key) {
  const std::uint32_t b = fmt::bucket_of(key, fmt::bucket_bits(entries.size()));
  return entries.subspan(buckets[b], buckets[b + 1] - buckets[b]);
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
  base->compile_policies();
  return std::shared_ptr<const BaseFile>{std::move(base)};
}

BaseFile::~BaseFile() {
  if (!file_.empty()) munmap(const_cast<std::uint8_t*>(file_.data()), file_.size());
}

void BaseFile::compile_policies() {
  compiled_.reserve(policies_.size());
  for (const fmt::Policy& entry : policies_) {
    HeldPolicy held{id_of<TenantId>(tenants_[entry.tenant].id), static_cast<EntityStatus>(entry.status), nullptr};
    if (const auto policy = state(entry); policy && policy->status == EntityStatus::kActive) {
      auto compiled = Policy::compile(policy->rules);
      if (compiled.ok()) held.compiled = std::make_shared<const Policy>(std::move(compiled).value());
    }
    compiled_.push_back(std::move(held));
  }
}

std::string_view BaseFile::text(std::uint32_t offset, std::uint32_t length) const {
  return as_text(pool_.subspan(offset, length));
}

TenantFacts BaseFile::facts(const fmt::Tenant& entry) const {
  return {id_of<TenantId>(entry.id), text(entry.name_offset, entry.name_length),
          static_cast<EntityStatus>(entry.status)};
}

IssuerFacts BaseFile::facts(const fmt::Issuer& entry) const {
  const auto index = static_cast<std::uint32_t>(&entry - issuers_.data());
  const auto trust = std::ranges::lower_bound(external_trusts_, index, {}, &fmt::ExternalTrust::issuer);
  const bool external = trust != external_trusts_.end() && trust->issuer == index;
  return {id_of<IssuerId>(entry.id),
          id_of<TenantId>(tenants_[entry.tenant].id),
          static_cast<EntityStatus>(entry.status),
          entry.spki_sha256,
          pool_.subspan(entry.certificate_offset, entry.certificate_length),
          external ? pool_.subspan(trust->offset, trust->length) : BytesView{}};
}

CertificateFacts BaseFile::facts(const fmt::Certificate& entry) const {
  const fmt::Device& device = devices_[entry.device];
  return {id_of<TenantId>(tenants_[device.tenant].id), id_of<DeviceId>(device.id),
          id_of<IssuerId>(issuers_[entry.issuer_and_status >> 2].id),
          static_cast<EntityStatus>(entry.issuer_and_status & 3), UtcTime{std::chrono::seconds{entry.not_after}}};
}

std::optional<HeldDevice> BaseFile::held(const fmt::Device& entry) const {
  auto attributes = read_attributes(pool_.subspan(entry.attributes_offset, entry.attributes_length));
  if (!attributes) return std::nullopt;  // not known is refused, which is the safe reading of a broken entry
  const PolicyId policy = entry.policy == fmt::kNone ? PolicyId{} : id_of<PolicyId>(policies_[entry.policy].id);
  return HeldDevice{{id_of<DeviceId>(entry.id), id_of<TenantId>(tenants_[entry.tenant].id),
                     text(entry.name_offset, entry.name_length), static_cast<EntityStatus>(entry.status), nullptr,
                     std::move(attributes->groups), std::move(attributes->labels)},
                    policy};
}

std::optional<PolicyState> BaseFile::state(const fmt::Policy& entry) const {
  if (entry.status == fmt::kAbsent) return std::nullopt;
  auto rules = read_rules(pool_.subspan(entry.rules_offset, entry.rules_length));
  if (!rules) return std::nullopt;
  return PolicyState{id_of<PolicyId>(entry.id), id_of<TenantId>(tenants_[entry.tenant].id),
                     static_cast<EntityStatus>(entry.status), std::move(*rules)};
}

std::optional<CertificateFacts> BaseFile::find_certificate(const Sha256& id) const {
  std::array<std::uint8_t, 24> head;
  std::copy_n(id.begin(), head.size(), head.begin());
  const auto part = bucket(certificates_, certificate_buckets_, head.data());
  const auto found = std::ranges::lower_bound(part, head, {}, &fmt::Certificate::hash_head);
  if (found == part.end() || found->hash_head != head) return std::nullopt;
  const auto index = static_cast<std::size_t>(&*found - certificates_.data());
  if (!std::equal(certificate_tails_[index].begin(), certificate_tails_[index].end(), id.begin() + 24)) {
    return std::nullopt;
  }
  return facts(*found);
}

std::optional<HeldDevice> BaseFile::find_device(const DeviceId& id) const {
  const auto part = bucket(devices_, device_buckets_, id.octets().data());
  const fmt::Device* entry = find_by_id(part, id.raw());
  if (entry == nullptr) return std::nullopt;
  return held(*entry);
}

std::optional<TenantFacts> BaseFile::find_tenant(const TenantId& id) const {
  const fmt::Tenant* entry = find_by_id(tenants_, id.raw());
  if (entry == nullptr) return std::nullopt;
  return facts(*entry);
}

std::optional<TenantFacts> BaseFile::find_tenant_by_name(std::string_view name) const {
  const auto name_of = [this](std::uint32_t index) {
    return text(tenants_[index].name_offset, tenants_[index].name_length);
  };
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
  return entry == nullptr ? nullptr : &compiled_[static_cast<std::size_t>(entry - policies_.data())];
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
  for (const fmt::Device& entry : devices_) {
    if (entry.status == fmt::kAbsent) continue;
    if (const auto device = held(entry)) visit(to_state(*device));
  }
  for (std::size_t i = 0; i < certificates_.size(); ++i) {
    Sha256 id;
    std::ranges::copy(certificates_[i].hash_head, id.begin());
    std::ranges::copy(certificate_tails_[i], id.begin() + 24);
    visit(to_state(id, facts(certificates_[i])));
  }
}

TenantState to_state(const TenantFacts& facts) { return {facts.id, std::string{facts.name}, facts.status}; }

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
  return state;
}

CertificateState to_state(const Sha256& id, const CertificateFacts& facts) {
  return {id, facts.tenant_id, facts.device_id, facts.issuer_id, facts.status, facts.not_after};
}

}  // namespace muster::edge
