// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "core/bytes.h"
#include "x509/der_reader.h"

namespace muster::x509 {

// One Extension of RFC 5280 §4.1; views into what was read.
struct ExtensionView {
  BytesView oid;    // contents octets
  BytesView value;  // contents of the OCTET STRING
  bool critical = false;
};

// read_extension reads the next Extension of `list`; nullopt where there is none of that form. Private to x509/.
std::optional<ExtensionView> read_extension(DerReaderView& list);

// read_reason_flags reads ReasonFlags (RFC 5280 §4.2.1.13) from the contents of a BIT STRING: bit n is bit n here.
std::optional<std::uint16_t> read_reason_flags(BytesView contents);

}  // namespace muster::x509
