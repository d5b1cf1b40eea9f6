// SPDX-License-Identifier: Apache-2.0
#include "api/routes.h"
#include "core/encoding.h"
#include "registry/issuer_store.h"
#include "x509/pem.h"

namespace muster::api {
namespace {

void write_issuer(JsonWriter& out, const registry::Issuer& issuer) {
  std::string chain;
  for (const Bytes& der : issuer.chain) chain.append(x509::write_pem("CERTIFICATE", der));
  out.object([&] {
    out.field("id", issuer.id.text())
        .field("status", to_string(issuer.status))
        .field("spki_sha256", to_hex(issuer.spki_sha256))
        .field("certificate", x509::write_pem("CERTIFICATE", issuer.certificate))
        .field("chain", chain)
        .field("not_before", to_rfc3339(issuer.not_before))
        .field("not_after", to_rfc3339(issuer.not_after))
        .field("created_at", to_rfc3339(issuer.created_at));
  });
}

// A tenant has a handful of issuers: one page, no cursor.
Result<http::Response> list(Call& call) {
  registry::Page<registry::Issuer> page;
  MUSTER_TRY(page.items, db::run_in_transaction(call.context.pool, call.scope(), [&](db::Transaction& tx) {
               return registry::list_issuers(tx, call.tenant().id);
             }));
  return page_response(page, write_issuer);
}

}  // namespace

void add_issuers(Operations& operations) {
  operations.push_back({"GET", "/v1/tenants/{tenant}/issuers", Action::kIssuerRead, list});
}

}  // namespace muster::api
