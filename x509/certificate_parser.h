// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the parser behind Certificate::parse_der. Private to x509/.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "x509/certificate.h"
#include "x509/der_reader.h"

namespace muster::x509 {

// CertificateParser fills one Certificate::State. Each function returns an empty reason on success. Confined to one
// thread; used once.
class CertificateParser {
 public:
  // `archaic` also takes what RFC 5280 §4.1.2 forbids but CAs have issued: serial numbers that are zero, negative
  // (serial_hex begins with "-") or too long, and unique identifiers. For archives and test vectors.
  explicit CertificateParser(bool archaic = false)
      : archaic_(archaic), state_(std::make_shared<Certificate::State>()) {}
  Result<Certificate> parse(BytesView der);

 private:
  std::string_view read_certificate();
  std::string_view read_tbs(DerReaderView tbs);
  std::string_view read_serial(DerReaderView& tbs);
  std::string_view read_names_and_validity(DerReaderView& tbs);
  std::string_view read_extensions(DerReaderView list);
  std::string_view read_extension(DerReaderView extension);
  std::string_view read_known(BytesView oid, BytesView value, bool critical);
  bool read_basic_constraints(BytesView value);
  bool read_key_usage(BytesView value);
  bool read_extended_key_usage(BytesView value);
  bool read_name_constraints(BytesView value, bool critical);
  bool read_key_ids(BytesView oid, BytesView value);
  std::string_view read_subject_alt_name(BytesView value);

  bool archaic_;
  std::shared_ptr<Certificate::State> state_;
  std::vector<BytesView> seen_oids_;
};

}  // namespace muster::x509
