// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace muster::x509 {

// certificate_index: 0 is the leaf, 1… the intermediates of the path, then the anchor.
struct ChainFinding {
  std::string_view reason;  // x509/reasons.h
  std::size_t certificate_index = 0;
  std::string parameter;  // for people: a time, an OID; may be empty
};

}  // namespace muster::x509
