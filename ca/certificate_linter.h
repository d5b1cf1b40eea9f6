// SPDX-License-Identifier: Apache-2.0
//
// Purpose: reads a TBSCertificate back before a CA key signs it and compares every field with what was ordered. Second
// code on purpose: it shares nothing with ca/tbs_certificate.cpp but the order itself, so one mistake must be made
// twice to be signed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ca/tbs_certificate.h"
#include "core/bytes.h"
#include "core/result.h"

namespace muster::ca {

struct LintFinding {
  std::string_view reason;  // lint.* in ca/reasons.h
  std::string detail;
};

// lint_certificate returns all findings; empty means that `tbs` says what `order` says and nothing else.
std::vector<LintFinding> lint_certificate(BytesView tbs, const CertificateOrder& order);

// check_signed compares a signed certificate with the TBS that was linted. Reason: lint.signed_differs.
Result<void> check_signed(BytesView certificate, BytesView linted_tbs);

}  // namespace muster::ca
