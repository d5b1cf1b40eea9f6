// SPDX-License-Identifier: Apache-2.0
#include "ca/crl_builder.h"

#include <algorithm>
#include <array>

#include "ca/der_writer.h"
#include "ca/issued_time.h"
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

// [RFC5280 5.3.1] SEQUENCE { SEQUENCE { id-ce-cRLReasons, OCTET STRING { ENUMERATED } } } but for the code itself.
constexpr std::array<std::uint8_t, 13> kReasonExtension{0x30, 0x0C, 0x30, 0x0A, 0x06, 0x03, 0x55,
                                                        0x1D, 0x15, 0x04, 0x03, 0x0A, 0x01};
constexpr std::size_t kMaxSerial = 20;
constexpr std::size_t kEntrySize = 52;  // of one with a serial of 20 octets and a reason

void write_extensions(DerWriter& writer, const CrlHead& head) {
  writer.constructed(tag::kSequence, [&] {
    writer.oid(oid::kAuthorityKeyId);
    writer.constructed(tag::kOctetString, [&] {
      writer.constructed(tag::kSequence, [&] { writer.primitive(tag::context(0), head.issuer.subject_key_id); });
    });
  });
  writer.constructed(tag::kSequence, [&] {
    writer.oid(oid::kCrlNumber);
    writer.constructed(tag::kOctetString, [&] { writer.small_integer(head.number); });
  });
  // Critical, so that one shard's CRL cannot be shown in place of another's.
  writer.constructed(tag::kSequence, [&] {
    writer.oid(oid::kIssuingDistributionPoint);
    writer.boolean_true();
    writer.constructed(tag::kOctetString, [&] {
      writer.constructed(tag::kSequence, [&] {
        writer.constructed(tag::context_constructed(0), [&] {
          writer.constructed(tag::context_constructed(0),
                             [&] { writer.text(tag::context(6), crl_uri(head.issuer, head.shard)); });
        });
      });
    });
  });
}

}  // namespace

void CrlBuilder::expect(std::size_t entries) { list_.reserve(list_.size() + entries * kEntrySize); }

Result<void> CrlBuilder::add(BytesView serial, UtcTime revoked_at, std::uint8_t reason_code) {
  while (serial.size() > 1 && serial[0] == 0) serial = serial.subspan(1);
  const bool reason_fits = reason_code <= kLastReason && reason_code != kUnusedReason;
  if (serial.empty() || serial.size() > kMaxSerial || !reason_fits) {
    return Error{ErrorCode::kInternal, reasons::kProfileInvalid, "CRL entry"};
  }
  if (time_.empty() || revoked_at != time_of_) {  // many are revoked at once: written once
    DerWriter writer;
    writer.time(revoked_at);
    time_ = writer.take();
    time_of_ = revoked_at;
  }
  const bool with_sign = (serial[0] & 0x80) != 0;
  const bool with_reason = reason_code != kUnspecified;  // [RFC5280 5.3.1] else the extension should be absent
  const std::size_t number = serial.size() + (with_sign ? 1 : 0);
  const std::size_t size = 2 + number + time_.size() + (with_reason ? kReasonExtension.size() + 1 : 0);
  // All lengths are below 128: one octet each.
  list_.insert(list_.end(),
               {tag::kSequence, static_cast<std::uint8_t>(size), tag::kInteger, static_cast<std::uint8_t>(number)});
  if (with_sign) list_.push_back(0);
  list_.insert(list_.end(), serial.begin(), serial.end());
  list_.insert(list_.end(), time_.begin(), time_.end());
  if (with_reason) {
    list_.insert(list_.end(), kReasonExtension.begin(), kReasonExtension.end());
    list_.push_back(reason_code);
  }
  ++count_;
  return {};
}

Bytes CrlBuilder::finish(const CrlHead& head) const {
  DerWriter writer;
  writer.reserve(list_.size() + 1024);
  writer.constructed(tag::kSequence, [&] {
    writer.small_integer(1);  // v2
    writer.raw(signature_algorithm(head.issuer.algorithm));
    writer.raw(head.issuer.name);
    writer.time(head.this_update);
    writer.time(head.next_update);
    if (!list_.empty()) writer.primitive(tag::kSequence, list_);  // [RFC5280 5.1.2.6] absent when nothing is revoked
    writer.constructed(tag::context_constructed(0),
                       [&] { writer.constructed(tag::kSequence, [&] { write_extensions(writer, head); }); });
  });
  return writer.take();
}

Result<Bytes> build_tbs_crl(const CrlHead& head, const std::vector<x509::CrlEntry>& entries) {
  CrlBuilder builder;
  for (const x509::CrlEntry& entry : entries) {
    const auto serial = from_hex(entry.serial_hex);
    if (!serial.ok()) return Error{ErrorCode::kInternal, reasons::kProfileInvalid, "CRL entry"};
    MUSTER_TRY_VOID(builder.add(*serial, entry.revoked_at, entry.reason_code));
  }
  return builder.finish(head);
}

void CrlBuilder::add_written(BytesView entries, std::size_t count) {
  list_.insert(list_.end(), entries.begin(), entries.end());
  count_ += count;
}

BytesView crl_entries(BytesView der) {
  x509::DerReaderView outer{der};
  auto list = outer.enter(tag::kSequence);
  auto body = list ? list->enter(tag::kSequence) : std::nullopt;
  if (!body || !body->read_integer() || !body->read(tag::kSequence) || !body->read(tag::kSequence)) return {};
  if (!read_issued_time(*body) || !read_issued_time(*body)) return {};
  const auto entries = body->read(tag::kSequence);
  return entries ? entries->contents : BytesView{};
}

}  // namespace muster::ca
