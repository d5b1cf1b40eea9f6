// SPDX-License-Identifier: Apache-2.0
#include "ingest/group_name.h"

#include <algorithm>

#include "ingest/reasons.h"

namespace muster::ingest {

Result<void> check_group_name(std::string_view name) {
  constexpr std::size_t max_length = 64;  // as the database's own check
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  if (name.empty() || name.size() > max_length || !std::all_of(name.begin(), name.end(), is_plain)) {
    return Error{ErrorCode::kInvalidArgument, reasons::kGroupNameInvalid, {}};
  }
  return {};
}

}  // namespace muster::ingest
