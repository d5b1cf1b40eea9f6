// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "core/time.h"
#include "x509/der_reader.h"

namespace muster::ca {

// read_issued_time reads a time as a CA must write it: UTCTime through 2049, GeneralizedTime from 2050 on
// [RFC5280 4.1.2.5]. Readers accept more (DerReaderView::read_time), linters do not.
inline std::optional<UtcTime> read_issued_time(x509::DerReaderView& reader) {
  constexpr UtcTime kYear2050{std::chrono::seconds{2524608000}};
  const auto tag = reader.peek_tag();
  const auto time = reader.read_time();
  if (!time || (*tag == x509::tag::kUtcTime) != (*time < kYear2050)) return std::nullopt;
  return time;
}

}  // namespace muster::ca
