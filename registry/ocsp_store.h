// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what OCSP answers say: which serials an issuer issued, which are revoked, what was revoked lately, and the
// certificates of our responders. Scope: system.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "core/record.h"
#include "core/time.h"
#include "db/transaction.h"
#include "registry/certificate_store.h"

namespace muster::registry {

struct SerialStatus {
  bool issued = false;
  std::optional<Revocation> revocation;
};
// One for each serial, in order. Whether the device or tenant is suspended plays no part: that is a state of theirs.
Result<std::vector<SerialStatus>> find_serial_statuses(db::Transaction& tx, const IssuerId& issuer,
                                                       std::span<const Bytes> serials);

struct OcspIssuer {
  IssuerId id;
  IssuerId parent_id;  // nil: none of ours
  Bytes certificate;   // DER
};
// Issuers with a certificate, whatever their status, but for those in `known`.
Result<std::vector<OcspIssuer>> list_ocsp_issuers(db::Transaction& tx, std::span<const IssuerId> known);

// Revocations of transactions from `since` on; empty `since`: none, just where we stand. A revocation may be told
// again.
struct RevocationNews {
  std::string position;  // for the next call
  struct Item {
    IssuerId issuer;
    Bytes serial;
  };
  std::vector<Item> items;
  bool too_many = false;  // more than kMaxRevocationNews: `items` is not complete
};
inline constexpr std::size_t kMaxRevocationNews = 20'000;
Result<RevocationNews> read_revocation_news(db::Transaction& tx, const std::string& since);

struct OcspResponderRow {
  Sha256 id{};
  IssuerId issuer_id;
  Bytes serial;
  UtcTime not_before{};
  UtcTime not_after{};
  Bytes certificate;  // DER
};
// Reason: certificate.exists.
Result<void> store_ocsp_responder(db::Transaction& tx, const OcspResponderRow& row);
Result<std::size_t> prune_ocsp_responders(db::Transaction& tx, UtcTime expired_before);

}  // namespace muster::registry
