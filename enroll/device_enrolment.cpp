// SPDX-License-Identifier: Apache-2.0
#include "enroll/device_enrolment.h"

#include <algorithm>
#include <map>
#include <set>

#include "ca/certificate_linter.h"
#include "ca/signer.h"
#include "ca/tbs_certificate.h"
#include "core/encoding.h"
#include "db/group.h"
#include "db/transaction.h"
#include "enroll/active_profile.h"
#include "enroll/authorisation.h"
#include "enroll/claim_ledger.h"
#include "enroll/cpu_turns.h"
#include "enroll/device_enrolment_item.h"
#include "enroll/external_device.h"
#include "enroll/profiles.h"
#include "enroll/reasons.h"
#include "enroll/reenrolment.h"
#include "registry/certificate_store.h"
#include "registry/device_store.h"
#include "registry/reasons.h"
#include "registry/tenant_store.h"
#include "registry/token_store.h"
#include "x509/certificate.h"
#include "x509/reasons.h"

namespace muster::enroll {

namespace {

constexpr std::size_t kMaxCommonName = 64;
constexpr std::uint8_t kUriTag = 6;

Error refuse(ErrorCode code, std::string_view reason) { return Error{code, reason, {}}; }

// "key already used" says the same whoever holds the key.
Error translate(Error error) {
  if (error.reason == registry::kKeyAlreadyUsed) return refuse(ErrorCode::kConflict, reasons::kKeyAlreadyUsed);
  return error;
}

bool looks_like_der(std::string_view csr) {
  return !csr.empty() && csr.front() == 0x30 && csr.size() > 1 && as_bytes(csr)[1] >= 0x80;
}

}  // namespace

Result<PreparedRequest> prepare(const AuthorityContext& context, const Caller& caller, const EnrollRequest& request) {
  MUSTER_TRY_VOID(require_enroller(caller, request.tenant));
  if (!registry::is_profile_name(request.profile)) return refuse(ErrorCode::kInvalidArgument, reasons::kProfileUnknown);
  MUSTER_TRY(DeviceName name, DeviceName::parse(request.device));
  auto csr = looks_like_der(request.csr) ? x509::CertificateRequest::parse_der(as_bytes(request.csr))
                                         : x509::CertificateRequest::parse_pem(request.csr);
  if (!csr.ok()) return std::move(csr).error();
  if (context.blocked_keys.contains(csr->spki(), csr->spki_sha256())) {
    return refuse(ErrorCode::kInvalidArgument, x509::reasons::kCsrKeyBlocked);
  }
  return PreparedRequest{caller,         request.tenant, std::move(name), std::move(csr).value(),
                         request.create, request.profile};
}

Result<void> require_own_certificate(db::Transaction& tx, const Caller& caller, const DeviceId& device, UtcTime now) {
  const Error forbidden = refuse(ErrorCode::kPermissionDenied, reasons::kCallerForbidden);
  const bool claims = caller.role == CallerRole::kDevice && caller.tenant && caller.device == device;
  if (!claims || !caller.device_certificate_id) return forbidden;
  const auto row = registry::get_certificate(tx, *caller.tenant, *caller.device_certificate_id, now);
  if (!row.ok()) return row.error().code == ErrorCode::kNotFound ? forbidden : row.error();
  const bool own = row->device_id == device && row->status == registry::CertificateStatus::kActive;
  return own ? Result<void>{} : forbidden;
}

DeviceEnrolment::DeviceEnrolment(AuthorityContext& context, const TenantId& tenant,
                                 std::vector<PreparedRequest> requests, AlsoStore also)
    : context_(context), tenant_(tenant), also_(std::move(also)) {
  items_.reserve(requests.size());
  for (PreparedRequest& request : requests) items_.emplace_back(std::move(request));
}

DeviceEnrolment::~DeviceEnrolment() = default;

std::vector<Result<IssuedCertificate>> DeviceEnrolment::run() {
  const db::Scope scope = db::Scope::of_tenant(tenant_);
  const auto reserved = db::run_group(context_.pool, scope, items_.size(),
                                      [&](db::Transaction& tx, Indices indices) { return reserve(tx, indices); });
  const std::vector<std::size_t> signed_items = sign_all(reserved);
  const auto stored =
      db::run_group(context_.pool, scope, signed_items.size(), [&](db::Transaction& tx, Indices chosen) {
        std::vector<std::size_t> indices;
        for (const std::size_t c : chosen) indices.push_back(signed_items[c]);
        return store(tx, indices);
      });
  for (std::size_t s = 0; s < signed_items.size(); ++s) {
    Item& item = items_[signed_items[s]];
    if (item.alive() && !stored[s].ok()) item.refusal = translate(stored[s].error());
  }
  take_back_devices();
  audit_refusals();
  std::vector<Result<IssuedCertificate>> results;
  results.reserve(items_.size());
  for (Item& item : items_) results.push_back(answer(item));
  return results;
}

// Transaction 1. What is wrong with one item alone is kept in it and the others go on; an error returned from here
// makes run_group try each item by itself.
Result<void> DeviceEnrolment::reserve(db::Transaction& tx, Indices indices) {
  for (const std::size_t i : indices) items_[i].reset();
  const Questions questions = ask(tx, indices);
  MUSTER_TRY(const registry::Tenant tenant, questions.tenant.get());
  if (tenant.status != registry::TenantStatus::kActive) {
    return refuse(ErrorCode::kFailedPrecondition, reasons::kTenantInactive);
  }
  tenant_name_ = tenant.name;
  std::vector<std::size_t> renewals;
  std::vector<std::size_t> others;
  for (const std::size_t i : indices) {
    (items_[i].request.caller.role == CallerRole::kDevice ? renewals : others).push_back(i);
  }
  MUSTER_TRY_VOID(admit_claims(tx, indices));
  // Before a device is registered: what cannot be built leaves none. A renewal's profile is that of the certificate it
  // was asked with, which authorise finds.
  MUSTER_TRY_VOID(build_all(tx, others, questions));
  MUSTER_TRY_VOID(find_or_create_devices(tx, indices, questions));
  MUSTER_TRY_VOID(authorise(tx, indices, questions));
  MUSTER_TRY_VOID(build_all(tx, renewals, questions));
  MUSTER_TRY_VOID(widen_shards(tx, indices));
  return reserve_intents(tx, indices);
}

// What depends on the requests alone, asked in one round trip.
DeviceEnrolment::Questions DeviceEnrolment::ask(db::Transaction& tx, Indices indices) const {
  std::vector<DeviceName> names;
  std::vector<Sha256> proofs;
  std::set<std::string> profiles{std::string(kDeviceProfile)};
  for (const std::size_t i : indices) {
    const Caller& caller = items_[i].request.caller;
    names.push_back(items_[i].request.device);
    profiles.insert(items_[i].profile);
    if (caller.role == CallerRole::kDevice && caller.device_certificate_id) {
      proofs.push_back(*caller.device_certificate_id);
    }
  }
  return {registry::ask_tenant_by_id(tx, tenant_), registry::ask_devices(tx, tenant_, names),
          registry::ask_certificates(tx, tenant_, proofs, context_.clock.now()),
          ask_profiles(tx, tenant_, std::move(profiles))};
}

// Beside it, for the audit: the key of the newest certificate that each device has.
Result<void> DeviceEnrolment::reserve_intents(db::Transaction& tx, Indices indices) {
  std::vector<registry::CertificateIntent> intents;
  std::vector<DeviceId> devices;
  for (const std::size_t i : indices) {
    const Item& item = items_[i];
    if (!item.alive()) continue;
    intents.push_back({item.active->issuer->identity.id, item.serial, item.device->id, item.request.csr.spki_sha256(),
                       item.tbs, item.crl_shard});
    devices.push_back(item.device->id);
  }
  if (intents.empty()) return {};
  const auto asked = registry::ask_newest_keys(tx, tenant_, devices);
  MUSTER_TRY_VOID(registry::reserve_intents(tx, tenant_, intents));
  MUSTER_TRY(const auto keys, asked.get());
  for (const std::size_t i : indices) {
    Item& item = items_[i];
    const auto key = item.alive() ? keys.find(item.device->id) : keys.end();
    if (key != keys.end()) item.old_key = to_hex(key->second);
  }
  return {};
}

Result<void> DeviceEnrolment::build_all(db::Transaction& tx, Indices indices, const Questions& questions) {
  std::set<std::string> names;
  for (const std::size_t i : indices) {
    if (!items_[i].alive()) continue;
    names.insert(items_[i].profile);
    if (items_[i].request.caller.role == CallerRole::kDevice) names.emplace(kDeviceProfile);
  }
  if (names.empty()) return {};
  // A claim or the certificate that is renewed may name another than the request.
  const bool all_asked = std::ranges::includes(questions.profiles.names, names);
  MUSTER_TRY(const ActiveProfiles profiles,
             load_profiles(context_, tx, tenant_,
                           all_asked ? questions.profiles : ask_profiles(tx, tenant_, std::move(names))));
  for (const std::size_t i : indices) {
    Item& item = items_[i];
    if (!item.alive()) continue;
    const auto& wanted = profiles.at(item.profile);
    const bool removed = !wanted.ok() && wanted.error().reason == reasons::kProfileUnknown;
    // A profile that was removed does not strand the devices that have certificates of it.
    if (removed && item.request.caller.role == CallerRole::kDevice) item.profile = kDeviceProfile;
    const Result<ActiveProfile>& active = profiles.at(item.profile);
    if (active.ok()) item.active = *active;
    const auto built = active.ok() ? build(item) : Result<void>{active.error()};
    if (!built.ok()) item.refusal = built.error();
  }
  return {};
}

// A shard that an issuer uses for the first time is made known before a certificate names it.
Result<void> DeviceEnrolment::widen_shards(db::Transaction& tx, Indices indices) const {
  if (context_.config.crl_shards == 1) return {};  // every issuer has one
  std::set<IssuerId> issuers;
  for (const std::size_t i : indices) {
    if (items_[i].alive()) issuers.insert(items_[i].active->issuer->identity.id);
  }
  for (const IssuerId& issuer : issuers) {
    MUSTER_TRY_VOID(registry::widen_crl_shards(tx, issuer, context_.config.crl_shards));
  }
  return {};
}

// Before it is looked at whether a device is there: what a claim does not cover, its holder learns nothing of.
Result<void> DeviceEnrolment::admit_claims(db::Transaction& tx, Indices indices) {
  std::vector<ClaimId> ids;
  for (const std::size_t i : indices) {
    if (items_[i].request.caller.claim) ids.push_back(*items_[i].request.caller.claim);
  }
  if (ids.empty()) return {};
  ClaimLedger ledger;
  MUSTER_TRY_VOID(ledger.load(tx, tenant_, ids));
  for (const std::size_t i : indices) {
    Item& item = items_[i];
    const Caller& caller = item.request.caller;
    if (caller.role != CallerRole::kClaim) continue;
    auto admitted = ledger.admit(
        caller, {item.request.device.text(), item.request.profile, caller.source_address, context_.clock.now()});
    if (admitted.ok()) {
      item.claim = std::move(*admitted);
    } else {
      item.refusal = admitted.error();
    }
  }
  return {};
}

Result<void> DeviceEnrolment::find_or_create_devices(db::Transaction& tx, Indices indices, const Questions& questions) {
  MUSTER_TRY(auto found, questions.devices.get());
  for (std::size_t n = 0; n < indices.size(); ++n) items_[indices[n]].device = std::move(found[n]);
  MUSTER_TRY_VOID(create_missing(tx, indices));
  for (const std::size_t i : indices) {
    Item& item = items_[i];
    if (!item.alive()) continue;
    if (!item.device) {
      item.refusal = item.claim ? refuse(ErrorCode::kPermissionDenied, reasons::kClaimDeviceUnknown)
                                : refuse(ErrorCode::kNotFound, registry::kDeviceNotFound);
    } else if (item.device->status != registry::DeviceStatus::kActive) {
      item.refusal = refuse(ErrorCode::kFailedPrecondition, reasons::kDeviceInactive);
    }
  }
  return {};
}

// Registers each name once, also where several requests of the group are for one device.
Result<void> DeviceEnrolment::create_missing(db::Transaction& tx, Indices indices) {
  std::map<std::string, std::vector<std::size_t>> wanted;
  for (const std::size_t i : indices) {
    const Item& item = items_[i];
    if (item.alive() && !item.device && item.may_create()) wanted[item.request.device.text()].push_back(i);
  }
  if (wanted.empty()) return {};
  std::vector<registry::NewDevice> devices;
  std::vector<registry::AuditEvent> events;
  for (const auto& [name, waiting] : wanted) {
    const Item& item = items_[waiting.front()];
    std::vector<std::string> groups;
    if (item.claim && !item.claim->terms.group.empty()) groups.push_back(item.claim->terms.group);
    const PreparedRequest& request = item.request;
    devices.push_back({request.device, {}, std::move(groups), PolicyId{}, request.caller.audit_name()});
  }
  MUSTER_TRY(const auto created, registry::create_devices(tx, tenant_, devices));
  std::size_t next = 0;
  for (const auto& [name, waiting] : wanted) {
    const Result<registry::Device>& device = created[next++];
    for (const std::size_t i : waiting) {
      if (device.ok()) {
        items_[i].device = *device;
        items_[i].made_device = true;
      } else {
        items_[i].refusal = device.error();
      }
    }
    if (!device.ok()) continue;
    events.push_back(audit_event(context_, items_[waiting.front()].request.caller, tenant_, "device.create"));
    events.back().target = "device:" + device->id.text();
    events.back().target_name = name;
  }
  return registry::append_audit_events(tx, events);
}

Result<void> DeviceEnrolment::authorise(db::Transaction& tx, Indices indices, const Questions& questions) {
  std::vector<std::size_t> chosen;
  for (const std::size_t i : indices) {
    if (items_[i].alive()) chosen.push_back(i);
  }
  if (chosen.empty()) return {};
  MUSTER_TRY_VOID(find_listed(tx, chosen));
  MUSTER_TRY_VOID(find_proved(chosen, questions));
  MUSTER_TRY(const auto counts, count_earlier(tx, chosen));
  std::set<DeviceId> in_this_group;
  for (std::size_t n = 0; n < chosen.size(); ++n) {
    Item& item = items_[chosen[n]];
    const bool another_before = !in_this_group.insert(item.device->id).second;
    const auto allowed = authorise_one(tx, item, counts[n] + (another_before ? 1 : 0));
    if (!allowed.ok()) item.refusal = allowed.error();
  }
  return {};
}

// One count for each, in order, where a rule depends on it: else 0. A device that this transaction registers has none.
Result<std::vector<std::size_t>> DeviceEnrolment::count_earlier(db::Transaction& tx, Indices chosen) {
  const auto counts_for = [&](const Item& item) {
    return !item.made_device && (item.claim || item.request.caller.role == CallerRole::kFactory);
  };
  std::vector<DeviceId> devices;
  for (const std::size_t i : chosen) {
    if (counts_for(items_[i])) devices.push_back(items_[i].device->id);
  }
  std::vector<std::size_t> counts(chosen.size());
  if (devices.empty()) return counts;
  MUSTER_TRY(const auto counted, registry::count_certificates(tx, tenant_, devices));
  auto next = counted.begin();
  for (std::size_t n = 0; n < chosen.size(); ++n) {
    if (counts_for(items_[chosen[n]])) counts[n] = *next++;
  }
  return counts;
}

// The certificates that devices prove themselves by.
Result<void> DeviceEnrolment::find_proved(Indices chosen, const Questions& questions) {
  MUSTER_TRY(const auto rows, questions.proofs.get());
  for (const std::size_t i : chosen) {
    const Caller& caller = items_[i].request.caller;
    if (caller.role != CallerRole::kDevice || !caller.device_certificate_id) continue;
    if (const auto row = rows.find(*caller.device_certificate_id); row != rows.end()) items_[i].proved = row->second;
  }
  return {};
}

// Asks once for the whole group which devices of others the factories' tokens name.
Result<void> DeviceEnrolment::find_listed(db::Transaction& tx, Indices chosen) {
  std::vector<registry::AllowListQuestion> questions;
  std::vector<std::size_t> asked;
  for (const std::size_t i : chosen) {
    const Caller& caller = items_[i].request.caller;
    const bool own = items_[i].device->created_by == caller.audit_name();
    if (caller.role != CallerRole::kFactory || own) continue;
    questions.push_back({*caller.token, items_[i].device->name});  // require_enroller: a factory has a token
    asked.push_back(i);
  }
  if (questions.empty()) return {};
  MUSTER_TRY(const auto listed, registry::are_on_allow_list(tx, tenant_, questions));
  for (std::size_t n = 0; n < asked.size(); ++n) items_[asked[n]].on_allow_list = listed[n];
  return {};
}

Result<void> DeviceEnrolment::authorise_one(db::Transaction& tx, Item& item, std::size_t earlier) {
  const Caller& caller = item.request.caller;
  const bool factory = caller.role == CallerRole::kFactory;
  if (factory && item.device->created_by != caller.audit_name() && !item.on_allow_list) {
    return refuse(ErrorCode::kPermissionDenied, reasons::kDeviceNotAllowed);
  }
  if (factory && earlier > 0) {
    return refuse(ErrorCode::kPermissionDenied, reasons::kFactoryFirstOnly);
  }
  if (caller.role == CallerRole::kDevice) MUSTER_TRY_VOID(authorise_renewal(tx, item));
  if (item.claim) {
    const auto objection = claim_objection(*item.claim, *item.device, earlier);
    if (!objection.empty()) return refuse(ErrorCode::kPermissionDenied, objection);
  }
  return {};
}

Result<void> DeviceEnrolment::authorise_renewal(db::Transaction& tx, Item& item) const {
  const Caller& caller = item.request.caller;
  const UtcTime now = context_.clock.now();
  std::string own(kDeviceProfile);
  if (caller.external_chain.empty()) {
    MUSTER_TRY_VOID(require_renewable_certificate(tx, caller, item.device->id, item.proved, now));
    own = item.proved->profile;
  } else {
    MUSTER_TRY_VOID(require_external_device(tx, caller, item.device->id, now));
  }
  // A device that names no profile stays in its own; any other would be a longer life for the asking.
  if (item.profile != kDeviceProfile && item.profile != own) {
    return refuse(ErrorCode::kPermissionDenied, reasons::kProfileForbidden);
  }
  item.profile = std::move(own);
  return {};
}

Result<void> DeviceEnrolment::build(Item& item) const {
  MUSTER_TRY(const TenantName tenant_name, TenantName::parse(tenant_name_));
  const Principal principal{tenant_name, item.request.device};
  ca::CertificateSubject subject;
  const std::string& name = item.request.device.text();
  if (name.size() <= kMaxCommonName) subject.common_name = name;
  subject.spki.assign(item.request.csr.spki().begin(), item.request.csr.spki().end());
  subject.key_algorithm = item.request.csr.key().algorithm();
  subject.names = {{kUriTag, device_uri(principal, context_.trust_domain)}};
  item.serial = ca::random_serial();
  item.crl_shard = ca::crl_shard_of(item.serial, context_.config.crl_shards);
  const ca::CertificateOrder order{item.active->profile, item.active->issuer->identity, subject,
                                   item.serial,          context_.clock.now(),          item.crl_shard};
  MUSTER_TRY(item.tbs, ca::build_tbs_certificate(order));
  const auto findings = ca::lint_certificate(item.tbs, order);
  if (findings.empty()) return {};
  return Error{ErrorCode::kInternal, findings.front().reason, findings.front().detail};
}

// Returns the places of those that are signed.
std::vector<std::size_t> DeviceEnrolment::sign_all(std::span<const Result<void>> reserved) {
  const CpuTurns::Turn turn{CpuTurns::of_process(), CpuTurns::Work::kSign};
  std::vector<std::size_t> signed_items;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    Item& item = items_[i];
    if (item.alive() && !reserved[i].ok()) item.refusal = translate(reserved[i].error());
    if (item.alive()) sign(item);
    if (item.alive()) signed_items.push_back(i);
  }
  return signed_items;
}

void DeviceEnrolment::sign(Item& item) const {
  const auto certificate = [&]() -> Result<x509::Certificate> {
    MUSTER_TRY(const Bytes signature,
               context_.signer->sign_certificate({tenant_, item.active->issuer->identity.id, item.tbs}));
    MUSTER_TRY(const Bytes der, ca::assemble_signed(item.tbs, signature));
    MUSTER_TRY_VOID(ca::check_signed(der, item.tbs));
    return x509::Certificate::parse_der(der);
  }();
  if (certificate.ok()) {
    item.certificate = *certificate;
  } else {
    item.refusal = certificate.error();
  }
}

}  // namespace muster::enroll
