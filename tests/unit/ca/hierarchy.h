// SPDX-License-Identifier: Apache-2.0
//
// Purpose: a whole device hierarchy in memory, made with ca/ alone: root → platform intermediate → issuing CA of
// tenant acme → devices.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "ca/certificate_linter.h"
#include "ca/signer.h"
#include "ca/tbs_certificate.h"
#include "core/time.h"
#include "x509/certificate.h"

namespace muster::ca {

inline constexpr std::string_view kTestNow = "2026-11-22T12:00:00Z";
inline constexpr std::string_view kTestPlainUrl = "http://crl.example.net";

struct TestCa {
  TenantId tenant;
  IssuerId id;
  IssuerIdentity identity;
  Bytes der;
};

// Every step that fails ends the test.
class Hierarchy {
 public:
  Hierarchy()
      : signer(KeyEncryptionKey::from_bytes(Bytes(32, 7)).value(), "test"),
        now(parse_rfc3339(kTestNow).value() - std::chrono::days{1}) {
    root = make_ca(CertificateKind::kDeviceRoot, x509::KeyKind::kP384, nullptr, {});
    intermediate = make_ca(CertificateKind::kPlatformIntermediate, x509::KeyKind::kP256, &root, {});
    issuing = make_ca(CertificateKind::kIssuingCa, x509::KeyKind::kP256, &intermediate, "acme.muster.internal");
    now += std::chrono::days{1};
  }

  TestCa make_ca(CertificateKind kind, x509::KeyKind key_kind, const TestCa* parent, const std::string& host) {
    TestCa made;
    made.id = IssuerId::random();
    CertificateSubject subject;
    subject.common_name = "CA " + made.id.text();
    subject.key_algorithm = x509::algorithm_of(key_kind);
    subject.permitted_uri_host = host;
    const auto key = signer.generate({made.tenant, made.id, subject_name(subject.common_name)}, key_kind).value();
    subject.spki = key.spki;
    const Profile profile = Profile::standard(kind);
    IssuerIdentity self{made.id,
                        subject_name(subject.common_name),
                        subject_key_id(key.spki),
                        now - profile.backdate(),
                        now + profile.validity() - std::chrono::seconds{1},
                        x509::algorithm_of(key_kind),
                        {}};
    const IssuerIdentity& by = parent == nullptr ? self : parent->identity;
    made.der = issue(profile, by, subject);
    made.identity =
        issuer_identity(x509::Certificate::parse_der(made.der).value(), made.id, std::string(kTestPlainUrl)).value();
    return made;
  }

  Bytes issue(const Profile& profile, const IssuerIdentity& by, const CertificateSubject& subject) {
    const Bytes serial = random_serial();
    const CertificateOrder order{profile, by, subject, serial, now};
    const Bytes tbs = build_tbs_certificate(order).value();
    for (const LintFinding& finding : lint_certificate(tbs, order)) {
      ADD_FAILURE() << finding.reason << " " << finding.detail;
    }
    const Bytes signature = signer.sign_certificate({TenantId{}, by.id, tbs}).value();
    Bytes der = assemble_signed(tbs, signature).value();
    EXPECT_TRUE(check_signed(der, tbs).ok());
    return der;
  }

  // A key pair of which only the public half is kept.
  Bytes fresh_spki() {
    return signer.generate({TenantId{}, IssuerId::random(), subject_name("unused")}, x509::KeyKind::kP256).value().spki;
  }

  CertificateSubject device_subject(const std::string& device, const std::string& tenant = "acme") {
    CertificateSubject subject;
    subject.common_name = device.size() <= 64 ? device : "";
    subject.spki = fresh_spki();
    subject.names = {{6, "spiffe://" + tenant + ".muster.internal/device/" + device}};
    return subject;
  }

  Bytes issue_device(const std::string& device) {
    return issue(Profile::standard(CertificateKind::kDevice), issuing.identity, device_subject(device));
  }

  Signer signer;
  UtcTime now;
  TestCa root, intermediate, issuing;
};

}  // namespace muster::ca
