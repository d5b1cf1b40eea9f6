// SPDX-License-Identifier: Apache-2.0
#include "edge/base_file_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <numeric>
#include <unordered_map>
#include <vector>

#include "core/encoding.h"
#include "core/file.h"
#include "core/random.h"
#include "core/unique_fd.h"
#include "edge/base_tables.h"
#include "edge/entity_codec.h"
#include "edge/name_hash.h"

namespace muster::edge {
namespace {

namespace fmt = base_format;

constexpr auto kGone = static_cast<std::uint8_t>(EntityStatus::kGone);

struct RawIdHash {
  std::size_t operator()(const RawId& id) const noexcept {
    std::size_t h = 0;  // ids are random
    std::memcpy(&h, id.octets.data(), sizeof h);
    return h;
  }
};

// A small table while it grows: entries in the order in which they were named first.
template <typename Entry>
class Slots {
 public:
  std::uint32_t of(const RawId& id) {
    const auto [slot, is_new] = slots_.try_emplace(id, static_cast<std::uint32_t>(entries_.size()));
    if (is_new) {
      entries_.push_back(Entry{});
      entries_.back().id = id.octets;
    }
    return slot->second;
  }
  Entry& operator[](std::uint32_t slot) { return entries_[slot]; }

  // Moves the entries into the order of their ids and returns where each slot went.
  std::vector<std::uint32_t> sort_into(std::vector<Entry>& table) {
    std::vector<std::uint32_t> order(entries_.size());
    std::iota(order.begin(), order.end(), 0U);
    std::ranges::sort(order, {}, [this](std::uint32_t slot) { return entries_[slot].id; });
    std::vector<std::uint32_t> index_of(entries_.size());
    for (const std::uint32_t slot : order) {
      index_of[slot] = static_cast<std::uint32_t>(table.size());
      table.push_back(entries_[slot]);
    }
    return index_of;
  }

 private:
  std::unordered_map<RawId, std::uint32_t, RawIdHash> slots_;
  std::vector<Entry> entries_;
};

// What is gone is refused like what never was.
template <typename State>
std::uint8_t held_status(const State& state) {
  const auto status = static_cast<std::uint8_t>(state.status);
  return status == kGone ? fmt::kAbsent : status;
}

}  // namespace

class BaseFileWriter::Collected {
 public:
  Result<void> add(const TenantState& state);
  Result<void> add(const IssuerState& state);
  Result<void> add(const PolicyState& state);
  Result<void> add(const DeviceState& state);
  Result<void> add(const CertificateState& state);
  // Indexes in place of slots.
  BaseTables& finish();

