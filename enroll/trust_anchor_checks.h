// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what an anchor and its settings must be before they are stored. Private to enroll/.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/time.h"
#include "registry/trust_anchor_store.h"
#include "x509/certificate.h"

namespace muster::enroll {

// The anchor first. Reasons: trust_anchor.invalid, .not_a_ca, .not_valid, .key_weak, .intermediate_unsigned.
Result<std::vector<x509::Certificate>> check_anchor_certificates(const std::string& pem, UtcTime now);

// Reason: trust_anchor.field_invalid.
Result<void> check_prefix(std::string_view prefix);
Result<registry::SelfRegistration> check_self_registration(registry::SelfRegistration settings);
// Only http: a CRL is signed, and who fetches it over TLS would first have to trust whoever serves it.
Result<void> check_crl_source(const registry::CrlSource& source);

// Whether `name` is on the deny-list: equal to an entry, or to its beginning where it ends with '*'.
bool is_denied(const std::vector<std::string>& denied, std::string_view name);

}  // namespace muster::enroll
