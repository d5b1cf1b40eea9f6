// SPDX-License-Identifier: Apache-2.0
#include "ca/certificate_linter.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <optional>

#include "ca/issued_time.h"
#include "ca/reasons.h"
#include "core/encoding.h"
#include "x509/certificate.h"
#include "x509/der_reader.h"
#include "x509/oids.h"

namespace muster::ca {

namespace oid = x509::oid;
namespace tag = x509::tag;
using x509::KeyUsageBit;

namespace {

struct SeenExtension {
  BytesView oid;
  BytesView value;
  bool critical = false;
};

struct ExpectedExtension {
  BytesView oid;
  bool critical = false;
};

// What each kind must look like, written down a second time.
struct Shape {
  bool is_ca = false;
  int path_length = -1;  // -1: none
  int usage = 0;         // 0 none, 1 clientAuth, 2 serverAuth, 3 OCSPSigning
  bool constrained = false;
  bool named = false;  // has subject alternative names
};

Shape shape_of(CertificateKind kind) {
  switch (kind) {
    case CertificateKind::kDeviceRoot:
    case CertificateKind::kInfrastructureRoot: return {true, -1, 0, false, false};
    case CertificateKind::kPlatformIntermediate: return {true, 2, 0, false, false};
    case CertificateKind::kIssuingCa: return {true, 1, 1, true, false};
    case CertificateKind::kPlantCa: return {true, 0, 1, true, false};
    case CertificateKind::kDevice: return {false, -1, 1, false, true};
    case CertificateKind::kServer:
    case CertificateKind::kBroker: return {false, -1, 2, false, true};
    case CertificateKind::kEdge: return {false, -1, 1, false, true};
    case CertificateKind::kOcspResponder: return {false, -1, 3, false, false};
  }
  return {};
}

// The parser reads whole certificates; a TBS becomes one with its own algorithm and an empty signature.
Bytes with_placeholder_signature(BytesView tbs, BytesView algorithm) {
  constexpr std::array<std::uint8_t, 3> kEmptyBits{0x03, 0x01, 0x00};
  const std::size_t length = tbs.size() + algorithm.size() + kEmptyBits.size();
  Bytes out{0x30, 0x83, static_cast<std::uint8_t>(length >> 16), static_cast<std::uint8_t>(length >> 8),
            static_cast<std::uint8_t>(length)};
  if (length < 0x10000) out = {0x30, 0x82, static_cast<std::uint8_t>(length >> 8), static_cast<std::uint8_t>(length)};
  out.insert(out.end(), tbs.begin(), tbs.end());
  out.insert(out.end(), algorithm.begin(), algorithm.end());
  out.insert(out.end(), kEmptyBits.begin(), kEmptyBits.end());
  return out;
}

// Read off the AlgorithmIdentifier: the key itself was loaded and checked with the request, and these octets are the
// same.
std::optional<x509::KeyAlgorithm> key_kind(BytesView spki) {
  x509::DerReaderView outer{spki};
  auto body = outer.enter(tag::kSequence);
  auto algorithm = body ? body->enter(tag::kSequence) : std::nullopt;
  const auto named = algorithm ? algorithm->read(tag::kOid) : std::nullopt;
  if (!named) return std::nullopt;
  if (std::ranges::equal(named->contents, oid::kRsaEncryption)) return x509::KeyAlgorithm::kRsa;
  if (std::ranges::equal(named->contents, oid::kEd25519)) return x509::KeyAlgorithm::kEd25519;
  if (std::ranges::equal(named->contents, oid::kMlDsa44)) return x509::KeyAlgorithm::kMlDsa44;
  if (std::ranges::equal(named->contents, oid::kMlDsa65)) return x509::KeyAlgorithm::kMlDsa65;
  if (std::ranges::equal(named->contents, oid::kMlDsa87)) return x509::KeyAlgorithm::kMlDsa87;
  if (!std::ranges::equal(named->contents, oid::kEcPublicKey)) return std::nullopt;
  const auto curve = algorithm->read(tag::kOid);
  if (curve && std::ranges::equal(curve->contents, oid::kP256)) return x509::KeyAlgorithm::kP256;
  if (curve && std::ranges::equal(curve->contents, oid::kP384)) return x509::KeyAlgorithm::kP384;
  return std::nullopt;
}

// With which algorithm an issuer's key signs, by the linter's own table.
BytesView signature_oid(x509::KeyAlgorithm issuer) {
  switch (issuer) {
    case x509::KeyAlgorithm::kP256: return oid::kEcdsaSha256;
    case x509::KeyAlgorithm::kP384: return oid::kEcdsaSha384;
    case x509::KeyAlgorithm::kEd25519: return oid::kEd25519;
    case x509::KeyAlgorithm::kRsa: return oid::kRsaSha256;
    case x509::KeyAlgorithm::kMlDsa44: return oid::kMlDsa44;
    case x509::KeyAlgorithm::kMlDsa65: return oid::kMlDsa65;
    case x509::KeyAlgorithm::kMlDsa87: return oid::kMlDsa87;
  }
  return {};
}

class Linter {
 public:
  Linter(BytesView tbs, const CertificateOrder& order)
      : tbs_(tbs), order_(order), shape_(shape_of(order.profile.kind())) {}

