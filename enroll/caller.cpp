// SPDX-License-Identifier: Apache-2.0
#include "enroll/caller.h"

#include "core/encoding.h"
#include "x509/sha256.h"

namespace muster::enroll {

std::string Caller::audit_name() const {
  if (token) return "token:" + token->text();
  if (device_certificate_id) return "certificate:" + to_hex(*device_certificate_id);
  if (!external_chain.empty()) return "certificate:" + to_hex(x509::sha256(external_chain.front()));
  if (claim) return "claim:" + claim->text();
  if (edge) return "edge:" + edge->text();
  return "system";
}

}  // namespace muster::enroll
