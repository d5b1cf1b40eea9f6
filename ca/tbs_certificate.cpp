// SPDX-License-Identifier: Apache-2.0
#include "ca/tbs_certificate.h"

#include <algorithm>

#include "ca/der_writer.h"
#include "ca/reasons.h"
#include "ca/signature_algorithm.h"
#include "core/random.h"
#include "x509/der_reader.h"
#include "x509/oids.h"
#include "x509/sha256.h"

namespace muster::ca {

namespace oid = x509::oid;
namespace tag = x509::tag;

namespace {

constexpr std::size_t kMaxCommonName = 64;  // ub-common-name, RFC 5280 appendix A.1
constexpr std::size_t kKeyIdSize = 20;
constexpr std::size_t kSerialSize = 20;
constexpr std::uint8_t kDnsTag = 2;
constexpr std::uint8_t kUriTag = 6;
constexpr std::uint8_t kIpTag = 7;

constexpr std::uint16_t bit(x509::KeyUsageBit usage) {
  return static_cast<std::uint16_t>(1u << static_cast<unsigned>(usage));
}

std::uint16_t key_usage_of(CertificateKind kind) {
  if (!is_ca_kind(kind)) return bit(x509::KeyUsageBit::kDigitalSignature);
  return bit(x509::KeyUsageBit::kKeyCertSign) | bit(x509::KeyUsageBit::kCrlSign);
}

// Empty: no extension.
BytesView extended_key_usage_of(CertificateKind kind) {
  switch (kind) {
    case CertificateKind::kDeviceRoot:
    case CertificateKind::kInfrastructureRoot:
    case CertificateKind::kPlatformIntermediate: return {};
    case CertificateKind::kIssuingCa:
    case CertificateKind::kPlantCa:
    case CertificateKind::kDevice:
    case CertificateKind::kEdge: return oid::kClientAuth;
    case CertificateKind::kServer:
    case CertificateKind::kBroker: return oid::kServerAuth;
    case CertificateKind::kOcspResponder: return oid::kOcspSigning;
  }
  return {};
}

std::optional<std::uint32_t> path_length_of(CertificateKind kind) {
  if (kind == CertificateKind::kPlatformIntermediate) return 2;
  if (kind == CertificateKind::kIssuingCa) return 1;
  if (kind == CertificateKind::kPlantCa) return 0;
  return std::nullopt;
}

bool is_plain_ascii(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7F; });
}

bool is_issuable(const x509::GeneralName& name) {
  if (name.tag == kDnsTag || name.tag == kUriTag) return name.value.size() <= 512 && is_plain_ascii(name.value);
  return name.tag == kIpTag && (name.value.size() == 4 || name.value.size() == 16);
}

// TbsBuilder writes one TBSCertificate. Confined to one call of build_tbs_certificate.
class TbsBuilder {
 public:
  explicit TbsBuilder(const CertificateOrder& order) : order_(order) {}

  Bytes build(UtcTime not_before, UtcTime not_after) {
    writer_.constructed(tag::kSequence, [&] {
      writer_.constructed(tag::context_constructed(0), [&] { writer_.small_integer(2); });
      writer_.unsigned_integer(order_.serial);
      writer_.raw(signature_algorithm(order_.issuer.algorithm));
      writer_.raw(order_.issuer.name);
      writer_.constructed(tag::kSequence, [&] {
        writer_.time(not_before);
        writer_.time(not_after);
      });
      writer_.raw(subject_name(order_.subject.common_name));
      writer_.raw(order_.subject.spki);
      writer_.constructed(tag::context_constructed(3),
                          [&] { writer_.constructed(tag::kSequence, [&] { extensions(); }); });
    });
    return writer_.take();
  }

 private:
  enum class Critical : std::uint8_t { kNo, kYes };