  std::vector<LintFinding> run() {
    if (!read_outline()) return find(reasons::kLintMalformed, "outline"), std::move(findings_);
    const auto parsed = x509::Certificate::parse_der(with_placeholder_signature(tbs_, algorithm_));
    if (!parsed.ok()) {
      find(reasons::kLintMalformed, std::string(parsed.error().reason));
      return std::move(findings_);
    }
    check_fields(*parsed);
    check_subject();
    check_validity(*parsed);
    check_constraints(*parsed);
    check_usages(*parsed);
    check_names(*parsed);
    check_key_ids(*parsed);
    check_extension_list();
    check_distribution_point();
    check_information_access();
    check_nulls();
    return std::move(findings_);
  }

 private:
  void find(std::string_view reason, std::string detail) { findings_.push_back({reason, std::move(detail)}); }
  void require(bool holds, std::string_view reason, const char* detail) {
    if (!holds) find(reason, detail);
  }

  bool read_outline() {
    x509::DerReaderView outer{tbs_};
    auto body = outer.enter(tag::kSequence);
    if (!body || !outer.at_end() || !body->read(tag::context_constructed(0))) return false;
    const auto serial = body->read_integer();
    const auto algorithm = body->read(tag::kSequence);
    if (!serial || !algorithm || !body->read(tag::kSequence)) return false;
    auto validity = body->enter(tag::kSequence);
    if (!validity) return false;
    times_as_issued_ = read_issued_time(*validity) && read_issued_time(*validity) && validity->at_end();
    serial_ = *serial;
    algorithm_ = algorithm->whole;
    const auto subject = body->read(tag::kSequence);
    if (!subject || !body->read(tag::kSequence)) return false;
    subject_ = subject->contents;
    auto wrapper = body->enter(tag::context_constructed(3));
    if (!wrapper || !body->at_end()) return false;
    auto list = wrapper->enter(tag::kSequence);
    return list && wrapper->at_end() && read_extensions(*list);
  }

  bool read_extensions(x509::DerReaderView list) {
    while (!list.at_end()) {
      auto body = list.enter(tag::kSequence);
      if (!body) return false;
      SeenExtension seen;
      const auto oid = body->read(tag::kOid);
      if (!oid) return false;
      seen.oid = oid->contents;
      if (const auto critical = body->read_boolean()) {
        if (!*critical) return false;  // DEFAULT FALSE is not encoded in DER
        seen.critical = true;
      }
      const auto value = body->read(tag::kOctetString);
      if (!value || !body->at_end()) return false;
      seen.value = value->contents;
      extensions_.push_back(seen);
    }
    return true;
  }

