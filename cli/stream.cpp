// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "cli/api_session.h"
#include "cli/commands.h"
#include "cli/output.h"

namespace muster::cli {
namespace {

struct StreamOptions {
  ServerOptions server;
  std::string name;
  std::string tenant;
  std::string group = "muster-stream-tail";
  long max = 0;
};

std::string stream_path(const StreamOptions& options) {
  return tenant_path(options.tenant) + "/streams/" + http::percent_encode(options.name);
}

// Prints one poll's records, then moves the group behind them: what was not printed is read again.
Result<long> poll_once(ApiSession& api, const StreamOptions& options) {
  const long most = options.max > 0 && options.max < 100 ? options.max : 100;
  MUSTER_TRY(const nlohmann::json answer,
             api.get(stream_path(options) + "/records?group=" + http::percent_encode(options.group) +
                     "&max=" + std::to_string(most) + "&wait_ms=1000"));
  const nlohmann::json& records = answer["records"];
  if (!records.is_array() || records.empty()) return 0L;
  for (const nlohmann::json& record : records) say(record.dump());
  MUSTER_TRY(const nlohmann::json done, api.call("POST", stream_path(options) + "/commits",
                                                 {{"group", options.group}, {"cursors", answer["cursor"]}}));
  (void)done;
  return static_cast<long>(records.size());
}

int tail(ApiSession& api, const StreamOptions& options) {
  for (long seen = 0; options.max == 0 || seen < options.max;) {
    const auto read = poll_once(api, options);
    if (!read.ok()) return complain(read.error());
    seen += *read;
  }
  return 0;
}

}  // namespace

void declare_stream(Command& root) {
  Command stream = root.add_command("stream", "read the streams of a tenant");
  auto options = std::make_shared<StreamOptions>();
  Command tail_command = stream.add_command("tail", "print records as they come, one JSON object a line");
  tail_command.required("name", options->name, "raw, normalized, dead-letters or lifecycle");
  tail_command.option("--tenant", options->tenant, "tenant whose records are read")
      .option("--group", options->group, "consumer group; its position is kept by the server")
      .option("--max", options->max, "stop after this many; 0: never");
  run_with_session(tail_command, options->server, [options](ApiSession& api) {
    if (options->tenant.empty()) return complain("--tenant is missing: whose records?");
    return tail(api, *options);
  });
}

}  // namespace muster::cli
