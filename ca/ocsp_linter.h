// SPDX-License-Identifier: Apache-2.0
//
// Purpose: reads an OCSPResponse back before anybody gets it, with other code than ca/ocsp_response.cpp.
#pragma once

#include <vector>

#include "ca/certificate_linter.h"
#include "ca/ocsp_response.h"
#include "core/bytes.h"

namespace muster::ca {

// lint_ocsp_response returns all findings; empty means that `response` (DER) is successful, says what `order` says and
// nothing else [RFC6960 4.2.1], names the responder by the hash of its key and carries exactly its certificate
// `responder` (DER).
std::vector<LintFinding> lint_ocsp_response(BytesView response, const OcspAnswerOrder& order, BytesView responder);

}  // namespace muster::ca
