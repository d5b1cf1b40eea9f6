// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "x509/certificate.h"

namespace muster::x509 {

// check_names returns an empty reason where `names` obey `constraints` (RFC 5280 §4.2.1.10, URI and DNS names only),
// else chain.name_constraint_violated or chain.name_constraint_unsupported. Private to x509/.
std::string_view check_names(const std::vector<GeneralName>& names, const NameConstraints& constraints);

}  // namespace muster::x509
