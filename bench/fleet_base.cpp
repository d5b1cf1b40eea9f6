// SPDX-License-Identifier: Apache-2.0
#include "bench/fleet_base.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "x509/certificate.h"

namespace muster::bench {
namespace {

constexpr std::size_t kPoliciesOfTenant = 10;
constexpr std::size_t kGroups = 8;
constexpr std::size_t kSites = 4;
constexpr std::int64_t kFirstEnd = 2'000'000'000;          // notAfter of the first certificate
constexpr std::uint64_t kEndSpread = 2ULL * 365 * 86'400;  // certificates end within two years of it

enum class Domain : std::uint64_t { kTenant = 1, kIssuer, kPolicy, kDevice, kCertificate };

// Octets that look random and are the same in each run (SplitMix64).
void fill(Domain domain, std::uint64_t number, std::uint8_t* out, std::size_t size) {
  std::uint64_t state = static_cast<std::uint64_t>(domain) << 56 ^ number * 0x9e3779b97f4a7c15ULL;
  for (std::size_t i = 0; i < size; i += 8) {
    std::uint64_t z = (state += 0x9e3779b97f4a7c15ULL);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    z ^= z >> 31;
    for (std::size_t k = 0; k < 8; ++k) out[i + k] = static_cast<std::uint8_t>(z >> (8 * k));
  }
}

template <typename IdType>
IdType id_of(Domain domain, std::uint64_t number) {
  RawId id;
  fill(domain, number, id.octets.data(), id.octets.size());
  return IdType{id};
}

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  std::exit(1);
}

void add_extension(X509* certificate, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  if (extension == nullptr || X509_add_ext(certificate, extension, -1) == 0) fail("no extension");
  X509_EXTENSION_free(extension);
}

// A CA certificate on a fresh P-256 key, as tenants' issuing CAs have.
Bytes make_ca(std::size_t number) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  if (key == nullptr || certificate == nullptr) fail("no key");
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), static_cast<long>(number) + 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 86'400L * 365);
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  const std::string common_name = "Muster issuing CA of tenant " + std::to_string(number);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(common_name.c_str()), -1,
                             -1, 0);
  X509_set_issuer_name(certificate, name);
  add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
  add_extension(certificate, NID_subject_key_identifier, "hash");
  if (X509_sign(certificate, key, EVP_sha256()) == 0) fail("no certificate");
  std::uint8_t* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  if (size <= 0) fail("no certificate");
  Bytes bytes{der, der + size};
  OPENSSL_free(der);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return bytes;
}

}  // namespace

Fleet::Fleet(const FleetShape& shape) : shape_(shape) {
  for (std::size_t i = 0; i < shape.tenants(); ++i) {
    tenants_.push_back({id_of<TenantId>(Domain::kTenant, i), "tenant-" + std::to_string(i)});
    edge::IssuerState issuer{.id = id_of<IssuerId>(Domain::kIssuer, i), .tenant_id = tenants_[i].id, .certificate = {}};
    issuer.certificate = make_ca(i);
    const auto parsed = x509::Certificate::parse_der(issuer.certificate);
    if (!parsed.ok()) fail("an issuer's certificate cannot be read");
    issuer.spki_sha256 = parsed->spki_sha256();
    issuers_.push_back(std::move(issuer));
  }
}

edge::PolicyState Fleet::policy(std::size_t i) const {
  return {id_of<PolicyId>(Domain::kPolicy, i),
          tenants_[i / kPoliciesOfTenant % tenants_.size()].id,
          edge::EntityStatus::kActive,
          {{PolicyAction::kPublish, "${tenant}/${device}/telemetry/#"},
           {PolicyAction::kPublish, "${tenant}/${device}/lines/" + std::to_string(i) + "/#"},
           {PolicyAction::kSubscribe, "${tenant}/${device}/commands/#"}}};
}

edge::DeviceState Fleet::device(std::size_t i) const {
  const std::size_t tenant = i % tenants_.size();
  const std::size_t in_tenant = i / tenants_.size();
  const std::size_t group = in_tenant % kGroups;
  edge::DeviceState device{.id = id_of<DeviceId>(Domain::kDevice, i),
                           .tenant_id = tenants_[tenant].id,
                           .name = "pump-" + std::to_string(100'000 + in_tenant),
                           .policy_id = {},
                           .groups = {"line-" + std::to_string(group)},
                           .labels = {{"site", "plant-" + std::to_string(in_tenant / kGroups % kSites)}}};
  if (shape_.unique_labels) device.labels.emplace(device.labels.begin(), "serial", "SN-" + std::to_string(i * 7919));
  const std::size_t policy = tenant * kPoliciesOfTenant + group;
  if (policy < shape_.policies()) device.policy_id = id_of<PolicyId>(Domain::kPolicy, policy);
  return device;
}

edge::CertificateState Fleet::certificate(std::size_t device, std::uint64_t serial) const {
  edge::CertificateState certificate{.tenant_id = tenant_of(device).id,
                                     .device_id = id_of<DeviceId>(Domain::kDevice, device),
                                     .issuer_id = issuer_of(device).id};
  fill(Domain::kCertificate, serial, certificate.id.data(), certificate.id.size());
  certificate.not_after =
      UtcTime{std::chrono::seconds{kFirstEnd + static_cast<std::int64_t>(serial * 7919 % kEndSpread)}};
  return certificate;
}

edge::CertificateState Fleet::certificate(std::size_t i) const { return certificate(i, i); }
edge::CertificateState Fleet::second_certificate(std::size_t i) const { return certificate(i, shape_.devices + i); }

void Fleet::for_each(const std::function<void(const edge::IdentityChange&)>& visit) const {
  for (const auto& tenant : tenants_) visit(tenant);
  for (const auto& issuer : issuers_) visit(issuer);
  for (std::size_t i = 0; i < shape_.policies(); ++i) visit(policy(i));
  for (std::size_t i = 0; i < shape_.devices; ++i) visit(device(i));
  for (std::size_t i = 0; i < shape_.devices; ++i) visit(certificate(i));
  for (std::size_t i = 0; i < shape_.second_certificates(); ++i) visit(second_certificate(i));
  for (std::size_t i = 0; i < shape_.revoked(); ++i) {
    edge::CertificateState revoked = certificate(i, 2 * shape_.devices + i);
    revoked.status = edge::EntityStatus::kGone;
    visit(revoked);
  }
}

}  // namespace muster::bench
