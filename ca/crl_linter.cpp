// SPDX-License-Identifier: Apache-2.0
#include "ca/crl_linter.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "ca/issued_time.h"
#include "ca/reasons.h"
#include "ca/signature_algorithm.h"
#include "x509/der_reader.h"
#include "x509/oids.h"

namespace muster::ca {

namespace oid = x509::oid;
namespace tag = x509::tag;

namespace {

// [RFC5280 5.3.1] without unspecified (left out), certificateHold, removeFromCRL (delta CRLs only) and 7 (not used)
constexpr std::array<std::uint8_t, 7> kReasonCodes{1, 2, 3, 4, 5, 9, 10};

// Extension { id-ce-cRLReasons, OCTET STRING { ENUMERATED } } alone in its list.
bool is_reason_list(x509::DerReaderView& entry) {
  auto list = entry.enter(tag::kSequence);
  auto extension = list ? list->enter(tag::kSequence) : std::nullopt;
  const auto named = extension ? extension->read(tag::kOid) : std::nullopt;
  const auto value = named ? extension->read(tag::kOctetString) : std::nullopt;
  if (!value || !extension->at_end() || !list->at_end() || !std::ranges::equal(named->contents, oid::kReasonCode)) {
    return false;
  }
  x509::DerReaderView inner{value->contents};
  const auto code = inner.read(tag::kEnumerated);
  return code && inner.at_end() && code->contents.size() == 1 &&
         std::ranges::find(kReasonCodes, code->contents[0]) != kReasonCodes.end();
}

bool is_entry(x509::DerReaderView entry) {
  const auto serial = entry.read_integer();
  if (!serial || serial->empty() || serial->size() > 21 || ((*serial)[0] & 0x80) != 0) return false;
  if (!read_issued_time(entry)) return false;
  return entry.at_end() || (is_reason_list(entry) && entry.at_end());
}

class CrlLinter {
 public:
  CrlLinter(const CrlHead& head, std::size_t entries) : head_(head), entries_(entries) {}

  std::vector<LintFinding> run(BytesView tbs) {
    x509::DerReaderView outer{tbs};
    auto body = outer.enter(tag::kSequence);
    if (!body || !outer.at_end()) return {{reasons::kLintMalformed, "outline"}};
    check_head(*body);
    check_entries(*body);
    check_extensions(*body);
    require(body->at_end(), reasons::kLintMalformed, "something after the extensions");
    return std::move(findings_);
  }

 private:
  void require(bool holds, std::string_view reason, std::string detail) {
    if (!holds) findings_.push_back({reason, std::move(detail)});
  }

  void check_head(x509::DerReaderView& body) {
    require(body.read_small_unsigned() == 1, reasons::kLintMalformed, "not version 2");
    const auto algorithm = body.read(tag::kSequence);
    require(algorithm && std::ranges::equal(algorithm->whole, signature_algorithm(head_.issuer.algorithm)),
            reasons::kLintAlgorithm, "does not fit the issuer's key");
    const auto issuer = body.read(tag::kSequence);
    require(issuer && std::ranges::equal(issuer->whole, head_.issuer.name), reasons::kLintIssuer, "another name");
    const auto this_update = read_issued_time(body);
    const auto next_update = read_issued_time(body);
    require(
        this_update == head_.this_update && next_update == head_.next_update && head_.this_update < head_.next_update,
        reasons::kLintValidity, "not thisUpdate and nextUpdate as ordered");
  }

  // [RFC5280 5.1.2.6] revokedCertificates is absent where nothing is revoked.
  void check_entries(x509::DerReaderView& body) {
    std::size_t seen = 0;
    bool good = true;
    if (auto list = body.enter(tag::kSequence)) {
      require(!list->at_end(), reasons::kLintEntries, "an empty list");
      while (!list->at_end() && good) {
        const auto entry = list->enter(tag::kSequence);
        good = entry && is_entry(*entry);
        seen += good ? 1 : 0;
      }
    }
    require(good, reasons::kLintEntries, "entry " + std::to_string(seen));
    require(!good || seen == entries_, reasons::kLintEntries, "another number of entries");
  }

  void check_extensions(x509::DerReaderView& body) {
    auto wrapper = body.enter(tag::context_constructed(0));
    auto list = wrapper ? wrapper->enter(tag::kSequence) : std::nullopt;
    if (!list || !wrapper->at_end()) return require(false, reasons::kLintExtensions, "missing");
    const auto key_id = read_extension(*list, oid::kAuthorityKeyId, false);
    const auto number = read_extension(*list, oid::kCrlNumber, false);
    const auto point = read_extension(*list, oid::kIssuingDistributionPoint, true);
    require(key_id && number && point && list->at_end(), reasons::kLintExtensions,
            "not exactly AKI, cRLNumber and a critical issuingDistributionPoint");
    if (key_id) check_key_id(*key_id);
    if (number) check_number(*number);
    if (point) check_point(*point);
  }

  static std::optional<BytesView> read_extension(x509::DerReaderView& list, BytesView name, bool critical) {
    auto extension = list.enter(tag::kSequence);
    const auto named = extension ? extension->read(tag::kOid) : std::nullopt;
    if (!named || !std::ranges::equal(named->contents, name)) return std::nullopt;
    if (extension->read_boolean().value_or(false) != critical) return std::nullopt;
    const auto value = extension->read(tag::kOctetString);
    return value && extension->at_end() ? std::optional{value->contents} : std::nullopt;
  }

  void check_key_id(BytesView value) {
    x509::DerReaderView outer{value};
    auto body = outer.enter(tag::kSequence);
    const auto id = body ? body->read(tag::context(0)) : std::nullopt;
    require(id && body->at_end() && outer.at_end() && std::ranges::equal(id->contents, head_.issuer.subject_key_id),
            reasons::kLintKeyIdentifier, "authority");
  }

  // [RFC5280 5.2.3] at most 20 octets; ours fit 8.
  void check_number(BytesView value) {
    x509::DerReaderView outer{value};
    const auto number = outer.read_integer();
    std::uint64_t seen = 0;
    const bool fits = number && outer.at_end() && number->size() <= 8 && ((*number)[0] & 0x80) == 0;
    if (fits) {
      for (const std::uint8_t octet : *number) seen = seen << 8 | octet;
    }
    require(fits && seen == head_.number, reasons::kLintSerial, "another cRLNumber");
  }

  // IssuingDistributionPoint { distributionPoint [0] { fullName [0] { uniformResourceIdentifier [6] } } }, and no more:
  // the shard speaks of all its certificates and for all reasons.
  void check_point(BytesView value) {
    std::optional<x509::DerReaderView> level{x509::DerReaderView{value}};
    for (const std::uint8_t step : {tag::kSequence, tag::context_constructed(0), tag::context_constructed(0)}) {
      auto inner = level->enter(step);
      if (!inner || !level->at_end()) return require(false, reasons::kLintDistributionPoint, "shape");
      level = inner;
    }
    const auto uri = level->read(tag::context(6));
    const std::string file = "/" + std::to_string(head_.shard) + ".crl";
    require(uri && level->at_end() &&
                as_text(uri->contents) == head_.issuer.plain_url + "/crl/" + head_.issuer.id.text() + file,
            reasons::kLintDistributionPoint, "another URI");
  }

  const CrlHead& head_;
  const std::size_t entries_;
  std::vector<LintFinding> findings_;
};

}  // namespace

std::vector<LintFinding> lint_crl(BytesView tbs, const CrlHead& head, std::size_t entries) {
  return CrlLinter{head, entries}.run(tbs);
}

}  // namespace muster::ca