 private:
  BaseTables tables_;
  Slots<fmt::Tenant> tenants_;
  Slots<fmt::Issuer> issuers_;
  Slots<fmt::Policy> policies_;
  Bytes scratch_;
};

Result<void> BaseFileWriter::Collected::add(const TenantState& state) {
  fmt::Tenant& entry = tenants_[tenants_.of(state.id.raw())];
  MUSTER_TRY(entry.name, tables_.pool.put(as_bytes(state.name)));
  scratch_.clear();
  MUSTER_TRY_VOID(append_tenant_attributes(scratch_, state));
  MUSTER_TRY(entry.settings, tables_.pool.put(scratch_));
  entry.status = held_status(state);
  return {};
}

Result<void> BaseFileWriter::Collected::add(const IssuerState& state) {
  const std::uint32_t tenant = tenants_.of(state.tenant_id.raw());
  fmt::Issuer& entry = issuers_[issuers_.of(state.id.raw())];
  entry.tenant = tenant;
  entry.spki_sha256 = state.spki_sha256;
  MUSTER_TRY(entry.certificate, tables_.pool.put(state.certificate));
  MUSTER_TRY(entry.external, tables_.pool.put(state.external));
  entry.status = held_status(state);
  return {};
}

Result<void> BaseFileWriter::Collected::add(const PolicyState& state) {
  const std::uint32_t tenant = tenants_.of(state.tenant_id.raw());
  fmt::Policy& entry = policies_[policies_.of(state.id.raw())];
  scratch_.clear();
  MUSTER_TRY_VOID(append_policy_body(scratch_, state.rules, state.limits));
  MUSTER_TRY(entry.rules, tables_.pool.put(scratch_));
  entry.tenant = tenant;
  entry.status = held_status(state);
  return {};
}

Result<void> BaseFileWriter::Collected::add(const DeviceState& state) {
  DeviceRow row{.id = state.id.raw(),
                .tenant = tenants_.of(state.tenant_id.raw()),
                .status = static_cast<std::uint8_t>(state.status)};
  if (row.status == kGone) {  // it only takes the place of what was said of the device before
    tables_.devices.push_back(row);
    return {};
  }
  if (!state.policy_id.is_nil()) {
    row.policy = policies_.of(state.policy_id.raw());
    fmt::Policy& policy = policies_[row.policy];
    if (policy.status == fmt::kAbsent) policy.tenant = row.tenant;  // until the policy itself says whose it is
  }
  scratch_.clear();
  MUSTER_TRY_VOID(append_attributes(scratch_, state));
  MUSTER_TRY(row.attributes, tables_.pool.put(scratch_));
  row.name_hash = state.name.empty() ? state.name_hash : name_hash(state.name);
  tables_.devices.push_back(row);
  return {};
}

Result<void> BaseFileWriter::Collected::add(const CertificateState& state) {
  CertificateRow row{.id = state.id,
                     .device = state.device_id.raw(),
                     .not_after = state.not_after.time_since_epoch().count(),
                     .tenant = tenants_.of(state.tenant_id.raw()),
                     .issuer = issuers_.of(state.issuer_id.raw()),
                     .status = static_cast<std::uint8_t>(state.status)};
  fmt::Issuer& issuer = issuers_[row.issuer];
  if (issuer.status == fmt::kAbsent) issuer.tenant = row.tenant;
  tables_.certificates.push_back(row);
  return {};
}

BaseTables& BaseFileWriter::Collected::finish() {
  const auto tenant_index = tenants_.sort_into(tables_.tenants);
  const auto issuer_index = issuers_.sort_into(tables_.issuers);
  const auto policy_index = policies_.sort_into(tables_.policies);
  for (fmt::Issuer& issuer : tables_.issuers) issuer.tenant = tenant_index[issuer.tenant];
  for (fmt::Policy& policy : tables_.policies) policy.tenant = tenant_index[policy.tenant];
  for (DeviceRow& row : tables_.devices) {
    row.tenant = tenant_index[row.tenant];
    if (row.policy != fmt::kNone) row.policy = policy_index[row.policy];
  }
  for (CertificateRow& row : tables_.certificates) {
    row.tenant = tenant_index[row.tenant];
    row.issuer = issuer_index[row.issuer];
  }
  return tables_;
}

BaseFileWriter::BaseFileWriter() : collected_(std::make_unique<Collected>()) {}
BaseFileWriter::~BaseFileWriter() = default;
BaseFileWriter::BaseFileWriter(BaseFileWriter&&) noexcept = default;
BaseFileWriter& BaseFileWriter::operator=(BaseFileWriter&&) noexcept = default;

Result<void> BaseFileWriter::add(const IdentityChange& entity) {
  return std::visit([this](const auto& state) { return collected_->add(state); }, entity);
}

namespace {

Result<void> write_temporary(const std::string& path, mode_t mode, const StreamPosition& position, BaseTables& tables) {
  const UniqueFd fd{open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
  if (!fd) return Error{ErrorCode::kUnavailable, "file.write_failed", path + ": " + std::strerror(errno)};
  MUSTER_TRY_VOID(write_base_tables(fd.get(), position, tables));
  if (fchmod(fd.get(), mode) != 0 || fsync(fd.get()) != 0) {
    return Error{ErrorCode::kUnavailable, "file.write_failed", path + ": " + std::strerror(errno)};
  }
  return {};
}

}  // namespace

Result<void> BaseFileWriter::write(const std::string& path, mode_t mode, const StreamPosition& position) {
  const std::string temporary = path + ".tmp." + to_hex(random_bytes(6));
  const auto written = write_temporary(temporary, mode, position, collected_->finish());
  if (!written.ok() || rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    unlink(temporary.c_str());
    if (!written.ok()) return written.error();
    return Error{ErrorCode::kUnavailable, "file.write_failed", path + ": " + std::strerror(error)};
  }
  return fsync_directory(path.substr(0, path.rfind('/') + 1));
}

Result<void> write_base_file(const std::string& path, mode_t mode, const StreamPosition& position,
                             std::span<const IdentityChange> entities) {
  BaseFileWriter writer;
  for (const IdentityChange& entity : entities) MUSTER_TRY_VOID(writer.add(entity));
  return writer.write(path, mode, position);
}

}  // namespace muster::edge
