// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "x509/oids.h"
#include "x509/path_checker.h"
#include "x509/path_oids.h"

namespace muster::x509 {

namespace {

constexpr std::uint8_t kDnsName = 2;

bool is_empty_name(BytesView name) { return name.size() == 2; }

// [RFC5280 4.2.1.6] "preferred name syntax", and the wildcard of RFC 6125
bool is_preferred_host(std::string_view name) {
  if (name.starts_with("*.")) name.remove_prefix(2);
  return is_host_name(name) && name.find('_') == std::string_view::npos;
}

// Collects sentences about one certificate.
class ProfileCheck {
 public:
  ProfileCheck(const Certificate& certificate, const PathExtensions& extensions)
      : certificate_(certificate), extensions_(extensions) {}

  std::vector<std::string> run(bool is_anchor) {
    check_criticality();
    check_names();
    check_key_ids(is_anchor);
    check_ca();
    return std::move(violations_);
  }

 private:
  void require(bool fulfilled, const char* what) {
    if (!fulfilled) violations_.emplace_back(what);
  }
  bool has(BytesView oid) const { return extensions_.has(oid); }
  bool is_critical(BytesView oid) const { return extensions_.is_critical(oid); }

  void check_criticality() {
    require(!is_critical(oid::kSubjectKeyId), "subjectKeyIdentifier is critical");        // 4.2.1.2
    require(!is_critical(oid::kAuthorityKeyId), "authorityKeyIdentifier is critical");    // 4.2.1.1
    require(!is_critical(oid::kAuthorityInfoAccess), "authorityInfoAccess is critical");  // 4.2.2.1
    require(!has(oid::kNameConstraints) || is_critical(oid::kNameConstraints), "nameConstraints is not critical");
    require(!has(oid::kPolicyConstraints) || is_critical(oid::kPolicyConstraints), "policyConstraints is not critical");
    require(!has(oid::kInhibitAnyPolicy) || is_critical(oid::kInhibitAnyPolicy), "inhibitAnyPolicy is not critical");
  }

  void check_names() {
    require(!is_empty_name(certificate_.issuer()), "issuer is empty");  // 4.1.2.4
    const bool named = !is_empty_name(certificate_.subject());
    require(named || is_critical(oid::kSubjectAltName), "subject is empty and subjectAltName is not critical");
    const auto malformed = [](const GeneralName& name) {
      return name.tag == kDnsName && !is_preferred_host(name.value);
    };
    require(std::ranges::none_of(certificate_.subject_alt_names(), malformed), "dNSName is not a host name");
  }

  void check_key_ids(bool is_anchor) {
    // [RFC5280 4.2.1.1] may be omitted where "a CA distributes its public key in the form of a self-signed certificate"
    const bool exempt = is_anchor && certificate_.is_self_issued();
    require(exempt || !certificate_.authority_key_id().empty(), "authorityKeyIdentifier has no keyIdentifier");
    require(!certificate_.is_ca() || !certificate_.subject_key_id().empty(), "subjectKeyIdentifier is absent");
  }

  void check_ca() {
    const bool signs = certificate_.allows(KeyUsageBit::kKeyCertSign);
    if (!certificate_.is_ca()) {
      require(!has(oid::kNameConstraints), "nameConstraints in an end entity");  // 4.2.1.10
      require(!signs, "keyCertSign without cA");                                 // 4.2.1.9
      return;
    }
    require(is_critical(oid::kBasicConstraints), "basicConstraints is not critical");  // 4.2.1.9
    require(!is_empty_name(certificate_.subject()), "subject of a CA is empty");       // 4.1.2.6
    require(!certificate_.path_length() || signs || !certificate_.has_key_usage(), "pathLenConstraint, no keyCertSign");
  }

  const Certificate& certificate_;
  const PathExtensions& extensions_;
  std::vector<std::string> violations_;
};

}  // namespace

std::vector<std::string> profile_violations(const Certificate& certificate, const PathExtensions& extensions,
                                            bool is_anchor) {
  return ProfileCheck{certificate, extensions}.run(is_anchor);
}

}  // namespace muster::x509