  void check_fields(const x509::Certificate& seen) {
    // 128 random bits need 17 octets with a clear sign; ours are always 20.
    require(serial_.size() == 20 && std::ranges::equal(serial_, order_.serial) && (serial_[0] & 0xC0) == 0x40,
            reasons::kLintSerial, "not the reserved one of 20 octets");
    x509::DerReaderView outer{algorithm_};
    auto body = outer.enter(tag::kSequence);
    const auto named = body ? body->read(tag::kOid) : std::nullopt;
    const bool is_rsa = order_.issuer.algorithm == x509::KeyAlgorithm::kRsa;
    const auto null = is_rsa && named ? body->read(tag::kNull) : std::nullopt;  // [RFC4055 5] MUST be there
    require(named && body->at_end() && null.has_value() == is_rsa &&
                std::ranges::equal(named->contents, signature_oid(order_.issuer.algorithm)),
            reasons::kLintAlgorithm, "does not fit the issuer's key");
    require(std::ranges::equal(seen.issuer(), order_.issuer.name), reasons::kLintIssuer, "another name");
    require(std::ranges::equal(seen.spki(), order_.subject.spki), reasons::kLintKey, "another key");
    const auto kind = key_kind(seen.spki());
    require(kind == order_.subject.key_algorithm, reasons::kLintKey, "another kind");
    require(kind && order_.profile.allows(*kind), reasons::kLintKey, "not allowed by the profile");
  }

  // Empty, or one RDN of one UTF8String commonName.
  void check_subject() {
    const std::string& expected = order_.subject.common_name;
    if (expected.empty()) return require(subject_.empty() && !shape_.is_ca, reasons::kLintSubject, "should be empty");
    x509::DerReaderView rdns{subject_};
    auto rdn = rdns.enter(tag::kSet);
    auto pair = rdn ? rdn->enter(tag::kSequence) : std::nullopt;
    const auto type = pair ? pair->read(tag::kOid) : std::nullopt;
    const auto value = pair ? pair->read(tag::kUtf8String) : std::nullopt;
    const bool one = type && value && pair->at_end() && rdn->at_end() && rdns.at_end();
    require(one && std::ranges::equal(type->contents, oid::kCommonName) && as_text(value->contents) == expected &&
                expected.size() <= 64,
            reasons::kLintSubject, "not the one commonName");
  }

  void check_validity(const x509::Certificate& seen) {
    require(times_as_issued_, reasons::kLintValidity, "UTCTime through 2049, GeneralizedTime from 2050");
    const auto duration = seen.not_after() - seen.not_before() + std::chrono::seconds{1};  // both ends count
    require(duration <= order_.profile.validity() + order_.profile.backdate(), reasons::kLintValidity,
            "longer than the profile's");
    require(seen.not_before() <= order_.now && order_.now <= seen.not_after(), reasons::kLintValidity, "not now");
    require(seen.not_before() >= order_.now - order_.profile.backdate(), reasons::kLintValidity, "backdated too far");
    require(seen.not_before() >= order_.issuer.not_before && seen.not_after() <= order_.issuer.not_after,
            reasons::kLintValidity, "beyond the issuer's");
  }

  void check_constraints(const x509::Certificate& seen) {
    require(seen.is_ca() == shape_.is_ca, reasons::kLintBasicConstraints, "cA");
    const int length = seen.path_length() ? static_cast<int>(*seen.path_length()) : -1;
    require(length == shape_.path_length, reasons::kLintBasicConstraints, "pathLenConstraint");
    const auto& constraints = seen.name_constraints();
    if (!shape_.constrained) {
      return require(!constraints, reasons::kLintNameConstraints, "none expected");
    }
    const std::string& host = order_.subject.permitted_uri_host;
    require(constraints && constraints->critical && constraints->excluded.empty() &&
                constraints->permitted == std::vector<x509::GeneralName>{{6, host}} && !host.empty() &&
                host.front() != '.',
            reasons::kLintNameConstraints, "not exactly the tenant's host");
  }

