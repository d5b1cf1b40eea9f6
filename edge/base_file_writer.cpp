// SPDX-License-Identifier: Apache-2.0
#include "edge/base_file_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <vector>

#include "core/crc32c.h"
#include "core/encoding.h"
#include "core/file.h"
#include "core/random.h"
#include "core/unique_fd.h"
#include "edge/base_format.h"
#include "edge/entity_codec.h"

namespace muster::edge {
namespace {

namespace fmt = base_format;

const Error kLimit{ErrorCode::kResourceExhausted, "snapshot.limit_exceeded", "the snapshot is over a format's width"};

// The states of one kind, in the order of their ids, the last of each id.
template <typename State>
std::vector<const State*> states_by_id(std::span<const IdentityChange> entities) {
  std::vector<const State*> states;
  for (const IdentityChange& entity : entities) {
    if (const auto* state = std::get_if<State>(&entity)) states.push_back(state);
  }
  std::ranges::stable_sort(states, {}, [](const State* s) { return s->id; });
  std::vector<const State*> last;
  for (const State* state : states) {
    if (!last.empty() && last.back()->id == state->id) last.pop_back();
    last.push_back(state);
  }
  return last;
}

// Ids in order, those included that are only named by others: an entity's index in its table.
class IdIndex {
 public:
  void add(const RawId& id) { ids_.push_back(id); }
  void seal() {
    std::ranges::sort(ids_);
    ids_.erase(std::ranges::unique(ids_).begin(), ids_.end());
  }
  std::uint32_t of(const RawId& id) const {
    return static_cast<std::uint32_t>(std::ranges::lower_bound(ids_, id) - ids_.begin());
  }
  const std::vector<RawId>& ids() const { return ids_; }

 private:
  std::vector<RawId> ids_;
};

class BaseBuilder {
 public:
  Result<void> build(std::span<const IdentityChange> entities);
  Result<void> write(int fd, const StreamPosition& position) const;

 private:
  void index(std::span<const IdentityChange> entities);
  Result<void> add_tenants(const std::vector<const TenantState*>& states);
  Result<void> add_issuers(const std::vector<const IssuerState*>& states);
  Result<void> add_policies(const std::vector<const PolicyState*>& states);
  Result<void> add_devices(const std::vector<const DeviceState*>& states);
  void add_certificates(const std::vector<const CertificateState*>& states);
  Result<std::uint32_t> put(BytesView bytes);

