// SPDX-License-Identifier: Apache-2.0
#include "enroll/ocsp_issuer_index.h"

#include <algorithm>

#include "ca/ocsp_response.h"
#include "core/encoding.h"
#include "x509/certificate.h"
#include "x509/oids.h"

namespace muster::enroll {

namespace {

constexpr std::chrono::milliseconds kLoadInterval{500};
constexpr std::size_t kSha1Size = 20;
constexpr std::size_t kSha256Size = 32;

std::string joined(BytesView first, BytesView second) {
  std::string text(as_text(first));
  text.append(as_text(second));
  return text;
}

BytesView without_sign(BytesView serial) { return serial.size() > 1 && serial[0] == 0 ? serial.subspan(1) : serial; }

}  // namespace

Result<std::optional<IssuerId>> OcspIssuerIndex::find(const x509::OcspCertIdView& id) {
  const bool sha1 = std::ranges::equal(id.hash_algorithm, x509::oid::kSha1);
  const bool sha256 = std::ranges::equal(id.hash_algorithm, x509::oid::kSha256);
  const std::size_t size = sha1 ? kSha1Size : kSha256Size;
  if ((!sha1 && !sha256) || id.issuer_name_hash.size() != size || id.issuer_key_hash.size() != size) {
    return std::optional<IssuerId>{};
  }
  const std::string key = joined(id.issuer_name_hash, id.issuer_key_hash);
  if (auto found = look_up(key)) return found;
  MUSTER_TRY_VOID(load_new());
  return look_up(key);
}

std::optional<IssuerId> OcspIssuerIndex::look_up(const std::string& key) const {
  const std::shared_lock lock{mutex_};
  const auto found = by_hashes_.find(key);
  return found == by_hashes_.end() ? std::nullopt : std::optional(found->second);
}

bool OcspIssuerIndex::issued_ca(const IssuerId& issuer, BytesView serial) const {
  const std::shared_lock lock{mutex_};
  return ca_serials_.contains(joined(issuer.octets(), serial));
}

Result<void> OcspIssuerIndex::load_new() {
  const std::lock_guard loading{loading_};
  const auto now = std::chrono::steady_clock::now();
  if (!known_.empty() && now - loaded_at_ < kLoadInterval) return {};
  MUSTER_TRY(const auto fresh, db::run_in_transaction(context_.pool, db::Scope::system(), [&](db::Transaction& tx) {
               return registry::list_ocsp_issuers(tx, known_);
             }));
  loaded_at_ = now;
  const std::unique_lock lock{mutex_};
  for (const registry::OcspIssuer& issuer : fresh) {
    add(issuer);
    known_.push_back(issuer.id);
  }
  return {};
}

void OcspIssuerIndex::add(const registry::OcspIssuer& issuer) {
  const auto certificate = x509::Certificate::parse_der(issuer.certificate);
  if (!certificate.ok()) return;  // nothing that it signed could be verified either
  const auto hashes = ca::ocsp_issuer_hashes(certificate->subject(), certificate->spki());
  if (!hashes) return;
  by_hashes_.emplace(joined(hashes->name_sha1, hashes->key_sha1), issuer.id);
  by_hashes_.emplace(joined(hashes->name_sha256, hashes->key_sha256), issuer.id);
  if (issuer.parent_id.is_nil()) return;
  const auto serial = from_hex(certificate->serial_hex());
  if (serial.ok()) ca_serials_.insert(joined(issuer.parent_id.octets(), without_sign(*serial)));
}

}  // namespace muster::enroll
