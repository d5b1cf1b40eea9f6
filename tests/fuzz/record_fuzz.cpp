// SPDX-License-Identifier: Apache-2.0
//
// Oracle: what decodes encodes again to the same octets.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "core/identity.h"
#include "core/record.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const muster::BytesView encoded{data, size};
  const auto record = muster::decode_record(encoded);
  if (record.ok()) {
    muster::Bytes again;
    if (!muster::append_record(again, *record).ok()) std::abort();
    if (again.size() != size || !std::equal(again.begin(), again.end(), data)) std::abort();
  }
  const auto fleet = muster::TrustDomain::parse("fleet.example");
  const auto principal = muster::parse_device_uri(muster::as_text(encoded), *fleet);
  if (principal.ok() && muster::device_uri(*principal, *fleet) != muster::as_text(encoded)) std::abort();
  return 0;
}