  template <typename Write>
  void extension(BytesView oid, Critical critical, Write&& write) {
    writer_.constructed(tag::kSequence, [&] {
      writer_.oid(oid);
      if (critical == Critical::kYes) writer_.boolean_true();
      writer_.constructed(tag::kOctetString, std::forward<Write>(write));
    });
  }

  void extensions() {
    const CertificateKind kind = order_.profile.kind();
    extension(oid::kBasicConstraints, Critical::kYes, [&] { basic_constraints(kind); });
    extension(oid::kKeyUsage, Critical::kYes, [&] { writer_.named_bits(key_usage_of(kind)); });
    if (const BytesView usage = extended_key_usage_of(kind); !usage.empty()) {
      extension(oid::kExtendedKeyUsage, Critical::kNo,
                [&] { writer_.constructed(tag::kSequence, [&] { writer_.oid(usage); }); });
    }
    if (!order_.subject.permitted_uri_host.empty()) {
      extension(oid::kNameConstraints, Critical::kYes, [&] { name_constraints(); });
    }
    extension(oid::kSubjectKeyId, Critical::kNo,
              [&] { writer_.primitive(tag::kOctetString, subject_key_id(order_.subject.spki)); });
    extension(oid::kAuthorityKeyId, Critical::kNo, [&] {
      writer_.constructed(tag::kSequence, [&] { writer_.primitive(tag::context(0), order_.issuer.subject_key_id); });
    });
    if (!order_.subject.names.empty()) {
      // [RFC5280 4.2.1.6] critical where the subject is empty
      const auto critical = order_.subject.common_name.empty() ? Critical::kYes : Critical::kNo;
      extension(oid::kSubjectAltName, critical, [&] { alt_names(); });
    }
    pointers();
    if (kind == CertificateKind::kOcspResponder) {  // [RFC6960 4.2.2.2.1] its contents are NULL
      extension(oid::kOcspNoCheck, Critical::kNo, [&] { writer_.primitive(tag::kNull, {}); });
    }
  }

  void pointers() {
    const Profile& profile = order_.profile;
    if (profile.crl_pointer() && !order_.issuer.plain_url.empty()) {
      extension(oid::kCrlDistributionPoints, Critical::kNo, [&] { distribution_points(); });
    }
    if (profile.ocsp_pointer() && !order_.issuer.plain_url.empty()) {
      extension(oid::kAuthorityInfoAccess, Critical::kNo, [&] { information_access(); });
    }
    if (profile.short_lived()) {  // [RFC9608 2] contents NULL, not critical
      extension(oid::kNoRevAvail, Critical::kNo, [&] { writer_.primitive(tag::kNull, {}); });
    }
  }

  void basic_constraints(CertificateKind kind) {
    writer_.constructed(tag::kSequence, [&] {
      if (!is_ca_kind(kind)) return;  // cA DEFAULT FALSE is left out in DER
      writer_.boolean_true();
      if (const auto length = path_length_of(kind)) writer_.small_integer(*length);
    });
  }

  void name_constraints() {
    writer_.constructed(tag::kSequence, [&] {
      writer_.constructed(tag::context_constructed(0), [&] {
        writer_.constructed(tag::kSequence,
                            [&] { writer_.text(tag::context(kUriTag), order_.subject.permitted_uri_host); });
      });
    });
  }

  void alt_names() {
    writer_.constructed(tag::kSequence, [&] {
      for (const x509::GeneralName& name : order_.subject.names) writer_.text(tag::context(name.tag), name.value);
    });
  }

  void distribution_points() {
    writer_.constructed(tag::kSequence, [&] {
      writer_.constructed(tag::kSequence, [&] {
        writer_.constructed(tag::context_constructed(0), [&] {
          writer_.constructed(tag::context_constructed(0),
                              [&] { writer_.text(tag::context(kUriTag), crl_uri(order_.issuer, order_.crl_shard)); });
        });
      });
    });
  }

