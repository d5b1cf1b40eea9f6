// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the lines of a batch: what a client sends, and what it gets for each (docs/openapi.yaml).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/id.h"
#include "core/result.h"
#include "enroll/registration_authority.h"
#include "registry/batch_store.h"
#include "registry/issuer_store.h"

namespace muster::api {

struct BatchLine {
  std::uint64_t number = 0;
  std::string_view text;
};

// Views of `text`; empty lines are counted but not returned. Reason: batch.too_many_lines.
Result<std::vector<BatchLine>> split_batch(std::string_view text);

struct BatchItem {
  std::uint64_t line = 0;
  std::string device;
  std::optional<enroll::EnrollRequest> request;  // empty: `error` says why
  Error error;
};
BatchItem parse_batch_line(const TenantId& tenant, const BatchLine& line);

// One JSON object without newline.
std::string success_line(std::uint64_t line, const std::string& device, const enroll::IssuedCertificate& issued);
std::string failure_line(const BatchItem& item, const Error& error);
// What a device presents beside its own certificate: the issuer and those above it without the root, PEM.
std::string chain_pem(const registry::Issuer& issuer);
// The certificate of a line as it was when the line was first answered.
enroll::IssuedCertificate stored_certificate(const registry::StoredBatchResult::Issued& issued, std::string chain);

}  // namespace muster::api