  void check_usages(const x509::Certificate& seen) {
    for (unsigned bit = 0; bit <= 8; ++bit) {
      const auto usage = static_cast<KeyUsageBit>(bit);
      const bool expected = shape_.is_ca ? usage == KeyUsageBit::kKeyCertSign || usage == KeyUsageBit::kCrlSign
                                         : usage == KeyUsageBit::kDigitalSignature;
      require(seen.allows(usage) == expected, reasons::kLintKeyUsage, "another bit");
    }
    BytesView expected;
    if (shape_.usage == 1) expected = oid::kClientAuth;
    if (shape_.usage == 2) expected = oid::kServerAuth;
    if (shape_.usage == 3) expected = oid::kOcspSigning;
    const SeenExtension* found = extension(oid::kExtendedKeyUsage);
    if (expected.empty()) return require(found == nullptr, reasons::kLintExtendedKeyUsage, "none expected");
    if (found == nullptr) return find(reasons::kLintExtendedKeyUsage, "missing");
    x509::DerReaderView outer{found->value};
    auto list = outer.enter(tag::kSequence);
    const auto only = list ? list->read(tag::kOid) : std::nullopt;
    require(only && list->at_end() && std::ranges::equal(only->contents, expected), reasons::kLintExtendedKeyUsage,
            "not exactly the kind's");
  }

  void check_names(const x509::Certificate& seen) {
    require(seen.subject_alt_names() == order_.subject.names, reasons::kLintSubjectAltName, "other names");
    require(seen.subject_alt_names().empty() != shape_.named, reasons::kLintSubjectAltName, "present or absent");
    const CertificateKind kind = order_.profile.kind();
    if (kind == CertificateKind::kDevice || kind == CertificateKind::kEdge) {
      const auto uri = seen.only_uri_san();
      require(uri && uri->starts_with("spiffe://"), reasons::kLintSubjectAltName, "not exactly one spiffe URI");
    }
  }

  void check_key_ids(const x509::Certificate& seen) {
    require(std::ranges::equal(seen.authority_key_id(), order_.issuer.subject_key_id), reasons::kLintKeyIdentifier,
            "authority");
    x509::DerReaderView outer{seen.spki()};
    auto body = outer.enter(tag::kSequence);
    if (!body || !body->read(tag::kSequence)) return find(reasons::kLintKeyIdentifier, "subject");
    const auto key = body->read_octet_bits();
    if (!key) return find(reasons::kLintKeyIdentifier, "subject");
    std::array<std::uint8_t, SHA256_DIGEST_LENGTH> digest{};
    SHA256(key->data(), key->size(), digest.data());
    require(std::ranges::equal(seen.subject_key_id(), BytesView{digest}.first(20)), reasons::kLintKeyIdentifier,
            "subject");
  }

  void check_extension_list() {
    std::vector<ExpectedExtension> expected{
        {oid::kBasicConstraints, true}, {oid::kKeyUsage, true}, {oid::kSubjectKeyId}, {oid::kAuthorityKeyId}};
    if (shape_.usage != 0) expected.push_back({oid::kExtendedKeyUsage});
    if (shape_.constrained) expected.push_back({oid::kNameConstraints, true});
    if (shape_.named) expected.push_back({oid::kSubjectAltName, subject_.empty()});
    add_expected_pointers(expected);
    require(extensions_.size() == expected.size(), reasons::kLintExtensions, "another number");
    for (const ExpectedExtension& wanted : expected) {
      const SeenExtension* found = extension(wanted.oid);
      if (found == nullptr || found->critical != wanted.critical) {
        find(reasons::kLintExtensions, x509::oid_text(wanted.oid));
      }
    }
  }