  void information_access() {
    writer_.constructed(tag::kSequence, [&] {
      writer_.constructed(tag::kSequence, [&] {
        writer_.oid(oid::kOcsp);
        writer_.text(tag::context(kUriTag), ocsp_uri(order_.issuer));
      });
    });
  }

  const CertificateOrder& order_;
  DerWriter writer_;
};

Error refuse(std::string_view reason) { return Error{ErrorCode::kInvalidArgument, reason, {}}; }

}  // namespace

std::string crl_uri(const IssuerIdentity& issuer, std::uint32_t shard) {
  if (issuer.plain_url.empty()) return {};
  return issuer.plain_url + "/crl/" + issuer.id.text() + "/" + std::to_string(shard) + ".crl";
}

std::string ocsp_uri(const IssuerIdentity& issuer) {
  return issuer.plain_url.empty() ? std::string() : issuer.plain_url + "/ocsp";
}

Result<IssuerIdentity> issuer_identity(const x509::Certificate& certificate, const IssuerId& id,
                                       const std::string& plain_url) {
  if (!certificate.is_ca() || certificate.subject_key_id().empty()) return refuse(reasons::kProfileInvalid);
  MUSTER_TRY(const x509::PublicKey key, x509::PublicKey::parse(certificate.spki()));
  IssuerIdentity identity;
  identity.id = id;
  identity.name.assign(certificate.subject().begin(), certificate.subject().end());
  identity.subject_key_id.assign(certificate.subject_key_id().begin(), certificate.subject_key_id().end());
  identity.not_before = certificate.not_before();
  identity.not_after = certificate.not_after();
  identity.algorithm = key.algorithm();
  identity.plain_url = plain_url;
  return identity;
}

Bytes subject_name(const std::string& common_name) {
  DerWriter writer;
  writer.constructed(tag::kSequence, [&] {
    if (common_name.empty()) return;
    writer.constructed(tag::kSet, [&] {
      writer.constructed(tag::kSequence, [&] {
        writer.oid(oid::kCommonName);
        writer.text(tag::kUtf8String, common_name);
      });
    });
  });
  return writer.take();
}

Bytes subject_key_id(BytesView spki) {
  x509::DerReaderView outer{spki};
  auto body = outer.enter(tag::kSequence);
  if (!body || !body->read(tag::kSequence)) return {};
  const auto key = body->read_octet_bits();
  if (!key) return {};
  const Sha256 digest = x509::sha256(*key);
  return Bytes(digest.begin(), digest.begin() + kKeyIdSize);
}

Bytes random_serial() {
  Bytes serial = random_bytes(kSerialSize);
  serial[0] = static_cast<std::uint8_t>((serial[0] & 0x3F) | 0x40);
  return serial;
}

std::uint32_t crl_shard_of(BytesView serial, std::uint32_t shards) {
  std::uint32_t low = 0;
  for (const std::uint8_t octet : serial.last(std::min<std::size_t>(4, serial.size()))) low = low << 8 | octet;
  return low % std::max(shards, 1u);
}

Result<Bytes> build_tbs_certificate(const CertificateOrder& order) {
  if (!order.profile.allows(order.subject.key_algorithm)) return refuse(reasons::kProfileKeyNotAllowed);
  if (order.subject.common_name.size() > kMaxCommonName) return refuse(reasons::kProfileNameInvalid);
  if (!std::ranges::all_of(order.subject.names, is_issuable)) return refuse(reasons::kProfileNameInvalid);
  if (order.now < order.issuer.not_before || order.now >= order.issuer.not_after) {
    return Error{ErrorCode::kFailedPrecondition, reasons::kProfileIssuerExpired, {}};
  }
  const UtcTime not_before = std::max(order.now - order.profile.backdate(), order.issuer.not_before);
  // [RFC5280 4.1.2.5] the last second counts
  const UtcTime wanted = order.now + order.profile.validity() - std::chrono::seconds{1};
  return TbsBuilder{order}.build(not_before, std::min(wanted, order.issuer.not_after));
}

}  // namespace muster::ca
