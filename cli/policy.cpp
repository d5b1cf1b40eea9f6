// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "cli/api_session.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "core/bytes.h"
#include "core/file.h"

namespace muster::cli {
namespace {

struct PolicyOptions {
  ServerOptions server;
  std::string tenant;
  std::string name;
  std::vector<std::string> publish;
  std::vector<std::string> subscribe;
  std::string file;
};

struct TestOptions {
  ServerOptions server;
  std::string tenant;
  std::string device;
  std::string action = "publish";
  std::string topic;
  std::string serial;
  std::string file;
  long qos = 0;
  long payload_size = 0;
  bool retain = false;
  bool json = false;
};

constexpr std::size_t kMaxDocument = 256u << 10;

std::string policies_path(const PolicyOptions& options) { return tenant_path(options.tenant) + "/policies"; }

Result<nlohmann::json> read_document(const std::string& file) {
  MUSTER_TRY(const auto text, read_file(file, kMaxDocument));
  auto document = nlohmann::json::parse(as_text(text), nullptr, false);
  if (document.is_object()) return document;
  return Error{ErrorCode::kInvalidArgument, "policy.file_malformed", file + R"( is no JSON object like {"rules":[…]})"};
}

// The document of --file, or the rules of the command line.
Result<nlohmann::json> document_of(const PolicyOptions& options) {
  if (!options.file.empty()) return read_document(options.file);
  nlohmann::json rules = nlohmann::json::array();
  if (!options.publish.empty()) rules.push_back({{"action", "publish"}, {"topics", options.publish}});
  if (!options.subscribe.empty()) rules.push_back({{"action", "subscribe"}, {"topics", options.subscribe}});
  return nlohmann::json{{"rules", rules}};
}

// The answer in words; what it comes from below.
int print_verdict(const nlohmann::json& answer) {
  const bool allowed = answer["verdict"] == "allow";
  say(allowed ? green("allowed") : red("denied") + ": " + answer["reason"].get<std::string>());
  const auto& policy = answer["policy"];
  const std::string from = policy["from"];
  std::string line = "policy: " + (policy["name"].is_null() ? "" : policy["name"].get<std::string>() + ", ");
  line += from == "built-in" ? "the built-in default" : from == "draft" ? "the file" : "of the " + from;
  if (!policy["group"].is_null()) line += " " + policy["group"].get<std::string>();
  say(line);
  if (!answer["rule"].is_null()) {
    say("rule " + std::to_string(answer["rule"]["index"].get<long>()) + ": " + answer["rule"].dump());
  }
  if (!answer["grant"].is_null()) say("grant: " + answer["grant"].dump());
  return allowed ? 0 : 3;
}

int test(ApiSession& api, const TestOptions& options) {
  nlohmann::json body{{"device", options.device},
                      {"action", options.action},
                      {"topic", options.topic},
                      {"qos", options.qos},
                      {"payload_size", options.payload_size},
                      {"retain", options.retain}};
  if (!options.serial.empty()) body["certificate_serial"] = options.serial;
  if (!options.file.empty()) {
    auto document = read_document(options.file);
    if (!document.ok()) return complain(document.error());
    body["policy"] = std::move(*document);
  }
  const auto answer = api.call("POST", tenant_path(options.tenant) + "/policy-tests", body);
  if (!answer.ok() || options.json) return print_object(answer);
  return print_verdict(*answer);
}

void declare_test(Command& policy) {
  auto options = std::make_shared<TestOptions>();
  Command command = policy.add_command("test", "what a device may do, and which rule says so; exit status 3: denied");
  command.option("--tenant", options->tenant, "tenant")
      .option("--device", options->device, "device, or without --tenant TENANT/DEVICE")
      .option("--action", options->action, "publish (default), subscribe, receive, retain or will")
      .option("--topic", options->topic, "topic, or for subscribe the topic filter")
      .option("--qos", options->qos, "0, 1 or 2")
      .option("--payload-size", options->payload_size, "octets")
      .flag("--retain", options->retain, "the message is to be retained")
      .option("--serial", options->serial, "of the device's certificate; default: the one that ends last")
      .option("--policy", options->file, "file with a document to try instead of the one in force")
      .flag("--json", options->json, "the server's answer");
  run_with_session(command, options->server, [options](ApiSession& api) {
    const std::size_t slash = options->device.find('/');
    if (options->tenant.empty() && slash != std::string::npos) {  // a principal says both
      options->tenant = options->device.substr(0, slash);
      options->device.erase(0, slash + 1);
    }
    if (!options->tenant.empty() && !options->device.empty() && !options->topic.empty()) return test(api, *options);
    return complain("--tenant, --device and --topic are needed");
  });
}

}  // namespace

void declare_policy(Command& root) {
  Command policy = root.add_command("policy", "create, replace, list, show, delete, test policies");
  auto options = std::make_shared<PolicyOptions>();
  const auto declare = [&](const char* verb, const char* help, std::function<int(ApiSession&)> action) {
    Command command = policy.add_command(verb, help);
    command.required("tenant", options->tenant, "tenant").required("name", options->name, "policy");
    run_with_session(command, options->server, std::move(action));
    return command;
  };
  const auto with_rules = [&](Command command) {
    command.options("--publish", options->publish, "topic filter, for example '${tenant}/${device}/telemetry/#'")
        .options("--subscribe", options->subscribe, "topic filter")
        .option("--file", options->file, "instead: a JSON document with rules and limits (docs/policies.md)");
  };
  with_rules(declare("create", "create a policy: an allow-list of topic filters", [options](ApiSession& api) {
    auto document = document_of(*options);
    if (!document.ok()) return complain(document.error());
    (*document)["name"] = options->name;
    return print_object(api.call("POST", policies_path(*options), *document));
  }));
  with_rules(declare("replace", "replace a policy's rules", [options](ApiSession& api) {
    const auto document = document_of(*options);
    if (!document.ok()) return complain(document.error());
    const std::string path = policies_path(*options) + "/" + http::percent_encode(options->name);
    return print_object(api.call("PUT", path, *document));
  }));
  declare("show", "show one policy", [options](ApiSession& api) {
    return print_object(api.get(policies_path(*options) + "/" + http::percent_encode(options->name)));
  });
  declare("delete", "delete a policy", [options](ApiSession& api) {
    return print_object(
        api.call("DELETE", policies_path(*options) + "/" + http::percent_encode(options->name), nullptr));
  });
  Command list = policy.add_command("list", "list the policies of a tenant");
  list.required("tenant", options->tenant, "tenant");
  run_with_session(list, options->server, [options](ApiSession& api) {
    return print_list(api.list(policies_path(*options)), {"name", "rules", "limits", "id"});
  });
  declare_test(policy);
}

}  // namespace muster::cli
