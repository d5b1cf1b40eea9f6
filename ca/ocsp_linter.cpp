// SPDX-License-Identifier: Apache-2.0
#include "ca/ocsp_linter.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "ca/reasons.h"
#include "x509/certificate.h"
#include "x509/der_reader.h"
#include "x509/oids.h"

namespace muster::ca {

namespace oid = x509::oid;
namespace tag = x509::tag;
using Reader = x509::DerReaderView;

namespace {

// [RFC6960 4.2.1] all times of an answer are GeneralizedTime.
std::optional<UtcTime> read_generalized_time(Reader& reader) {
  return reader.peek_tag() == tag::kGeneralizedTime ? reader.read_time() : std::nullopt;
}

// The only element of what is inside `whole`, if it has that tag.
std::optional<Reader> enter_only(Reader& whole, std::uint8_t wanted) {
  auto inner = whole.enter(wanted);
  return inner && whole.at_end() ? inner : std::nullopt;
}

// certStatus says what was ordered, and why where it was revoked.
bool is_status_of(Reader& single, const OcspSingleAnswer& answer) {
  if (answer.status != OcspCertStatus::kRevoked) {
    const auto status = single.read(tag::context(answer.status == OcspCertStatus::kGood ? 0 : 2));
    return status && status->contents.empty();
  }
  auto info = single.enter(tag::context_constructed(1));
  if (!info || read_generalized_time(*info) != answer.revoked_at) return false;
  if (info->at_end()) return answer.revocation_reason == 0;
  auto wrapper = enter_only(*info, tag::context_constructed(0));
  const auto reason = wrapper ? wrapper->read(tag::kEnumerated) : std::nullopt;
  return reason && wrapper->at_end() && reason->contents.size() == 1 && answer.revocation_reason != 0 &&
         reason->contents[0] == answer.revocation_reason;
}

class OcspLinter {
 public:
  OcspLinter(const OcspAnswerOrder& order, BytesView responder) : order_(order), responder_(responder) {}

  std::vector<LintFinding> run(BytesView response) {
    auto basic = open(response);
    auto data = basic ? basic->enter(tag::kSequence) : std::nullopt;
    if (!data) return {{reasons::kLintMalformed, "not a successful basic response"}};
    check_responder(*data);
    require(read_generalized_time(*data) == order_.produced_at, reasons::kLintValidity, "producedAt");
    check_answers(*data);
    check_nonce(*data);
    check_signature(*basic);
    return std::move(findings_);
  }

 private:
  void require(bool holds, std::string_view reason, std::string detail) {
    if (!holds) findings_.push_back({reason, std::move(detail)});
  }

  // OCSPResponse { successful, [0] { id-pkix-ocsp-basic, OCTET STRING { BasicOCSPResponse } } }
  static std::optional<Reader> open(BytesView response) {
    Reader outer{response};
    auto body = enter_only(outer, tag::kSequence);
    const auto status = body ? body->read(tag::kEnumerated) : std::nullopt;
    if (!status || !std::ranges::equal(status->contents, std::array<std::uint8_t, 1>{0})) return std::nullopt;
    auto wrapper = enter_only(*body, tag::context_constructed(0));
    auto typed = wrapper ? enter_only(*wrapper, tag::kSequence) : std::nullopt;
    const auto type = typed ? typed->read(tag::kOid) : std::nullopt;
    const auto octets = type ? typed->read(tag::kOctetString) : std::nullopt;
    if (!octets || !typed->at_end() || !std::ranges::equal(type->contents, oid::kOcspBasic)) return std::nullopt;
    Reader inner{octets->contents};
    return enter_only(inner, tag::kSequence);
  }

