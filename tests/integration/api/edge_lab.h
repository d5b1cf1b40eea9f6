// SPDX-License-Identifier: Apache-2.0
//
// Purpose: edges that have joined the server under test, with the certificate and database role that the join gave
// them.
#pragma once

#include <libpq-fe.h>

#include "contract/log_batch.h"
#include "ingest/postgres/postgres_log.h"
#include "integration/api/api_lab.h"

namespace muster::api {

class EdgeLab : public ApiLab {
 protected:
  struct JoinedEdge {
    std::string name;
    std::string id;
    std::string database_role;
    Via via;  // its client certificate, to the edges' listener
  };
  std::string invite(const json& edge) {
    const Answer made = send("POST", "/v1/edges", edge);
    EXPECT_EQ(made.status, 201) << made.text;
    return made.body().value("join_token", "");
  }
  Answer join(const json& request) { return send({"", ""}, "POST", "/v1/edge/join", request.dump()); }
  JoinedEdge join_edge(const json& edge) {
    const std::string name = edge["name"];
    const Answer joined = join({{"join_token", invite(edge)}, {"csr", make_csr(name)}});
    EXPECT_EQ(joined.status, 200) << joined.text;
    const json body = joined.body();
    write(name + ".pem", body.value("certificate", "") + body.value("chain", ""));
    return {name, body.value("edge_id", ""), body["database"].value("role", ""), {"", name, "", true}};
  }

  // Appends `count` records of a tenant to `raw` as the edge would; their sequences follow those of earlier calls.
  Result<void> append(ingest::Log& log, const TenantId& tenant, int count) {
    ingest::Batch batch{incarnation_};
    batch.of_tenant(tenant);
    for (int i = 0; i < count; ++i) batch.add(++sequence_, "pump-" + std::to_string(i));
    MUSTER_TRY(const auto appended, log.open_appender()->append(incarnation_, batch.entries()));
    (void)appended;
    return {};
  }
  std::unique_ptr<ingest::Log> open_log(const std::string& role) {
    ingest::PostgresLogConfig config;
    config.database_url = database.url(role);
    return ingest::PostgresLog::create(config).value();
  }

  static std::vector<json> lines_of(const std::string& text) {
    std::vector<json> lines;
    std::istringstream stream{text};
    for (std::string line; std::getline(stream, line);) lines.push_back(json::parse(line));
    return lines;
  }

 private:
  const IncarnationId incarnation_ = IncarnationId::random();
  std::uint64_t sequence_ = 0;
};

}  // namespace muster::api
