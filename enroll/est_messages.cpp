// SPDX-License-Identifier: Apache-2.0
#include "enroll/est_messages.h"

#include "ca/der_writer.h"
#include "x509/der_reader.h"
#include "x509/oids.h"

namespace muster::enroll {

namespace {

namespace tag = x509::tag;

constexpr std::uint8_t kSignedData[] = {0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x02};
constexpr std::uint8_t kData[] = {0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x01};

}  // namespace

// RFC 5652 §5.1; version 1, since there are neither other certificates than X.509 ones nor CRLs.
Bytes certs_only(std::span<const x509::Certificate> certificates) {
  ca::DerWriter out;
  out.constructed(tag::kSequence, [&] {
    out.oid(kSignedData);
    out.constructed(tag::context_constructed(0), [&] {
      out.constructed(tag::kSequence, [&] {
        out.small_integer(1);
        out.constructed(tag::kSet, [] {});  // digestAlgorithms
        out.constructed(tag::kSequence, [&] { out.oid(kData); });
        out.constructed(tag::context_constructed(0), [&] {
          for (const x509::Certificate& certificate : certificates) out.raw(certificate.der());
        });
        out.constructed(tag::kSet, [] {});  // signerInfos
      });
    });
  });
  return out.take();
}

Bytes csr_attributes() {
  ca::DerWriter out;
  out.constructed(tag::kSequence, [&] {
    out.constructed(tag::kSequence, [&] {
      out.oid(x509::oid::kEcPublicKey);
      out.constructed(tag::kSet, [&] { out.oid(x509::oid::kP256); });
    });
    out.oid(x509::oid::kEcdsaSha256);
  });
  return out.take();
}

}  // namespace muster::enroll
