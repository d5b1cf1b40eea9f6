// SPDX-License-Identifier: Apache-2.0
//
// Purpose: reads a TBSCertList back before a CA key signs it, with other code than ca/crl_builder.cpp. One pass without
// allocation, since a list may have a million entries.
#pragma once

#include <cstddef>
#include <vector>

#include "ca/certificate_linter.h"
#include "ca/crl_builder.h"
#include "core/bytes.h"

namespace muster::ca {

// lint_crl returns all findings; empty means that `tbs` says what `head` says, has `entries` well-formed entries, and
// nothing else. Of faulty entries the first is told.
std::vector<LintFinding> lint_crl(BytesView tbs, const CrlHead& head, std::size_t entries);

}  // namespace muster::ca
