// SPDX-License-Identifier: Apache-2.0
#include "x509/request_names.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/encoding.h"
#include "unit/x509/vectors.h"
#include "x509/certificate_request.h"
#include "x509/der_reader.h"

namespace muster::x509 {
namespace {

using nlohmann::json;

std::optional<json> read_vectors(const std::string& name) {
  if (!has_vectors(name)) return std::nullopt;
  return json::parse(read_vector(vector_path(name)));
}

// `der` is a SEQUENCE OF AttrOrOID (RFC 7030 §4.5.2).
std::size_t count_requirements(BytesView der) {
  DerReaderView outer{der};
  auto list = outer.enter(tag::kSequence);
  std::size_t count = 0;
  while (list && !list->at_end() && list->read_any()) ++count;
  return list && list->at_end() && outer.at_end() ? count : 0;
}

// RFC 7030 Appendix A.
TEST(RequestNames, ReadsWhatTheStandardPrints) {
  const auto vectors = read_vectors("rfc7030_vectors.json");
  if (!vectors) GTEST_SKIP();
  for (const char* name : {"csrattrs1", "csrattrs2"}) {
    const Bytes der = from_base64((*vectors)[name]["b64"].get<std::string>()).value();
    EXPECT_EQ(count_requirements(der), (*vectors)[name]["requirements"].get<std::size_t>()) << name;
  }
  const auto& request = (*vectors)["simpleenroll_request_pkcs10"];
  const Bytes der = from_base64(request["b64"].get<std::string>()).value();
  const auto names = read_request_names(der);
  ASSERT_TRUE(names.ok()) << to_log_text(names.error());
  EXPECT_EQ(names->common_name, "demostep4 1368141352");
  EXPECT_EQ(names->subject_attributes, 1U);
  EXPECT_FALSE(names->alt_names);
  // It is well formed, but signed with SHA-1: nothing is issued for it.
  EXPECT_EQ(std::string(CertificateRequest::parse_der(der).error().reason), "csr.signature_invalid");
}

TEST(RequestNames, RefusesEveryTruncationAndTrailingOctet) {
  const auto vectors = read_vectors("rfc7030_vectors.json");
  if (!vectors) GTEST_SKIP();
  Bytes der = from_base64((*vectors)["simpleenroll_request_pkcs10"]["b64"].get<std::string>()).value();
  for (std::size_t size = 0; size < der.size(); ++size) {
    EXPECT_FALSE(read_request_names(BytesView{der}.first(size)).ok()) << size;
  }
  der.push_back(0);
  EXPECT_FALSE(read_request_names(der).ok());
  EXPECT_EQ(std::string(read_request_names(Bytes(kMaxRequestSize + 1, 0x30)).error().reason), "csr.too_large");
}

}  // namespace
}  // namespace muster::x509
