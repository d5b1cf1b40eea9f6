// SPDX-License-Identifier: Apache-2.0
//
// Purpose: OCSP (RFC 6960, RFC 5019, RFC 9654) for all issuers of the deployment. Answers without a nonce are made once
// and kept; each request costs a look-up then.
//
// When an answer is dropped: a revocation that this process acknowledged is seen by the next request, whichever way it
// was made; one of another process within kNewsInterval. Where the registry cannot be asked about news for longer than
// kNewsPatience the answer is tryLater: never "good" without knowing.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "core/record.h"
#include "core/result.h"
#include "core/time.h"
#include "enroll/registration_authority.h"

namespace muster::ca {
enum class OcspErrorStatus : std::uint8_t;
}
namespace muster::x509 {
struct OcspRequestView;
}

namespace muster::enroll {

struct OcspReply {
  std::string der;         // OCSPResponse
  bool cacheable = false;  // by caches on the way [RFC5019 6.2]; then the following count
  UtcTime this_update{};
  UtcTime next_update{};
  UtcTime renew_at{};  // there is a fresh one from then on
  std::string entity_tag;
};

class OcspResponder {
 public:
  static constexpr std::chrono::seconds kNewsInterval{2};
  static constexpr std::chrono::seconds kNewsPatience{30};
  static constexpr std::size_t kMaxPrepared = 50'000;  // about 50 MB
  static constexpr int kMaxSigning = 4;                // at once; more get tryLater

  explicit OcspResponder(RegistrationAuthority& authority);
  ~OcspResponder();

  // Answers a request (DER). `admit` is asked before anything that costs a signature or a look into the registry; false
  // gives tryLater. Never fails: whatever happens is an OCSP status. Thread-safe.
  std::shared_ptr<const OcspReply> answer(BytesView request, const std::function<bool()>& admit);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace muster::enroll
