// SPDX-License-Identifier: Apache-2.0
//
// The linter of OCSP answers passes what we write and names each thing that differs from the order.
#include "ca/ocsp_linter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "ca/reasons.h"
#include "unit/ca/hierarchy.h"

namespace muster::ca {
namespace {

class OcspLint : public ::testing::Test {
 protected:
  OcspLint() {
    CertificateSubject subject;
    subject.common_name = "responder";
    subject.spki = key.spki();
    responder = h.issue(Profile::standard(CertificateKind::kOcspResponder), h.issuing.identity, subject);
    answers = {{cert_id, OcspCertStatus::kGood, {}, 0},
               {other_id, OcspCertStatus::kRevoked, h.now, 1},
               {third_id, OcspCertStatus::kUnknown, {}, 0}};
  }
  OcspAnswerOrder order() const { return {answers, BytesView{nonce}, h.now, h.now, h.now + std::chrono::hours{1}}; }
  std::string first_reason(const Bytes& response, const OcspAnswerOrder& ordered) const {
    const auto findings = lint_ocsp_response(response, ordered, responder);
    return findings.empty() ? "" : std::string(findings.front().reason);
  }
  // What the linter says of our answer to `order()` when it was asked for something else.
  std::string against(const std::function<void(OcspAnswerOrder&, std::vector<OcspSingleAnswer>&)>& change) const {
    const Bytes response = sign_ocsp_response(order(), key, responder).value();
    std::vector<OcspSingleAnswer> wanted = answers;
    OcspAnswerOrder ordered = order();
    change(ordered, wanted);
    ordered.answers = wanted;
    return first_reason(response, ordered);
  }

  Hierarchy h;
  ResponderKey key = ResponderKey::generate().value();
  Bytes responder;
  const Bytes cert_id{0x30, 0x03, 0x02, 0x01, 0x01};
  const Bytes other_id{0x30, 0x03, 0x02, 0x01, 0x02};
  const Bytes third_id{0x30, 0x03, 0x02, 0x01, 0x03};
  const Bytes nonce = Bytes(32, 0x5A);
  std::vector<OcspSingleAnswer> answers;
};

TEST_F(OcspLint, PassesWhatWeWrite) {
  EXPECT_EQ(first_reason(sign_ocsp_response(order(), key, responder).value(), order()), "");
  OcspAnswerOrder plain = order();
  plain.nonce.reset();
  EXPECT_EQ(first_reason(sign_ocsp_response(plain, key, responder).value(), plain), "");
}

TEST_F(OcspLint, NamesWhatDiffersFromTheOrder) {
  EXPECT_EQ(against([](auto&, auto&) {}), "");
  EXPECT_EQ(against([](auto& o, auto&) { o.produced_at += std::chrono::seconds{1}; }), reasons::kLintValidity);
  EXPECT_EQ(against([](auto& o, auto&) { o.this_update += std::chrono::seconds{1}; }), reasons::kLintValidity);
  EXPECT_EQ(against([](auto& o, auto&) { o.next_update += std::chrono::seconds{1}; }), reasons::kLintValidity);
  EXPECT_EQ(against([](auto& o, auto&) { o.nonce.reset(); }), reasons::kLintExtensions);
  const Bytes another(32, 0x5B);
  EXPECT_EQ(against([&](auto& o, auto&) { o.nonce = BytesView{another}; }), reasons::kLintExtensions);
  EXPECT_EQ(against([&](auto&, auto& a) { a[0].cert_id = another; }), reasons::kLintSerial);
  EXPECT_EQ(against([](auto&, auto& a) { a[0].status = OcspCertStatus::kUnknown; }), reasons::kLintEntries);
  EXPECT_EQ(against([](auto&, auto& a) { a[2].status = OcspCertStatus::kGood; }), reasons::kLintEntries);
  EXPECT_EQ(against([](auto&, auto& a) { a[1].revoked_at += std::chrono::seconds{1}; }), reasons::kLintEntries);
  EXPECT_EQ(against([](auto&, auto& a) { a[1].revocation_reason = 4; }), reasons::kLintEntries);
  EXPECT_EQ(against([](auto&, auto& a) { a[1].revocation_reason = 0; }), reasons::kLintEntries);
  EXPECT_EQ(against([](auto&, auto& a) { a.pop_back(); }), reasons::kLintEntries);
}

TEST_F(OcspLint, NamesAnotherResponderAndWhatIsNoAnswer) {
  const ResponderKey stranger = ResponderKey::generate().value();
  EXPECT_EQ(first_reason(sign_ocsp_response(order(), stranger, responder).value(), order()),
            reasons::kLintKeyIdentifier);
  EXPECT_EQ(first_reason(sign_ocsp_response(order(), key, h.issuing.der).value(), order()), reasons::kLintKey);
  EXPECT_EQ(first_reason(ocsp_error_response(OcspErrorStatus::kTryLater), order()), reasons::kLintMalformed);
  Bytes longer = sign_ocsp_response(order(), key, responder).value();
  longer.push_back(0);
  EXPECT_EQ(first_reason(longer, order()), reasons::kLintMalformed);
}

}  // namespace
}  // namespace muster::ca
