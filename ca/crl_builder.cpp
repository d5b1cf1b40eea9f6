// SPDX-License-Identifier: Apache-2.0
#include "ca/crl_builder.h"

#include <algorithm>

#include "ca/der_writer.h"
#include "ca/reasons.h"
#include "ca/signature_algorithm.h"
#include "core/encoding.h"
#include "x509/der_reader.h"
#include "x509/oids.h"

namespace muster::ca {

namespace oid = x509::oid;
namespace tag = x509::tag;

namespace {

constexpr std::uint8_t kUnspecified = 0;
constexpr std::uint8_t kUnusedReason = 7;  // [RFC5280 5.3.1] the value 7 is not used
constexpr std::uint8_t kLastReason = 10;   // aACompromise

struct Entry {
  Bytes serial;
  UtcTime revoked_at;
  std::uint8_t reason_code;
};

Result<std::vector<Entry>> decode_entries(const std::vector<x509::CrlEntry>& entries) {
  const Error invalid{ErrorCode::kInternal, reasons::kProfileInvalid, "CRL entry"};
  std::vector<Entry> decoded;
  decoded.reserve(entries.size());
  for (const x509::CrlEntry& entry : entries) {
    auto serial = from_hex(entry.serial_hex);
    if (!serial.ok() || serial->empty() || serial->size() > 20) return invalid;
    if (entry.reason_code == kUnusedReason || entry.reason_code > kLastReason) return invalid;
    decoded.push_back({std::move(serial).value(), entry.revoked_at, entry.reason_code});
  }
  return decoded;
}

void write_entry(DerWriter& writer, const Entry& entry) {
  writer.constructed(tag::kSequence, [&] {
    writer.unsigned_integer(entry.serial);
    writer.time(entry.revoked_at);
    if (entry.reason_code == kUnspecified) return;  // [RFC5280 5.3.1] then the extension should be absent
    writer.constructed(tag::kSequence, [&] {
      writer.constructed(tag::kSequence, [&] {
        writer.oid(oid::kReasonCode);
        writer.constructed(tag::kOctetString, [&] { writer.primitive(tag::kEnumerated, {&entry.reason_code, 1}); });
      });
    });
  });
}

void write_extensions(DerWriter& writer, const CrlOrder& order) {
  writer.constructed(tag::kSequence, [&] {
    writer.oid(oid::kAuthorityKeyId);
    writer.constructed(tag::kOctetString, [&] {
      writer.constructed(tag::kSequence, [&] { writer.primitive(tag::context(0), order.issuer.subject_key_id); });
    });
  });
  writer.constructed(tag::kSequence, [&] {
    writer.oid(oid::kCrlNumber);
    writer.constructed(tag::kOctetString, [&] { writer.small_integer(order.number); });
  });
  // Critical, so that one shard's CRL cannot be shown in place of another's.
  writer.constructed(tag::kSequence, [&] {
    writer.oid(oid::kIssuingDistributionPoint);
    writer.boolean_true();
    writer.constructed(tag::kOctetString, [&] {
      writer.constructed(tag::kSequence, [&] {
        writer.constructed(tag::context_constructed(0), [&] {
          writer.constructed(tag::context_constructed(0), [&] { writer.text(tag::context(6), crl_uri(order.issuer, order.shard)); });
        });
      });
    });
  });
}

}  // namespace

Result<Bytes> build_tbs_crl(const CrlOrder& order) {
  MUSTER_TRY(const std::vector<Entry> entries, decode_entries(order.entries));
  // Entries are written apart: their headers are then inserted into small buffers only.
  Bytes list;
  for (const Entry& entry : entries) {
    DerWriter one;
    write_entry(one, entry);
    list.insert(list.end(), one.bytes().begin(), one.bytes().end());
  }
  DerWriter writer;
  writer.constructed(tag::kSequence, [&] {
    writer.small_integer(1);  // v2
    writer.raw(signature_algorithm(order.issuer.algorithm));
    writer.raw(order.issuer.name);
    writer.time(order.this_update);
    writer.time(order.next_update);
    if (!list.empty()) writer.primitive(tag::kSequence, list);  // [RFC5280 5.1.2.6] absent when nothing is revoked
    writer.constructed(tag::context_constructed(0),
                       [&] { writer.constructed(tag::kSequence, [&] { write_extensions(writer, order); }); });
  });
  return writer.take();
}

std::uint64_t next_crl_number(std::uint64_t previous, UtcTime now) {
  const auto clock = static_cast<std::uint64_t>(std::max<std::int64_t>(0, now.time_since_epoch().count()));
  return std::max(previous + 1, clock);
}

}  // namespace muster::ca