  IdIndex tenant_index_, issuer_index_, policy_index_, device_index_;
  std::vector<fmt::Tenant> tenants_;
  std::vector<std::uint32_t> tenants_by_name_;
  std::vector<fmt::Issuer> issuers_;
  std::vector<std::uint32_t> issuers_by_key_;
  std::vector<fmt::ExternalTrust> external_trusts_;
  std::vector<fmt::Policy> policies_;
  std::vector<fmt::Device> devices_;
  std::vector<std::uint32_t> device_buckets_;
  std::vector<fmt::Certificate> certificates_;
  std::vector<std::uint32_t> certificate_buckets_;
  std::vector<std::array<std::uint8_t, 8>> certificate_tails_;
  Bytes pool_;
};

template <typename Entry, typename Key>
std::vector<std::uint32_t> make_buckets(const std::vector<Entry>& entries, Key key) {
  const int bits = fmt::bucket_bits(entries.size());
  std::vector<std::uint32_t> starts((std::size_t{1} << bits) + 1, 0);
  for (const Entry& entry : entries) ++starts[fmt::bucket_of(key(entry).data(), bits) + 1];
  for (std::size_t b = 1; b < starts.size(); ++b) starts[b] += starts[b - 1];
  return starts;
}

// Entries of a table for all ids of `index`, those that are only named marked as absent.
template <typename Entry>
std::vector<Entry> absent_entries(const IdIndex& index) {
  std::vector<Entry> entries(index.ids().size());
  for (std::size_t i = 0; i < entries.size(); ++i) entries[i].id = index.ids()[i].octets;
  return entries;
}

struct IdsOf {
  IdIndex &tenants, &issuers, &policies, &devices;
  void operator()(const TenantState& s) const { tenants.add(s.id.raw()); }
  void operator()(const IssuerState& s) const {
    issuers.add(s.id.raw());
    tenants.add(s.tenant_id.raw());
  }
  void operator()(const PolicyState& s) const {
    policies.add(s.id.raw());
    tenants.add(s.tenant_id.raw());
  }
  void operator()(const DeviceState& s) const {
    devices.add(s.id.raw());
    tenants.add(s.tenant_id.raw());
    if (!s.policy_id.is_nil()) policies.add(s.policy_id.raw());
  }
  void operator()(const CertificateState& s) const {
    devices.add(s.device_id.raw());
    issuers.add(s.issuer_id.raw());
    tenants.add(s.tenant_id.raw());
  }
};

void BaseBuilder::index(std::span<const IdentityChange> entities) {
  for (const IdentityChange& entity : entities) {
    std::visit(IdsOf{tenant_index_, issuer_index_, policy_index_, device_index_}, entity);
  }
  for (IdIndex* ids : {&tenant_index_, &issuer_index_, &policy_index_, &device_index_}) ids->seal();
  tenants_ = absent_entries<fmt::Tenant>(tenant_index_);
  issuers_ = absent_entries<fmt::Issuer>(issuer_index_);
  policies_ = absent_entries<fmt::Policy>(policy_index_);
  devices_ = absent_entries<fmt::Device>(device_index_);
  for (fmt::Device& device : devices_) device.policy = fmt::kNone;
}

Result<void> BaseBuilder::build(std::span<const IdentityChange> entities) {
  if (entities.size() >= fmt::kMaxIssuers) return kLimit;  // every index then fits its width
  index(entities);
  MUSTER_TRY_VOID(add_tenants(states_by_id<TenantState>(entities)));
  MUSTER_TRY_VOID(add_issuers(states_by_id<IssuerState>(entities)));
  MUSTER_TRY_VOID(add_policies(states_by_id<PolicyState>(entities)));
  MUSTER_TRY_VOID(add_devices(states_by_id<DeviceState>(entities)));
  add_certificates(states_by_id<CertificateState>(entities));
  return {};
}

Result<std::uint32_t> BaseBuilder::put(BytesView bytes) {
  if (pool_.size() + bytes.size() >= fmt::kNone) return kLimit;
  const auto offset = static_cast<std::uint32_t>(pool_.size());
  pool_.insert(pool_.end(), bytes.begin(), bytes.end());
  return offset;
}

Result<void> BaseBuilder::add_tenants(const std::vector<const TenantState*>& states) {
  for (const TenantState* state : states) {
    if (state->name.size() > std::numeric_limits<std::uint16_t>::max()) return kLimit;
    fmt::Tenant& entry = tenants_[tenant_index_.of(state->id.raw())];
    MUSTER_TRY(entry.name_offset, put(as_bytes(state->name)));
    entry.name_length = static_cast<std::uint16_t>(state->name.size());
    entry.status = static_cast<std::uint8_t>(state->status);
    tenants_by_name_.push_back(tenant_index_.of(state->id.raw()));
  }
  // Of several tenants of one name the active one comes first: the others are gone.
  std::ranges::sort(tenants_by_name_, {}, [this](std::uint32_t i) {
    const BytesView pool{pool_};
    return std::pair{as_text(pool.subspan(tenants_[i].name_offset, tenants_[i].name_length)), tenants_[i].status};
  });
  return {};
}

Result<void> BaseBuilder::add_issuers(const std::vector<const IssuerState*>& states) {
  for (const IssuerState* state : states) {
    const std::uint32_t at = issuer_index_.of(state->id.raw());
    fmt::Issuer& entry = issuers_[at];
    entry.spki_sha256 = state->spki_sha256;
    entry.tenant = tenant_index_.of(state->tenant_id.raw());
    MUSTER_TRY(entry.certificate_offset, put(state->certificate));
    entry.certificate_length = static_cast<std::uint32_t>(state->certificate.size());
    entry.status = static_cast<std::uint8_t>(state->status);
    issuers_by_key_.push_back(at);
    if (state->external.empty()) continue;
    MUSTER_TRY(const std::uint32_t offset, put(state->external));
    external_trusts_.push_back({at, offset, static_cast<std::uint32_t>(state->external.size())});
  }
  std::ranges::sort(issuers_by_key_, {}, [this](std::uint32_t i) { return issuers_[i].spki_sha256; });
  return {};
}

Result<void> BaseBuilder::add_policies(const std::vector<const PolicyState*>& states) {
  for (const PolicyState* state : states) {
    fmt::Policy& entry = policies_[policy_index_.of(state->id.raw())];
    Bytes rules;
    MUSTER_TRY_VOID(append_rules(rules, state->rules));
    MUSTER_TRY(entry.rules_offset, put(rules));
    entry.rules_length = static_cast<std::uint32_t>(rules.size());
    entry.tenant = tenant_index_.of(state->tenant_id.raw());
    entry.status = static_cast<std::uint8_t>(state->status);
  }
  return {};
}

Result<void> BaseBuilder::add_devices(const std::vector<const DeviceState*>& states) {
  Bytes attributes;
  for (const DeviceState* state : states) {
    if (state->name.size() > std::numeric_limits<std::uint16_t>::max()) return kLimit;
    fmt::Device& entry = devices_[device_index_.of(state->id.raw())];
    entry.tenant = tenant_index_.of(state->tenant_id.raw());
    if (!state->policy_id.is_nil()) entry.policy = policy_index_.of(state->policy_id.raw());
    MUSTER_TRY(entry.name_offset, put(as_bytes(state->name)));
    entry.name_length = static_cast<std::uint16_t>(state->name.size());
    attributes.clear();
    MUSTER_TRY_VOID(append_attributes(attributes, *state));
    MUSTER_TRY(entry.attributes_offset, put(attributes));
    entry.attributes_length = static_cast<std::uint32_t>(attributes.size());
    entry.status = static_cast<std::uint8_t>(state->status);
  }
  device_buckets_ = make_buckets(
      devices_, [](const fmt::Device& d) -> const auto& { return d.id; });
  return {};
}

void BaseBuilder::add_certificates(const std::vector<const CertificateState*>& states) {
  certificates_.reserve(states.size());
  certificate_tails_.reserve(states.size());
  std::vector<bool> named(devices_.size(), false);
  for (const CertificateState* state : states) {
    fmt::Certificate entry{};
    std::copy_n(state->id.begin(), entry.hash_head.size(), entry.hash_head.begin());
    if (!certificates_.empty() && certificates_.back().hash_head == entry.hash_head) continue;  // 192 equal bits
    entry.device = device_index_.of(state->device_id.raw());
    fmt::Device& device = devices_[entry.device];
    const std::uint32_t tenant = tenant_index_.of(state->tenant_id.raw());
    if (device.status == fmt::kAbsent && !named[entry.device]) device.tenant = tenant;
    named[entry.device] = true;
    const EntityStatus status = device.tenant == tenant ? state->status : EntityStatus::kGone;
    entry.issuer_and_status = issuer_index_.of(state->issuer_id.raw()) << 2 | static_cast<std::uint32_t>(status);
    entry.not_after = state->not_after.time_since_epoch().count();
    certificates_.push_back(entry);
    std::array<std::uint8_t, 8> tail;
    std::copy(state->id.begin() + 24, state->id.end(), tail.begin());
    certificate_tails_.push_back(tail);
  }
  certificate_buckets_ = make_buckets(
      certificates_, [](const fmt::Certificate& c) -> const auto& { return c.hash_head; });
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

Result<void> BaseBuilder::write(int fd, const StreamPosition& position) const {
  using enum fmt::SectionKind;
  struct Part {
    fmt::SectionKind kind;
    std::uint32_t entry_size;
    BytesView octets;
  };
  const std::array<Part, fmt::kSectionKinds> parts = {{
      {kTenants, sizeof(fmt::Tenant), octets_of(tenants_)},
      {kTenantsByName, sizeof(std::uint32_t), octets_of(tenants_by_name_)},
      {kIssuers, sizeof(fmt::Issuer), octets_of(issuers_)},
      {kIssuersByKey, sizeof(std::uint32_t), octets_of(issuers_by_key_)},
      {kPolicies, sizeof(fmt::Policy), octets_of(policies_)},
      {kDevices, sizeof(fmt::Device), octets_of(devices_)},
      {kDeviceBuckets, sizeof(std::uint32_t), octets_of(device_buckets_)},
      {kCertificates, sizeof(fmt::Certificate), octets_of(certificates_)},
      {kCertificateBuckets, sizeof(std::uint32_t), octets_of(certificate_buckets_)},
      {kCertificateTails, 8, octets_of(certificate_tails_)},
      {kPool, 1, pool_},
      {kExternalTrusts, sizeof(fmt::ExternalTrust), octets_of(external_trusts_)},
  }};
  std::vector<fmt::Section> table;
  std::uint64_t offset = sizeof(fmt::Header) + parts.size() * sizeof(fmt::Section);
  static_assert((sizeof(fmt::Header) + fmt::kSectionKinds * sizeof(fmt::Section)) % 8 == 0);
  std::uint32_t body_crc = 0;
  for (const Part& part : parts) {
    table.push_back({part.kind, part.entry_size, offset, part.octets.size() / part.entry_size});
    MUSTER_TRY_VOID(write_at(fd, part.octets, offset));
    const std::array<std::uint8_t, 8> zeros{};
    const BytesView padding = BytesView{zeros}.first((8 - part.octets.size() % 8) % 8);
    MUSTER_TRY_VOID(write_at(fd, padding, offset + part.octets.size()));
    body_crc = crc32c(padding, crc32c(part.octets, body_crc));
    offset += part.octets.size() + padding.size();
  }
  fmt::Header header{fmt::kMagic,        fmt::kVersion, 1, 0, position.epoch.octets, position.number, offset,
                     fmt::kSectionKinds, body_crc,      0, 0};
  header.header_crc = crc32c(octets_of(table), crc32c({reinterpret_cast<const std::uint8_t*>(&header), sizeof header}));
  MUSTER_TRY_VOID(write_at(fd, {reinterpret_cast<const std::uint8_t*>(&header), sizeof header}, 0));
  return write_at(fd, octets_of(table), sizeof header);
}

Result<void> write_temporary(const std::string& path, mode_t mode, const BaseBuilder& builder,
                             const StreamPosition& position) {
  const UniqueFd fd{open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
  if (!fd) return Error{ErrorCode::kUnavailable, "file.write_failed", path + ": " + std::strerror(errno)};
  MUSTER_TRY_VOID(builder.write(fd.get(), position));
  if (fchmod(fd.get(), mode) != 0 || fsync(fd.get()) != 0) {
    return Error{ErrorCode::kUnavailable, "file.write_failed", path + ": " + std::strerror(errno)};
  }
  return {};
}

}  // namespace

Result<void> write_base_file(const std::string& path, mode_t mode, const StreamPosition& position,
                             std::span<const IdentityChange> entities) {
  BaseBuilder builder;
  MUSTER_TRY_VOID(builder.build(entities));
  const std::string temporary = path + ".tmp." + to_hex(random_bytes(6));
  const auto written = write_temporary(temporary, mode, builder, position);
  if (!written.ok() || rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    unlink(temporary.c_str());
    if (!written.ok()) return written.error();
    return Error{ErrorCode::kUnavailable, "file.write_failed", path + ": " + std::strerror(error)};
  }
  return fsync_directory(path.substr(0, path.rfind('/') + 1));
}

}  // namespace muster::edge