  // responderID by key: SHA-1 of the BIT STRING's octets, as the RFC has it.
  void check_responder(Reader& data) {
    const auto certificate = x509::Certificate::parse_der(responder_);
    auto by_key = data.enter(tag::context_constructed(2));
    const auto hash = by_key ? by_key->read(tag::kOctetString) : std::nullopt;
    if (!certificate.ok() || !hash || !by_key->at_end())
      return require(false, reasons::kLintKeyIdentifier, "responder");
    Reader spki{certificate->spki()};
    auto body = spki.enter(tag::kSequence);
    const auto key = body && body->read(tag::kSequence) ? body->read_octet_bits() : std::nullopt;
    std::array<std::uint8_t, SHA_DIGEST_LENGTH> digest{};
    if (key) SHA1(key->data(), key->size(), digest.data());
    require(key && std::ranges::equal(hash->contents, digest), reasons::kLintKeyIdentifier, "responder");
  }

  void check_answers(Reader& data) {
    auto list = data.enter(tag::kSequence);
    if (!list) return require(false, reasons::kLintMalformed, "responses");
    for (const OcspSingleAnswer& answer : order_.answers) {
      auto single = list->enter(tag::kSequence);
      const auto id = single ? single->read(tag::kSequence) : std::nullopt;
      require(id && std::ranges::equal(id->whole, answer.cert_id), reasons::kLintSerial, "another certID");
      if (!id) return;
      require(is_status_of(*single, answer), reasons::kLintEntries, "another certStatus");
      const auto this_update = read_generalized_time(*single);
      auto wrapper = single->enter(tag::context_constructed(0));
      const auto next_update = wrapper ? read_generalized_time(*wrapper) : std::nullopt;
      require(this_update == order_.this_update && next_update == order_.next_update &&
                  order_.this_update < order_.next_update && wrapper->at_end() && single->at_end(),
              reasons::kLintValidity, "not thisUpdate and nextUpdate as ordered");
    }
    require(list->at_end(), reasons::kLintEntries, "more answers than ordered");
  }

  void check_nonce(Reader& data) {
    if (!order_.nonce) return require(data.at_end(), reasons::kLintExtensions, "none expected");
    auto wrapper = enter_only(data, tag::context_constructed(1));
    auto list = wrapper ? enter_only(*wrapper, tag::kSequence) : std::nullopt;
    auto extension = list ? enter_only(*list, tag::kSequence) : std::nullopt;
    const auto named = extension ? extension->read(tag::kOid) : std::nullopt;
    const auto value = named ? extension->read(tag::kOctetString) : std::nullopt;
    if (!value || !extension->at_end()) return require(false, reasons::kLintExtensions, "nonce");
    Reader inner{value->contents};
    const auto nonce = inner.read(tag::kOctetString);
    require(nonce && inner.at_end() && std::ranges::equal(named->contents, oid::kOcspNonce) &&
                std::ranges::equal(nonce->contents, *order_.nonce),
            reasons::kLintExtensions, "another nonce");
  }

  // The rest of BasicOCSPResponse: ecdsa-with-SHA256 without parameters, the signature, the responder's certificate.
  void check_signature(Reader& basic) {
    auto algorithm = basic.enter(tag::kSequence);
    const auto named = algorithm ? algorithm->read(tag::kOid) : std::nullopt;
    require(named && algorithm->at_end() && std::ranges::equal(named->contents, oid::kEcdsaSha256),
            reasons::kLintAlgorithm, "not ecdsa-with-SHA256");
    const auto signature = basic.read_octet_bits();
    auto wrapper = enter_only(basic, tag::context_constructed(0));
    auto list = wrapper ? enter_only(*wrapper, tag::kSequence) : std::nullopt;
    const auto only = list ? list->read(tag::kSequence) : std::nullopt;
    require(signature && only && list->at_end() && std::ranges::equal(only->whole, responder_), reasons::kLintKey,
            "not exactly the responder's certificate");
  }

  const OcspAnswerOrder& order_;
  const BytesView responder_;
  std::vector<LintFinding> findings_;
};

}  // namespace

std::vector<LintFinding> lint_ocsp_response(BytesView response, const OcspAnswerOrder& order, BytesView responder) {
  return OcspLinter{order, responder}.run(response);
}

}  // namespace muster::ca