  void add_expected_pointers(std::vector<ExpectedExtension>& expected) const {
    const ProfileConfig& profile = order_.profile.config();
    const bool responder = profile.kind == CertificateKind::kOcspResponder;
    if (responder) expected.push_back({oid::kOcspNoCheck});
    // [RFC9608 4] one or the other; a CA's certificate never says noRevAvail
    if (profile.short_lived && !shape_.is_ca) expected.push_back({oid::kNoRevAvail});
    if (profile.short_lived || responder || order_.issuer.plain_url.empty()) return;
    if (profile.crl_pointer) expected.push_back({oid::kCrlDistributionPoints});
    if (profile.ocsp_pointer) expected.push_back({oid::kAuthorityInfoAccess});
  }

  void check_distribution_point() {
    const SeenExtension* found = extension(oid::kCrlDistributionPoints);
    if (found == nullptr) return;  // whether it should be there is check_extension_list's question
    // One DistributionPoint { distributionPoint [0] { fullName [0] { uniformResourceIdentifier [6] } } }
    std::optional<x509::DerReaderView> level{x509::DerReaderView{found->value}};
    for (const std::uint8_t step :
         {tag::kSequence, tag::kSequence, tag::context_constructed(0), tag::context_constructed(0)}) {
      auto inner = level->enter(step);
      if (!inner || !level->at_end()) return find(reasons::kLintDistributionPoint, "shape");
      level = inner;
    }
    const auto uri = level->read(tag::context(6));
    const std::string file = "/" + std::to_string(order_.crl_shard) + ".crl";
    require(uri && level->at_end() &&
                as_text(uri->contents) == order_.issuer.plain_url + "/crl/" + order_.issuer.id.text() + file,
            reasons::kLintDistributionPoint, "another URI");
  }

  // One AccessDescription { id-ad-ocsp, uniformResourceIdentifier [6] }
  void check_information_access() {
    const SeenExtension* found = extension(oid::kAuthorityInfoAccess);
    if (found == nullptr) return;
    x509::DerReaderView outer{found->value};
    auto list = outer.enter(tag::kSequence);
    auto only = list ? list->enter(tag::kSequence) : std::nullopt;
    const auto method = only ? only->read(tag::kOid) : std::nullopt;
    const auto uri = method ? only->read(tag::context(6)) : std::nullopt;
    const bool whole = uri && only->at_end() && list->at_end() && outer.at_end();
    require(whole && std::ranges::equal(method->contents, oid::kOcsp) &&
                as_text(uri->contents) == order_.issuer.plain_url + "/ocsp",
            reasons::kLintInformationAccess, "not exactly one OCSP responder, ours");
  }

  // Extensions whose whole content is NULL.
  void check_nulls() {
    constexpr std::array<std::uint8_t, 2> kNull{0x05, 0x00};
    for (const BytesView oid : {BytesView{oid::kNoRevAvail}, BytesView{oid::kOcspNoCheck}}) {
      const SeenExtension* found = extension(oid);
      require(found == nullptr || std::ranges::equal(found->value, kNull), reasons::kLintExtensions, "not NULL");
    }
  }

  const SeenExtension* extension(BytesView oid) const {
    const auto found =
        std::ranges::find_if(extensions_, [&](const SeenExtension& e) { return std::ranges::equal(e.oid, oid); });
    return found == extensions_.end() ? nullptr : &*found;
  }

  BytesView tbs_;
  const CertificateOrder& order_;
  Shape shape_;
  BytesView serial_, algorithm_, subject_;
  bool times_as_issued_ = false;
  std::vector<SeenExtension> extensions_;
  std::vector<LintFinding> findings_;
};

}  // namespace

std::vector<LintFinding> lint_certificate(BytesView tbs, const CertificateOrder& order) {
  return Linter{tbs, order}.run();
}

Result<void> check_signed(BytesView certificate, BytesView linted_tbs) {
  x509::DerReaderView outer{certificate};
  auto body = outer.enter(tag::kSequence);
  const auto tbs = body ? body->read(tag::kSequence) : std::nullopt;
  if (!tbs || !outer.at_end() || !std::ranges::equal(tbs->whole, linted_tbs)) {
    return Error{ErrorCode::kInternal, reasons::kLintSignedDiffers, {}};
  }
  return {};
}

}  // namespace muster::ca
