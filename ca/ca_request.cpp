// SPDX-License-Identifier: Apache-2.0
#include "ca/ca_request.h"

#include "ca/der_writer.h"
#include "ca/signature_algorithm.h"
#include "x509/certificate.h"
#include "x509/der_reader.h"
#include "x509/oids.h"

namespace muster::ca {

namespace oid = x509::oid;
namespace tag = x509::tag;

namespace {

constexpr std::uint8_t kUriTag = 6;

template <typename Write>
void critical_extension(DerWriter& writer, BytesView oid, Write&& write) {
  writer.constructed(tag::kSequence, [&] {
    writer.oid(oid);
    writer.boolean_true();
    writer.constructed(tag::kOctetString, std::forward<Write>(write));
  });
}

void extensions(DerWriter& writer, const CaRequest& request) {
  critical_extension(writer, oid::kBasicConstraints, [&] {
    writer.constructed(tag::kSequence, [&] {
      writer.boolean_true();
      writer.small_integer(request.path_length);
    });
  });
  critical_extension(writer, oid::kKeyUsage, [&] {
    writer.named_bits(static_cast<std::uint16_t>(1u << static_cast<unsigned>(x509::KeyUsageBit::kKeyCertSign) |
                                                 1u << static_cast<unsigned>(x509::KeyUsageBit::kCrlSign)));
  });
  if (request.permitted_uri_host.empty()) return;
  critical_extension(writer, oid::kNameConstraints, [&] {
    writer.constructed(tag::kSequence, [&] {
      writer.constructed(tag::context_constructed(0), [&] {
        writer.constructed(tag::kSequence, [&] { writer.text(tag::context(kUriTag), request.permitted_uri_host); });
      });
    });
  });
}

}  // namespace

Bytes build_request_info(const CaRequest& request) {
  DerWriter writer;
  writer.constructed(tag::kSequence, [&] {
    writer.small_integer(0);  // v1
    writer.raw(request.subject);
    writer.raw(request.spki);
    writer.constructed(tag::context_constructed(0), [&] {
      writer.constructed(tag::kSequence, [&] {
        writer.oid(oid::kExtensionRequest);
        writer.constructed(tag::kSet,
                           [&] { writer.constructed(tag::kSequence, [&] { extensions(writer, request); }); });
      });
    });
  });
  return writer.take();
}

Bytes assemble_request(BytesView info, x509::KeyAlgorithm algorithm, BytesView signature) {
  DerWriter writer;
  writer.constructed(tag::kSequence, [&] {
    writer.raw(info);
    writer.raw(signature_algorithm(algorithm));
    writer.bit_string(signature);
  });
  return writer.take();
}

}  // namespace muster::ca
