// SPDX-License-Identifier: Apache-2.0
//
// `muster log verify`: everything is computed again from what the log publishes, nothing is taken from the server's
// word but which certificates are active, and that list must be covered.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "ca/checkpoint.h"
#include "cli/api_session.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/reasons.h"
#include "core/encoding.h"
#include "core/file.h"

namespace muster::cli {
namespace {

using nlohmann::json;

constexpr std::uint64_t kTileWidth = 256;
constexpr std::size_t kHash = 32;

struct LogOptions {
  ServerOptions server;
  std::string state;
  std::string key;
  std::string tenant;
};

Error failed(const std::string& what) { return {ErrorCode::kCorrupt, kLogVerificationFailed, what}; }

// What an earlier run has seen and this one holds the log to.
struct Remembered {
  std::string key;
  ca::TreeHead head;
};

Result<std::optional<Remembered>> read_state(const std::string& path) {
  const auto text = read_file(path, 4096);
  if (!text.ok() && text.error().code == ErrorCode::kNotFound) return std::optional<Remembered>{};
  if (!text.ok()) return text.error();
  const json state = json::parse(as_text(*text), nullptr, false);
  const bool whole = state.is_object() && state.contains("key") && state["key"].is_string() && state.contains("size") &&
                     state["size"].is_number_unsigned() && state.contains("root") && state["root"].is_string();
  const auto root = whole ? from_base64(state["root"].get<std::string>()) : Result<Bytes>(Bytes{});
  if (!root.ok() || root->size() != kHash) return failed(path + " is no state of an earlier run");
  Remembered seen{state["key"].get<std::string>(), {state["size"].get<std::uint64_t>(), {}}};
  std::copy(root->begin(), root->end(), seen.head.root.begin());
  return std::optional<Remembered>{seen};
}

// C2SP tlog-tiles: groups of three digits, all but the last with an x before it.
std::string tile_name(std::uint64_t number) {
  std::string name;
  for (bool last = true; last || number > 0; last = false, number /= 1000) {
    std::string group = std::to_string(1000 + number % 1000).substr(1);
    name = last ? group : "x" + group + "/" + name;
  }
  return name;
}

class LogVerifier {
 public:
  explicit LogVerifier(ApiSession& api) : api_(api) {}

  // The whole tree from its entries; it must have `head`'s root, and at `seen`'s size the root that was seen.
  Result<void> verify_tree(const ca::TreeHead& head, const std::optional<Remembered>& seen) {
    if (seen && seen->head.size > head.size) {
      return failed("FORK: the log had " + std::to_string(seen->head.size) + " entries before and has " +
                    std::to_string(head.size) + " now: an older database was restored, or entries were removed");
    }
    ca::MerkleFrontier frontier;
    const auto compare = [&]() -> Result<void> {
      if (!seen || frontier.size() != seen->head.size || frontier.root() == seen->head.root) return {};
      return failed("FORK: the first " + std::to_string(seen->head.size) +
                    " entries are not those that were seen before");
    };
    MUSTER_TRY_VOID(compare());
    for (std::uint64_t first = 0; first < head.size; first += kTileWidth) {
      MUSTER_TRY_VOID(load_entries(first, std::min(kTileWidth, head.size - first)));
      for (std::size_t i = first; i < entries_.size(); ++i) {
        frontier.append(ca::merkle_leaf(entries_[i]));
        MUSTER_TRY_VOID(compare());
      }
    }
    if (frontier.root() != head.root) return failed("the entries do not have the root that the checkpoint signs");
    return {};
  }

  // What the tenant's entries commit to, and that each of `active` is among them.
  Result<void> verify_tenant(const std::string& tenant, const std::set<std::string>& active) {
    std::set<std::string> missing = active;
    for (json from = 0; !from.is_null();) {
      MUSTER_TRY(const json page, api_.get(tenant_path(tenant) + "/log?from=" + from.dump()));
      MUSTER_TRY(const TenantId id, TenantId::parse(page.value("tenant_id", "")));
      for (const json& item : page.value("items", json::array())) MUSTER_TRY_VOID(verify_opening(id, item, missing));
      from = page.value("next_from", json());
    }
    if (missing.empty()) return {};
    return failed("tenant " + tenant + ": " + std::to_string(missing.size()) +
                  " active certificates are not in the log, the first is " + *missing.begin());
  }
  std::size_t opened() const { return opened_; }

 private:
  Result<void> load_entries(std::uint64_t first, std::uint64_t width) {
    std::string target = "/tile/entries/" + tile_name(first / kTileWidth);
    if (width < kTileWidth) target += ".p/" + std::to_string(width);
    MUSTER_TRY(const std::string bundle, api_.fetch(target));
    const BytesView octets = as_bytes(bundle);
    if (octets.size() != width * (2 + kHash)) return failed(target + " has another length than its entries");
    for (std::uint64_t i = 0; i < width; ++i) {
      const BytesView entry = octets.subspan(i * (2 + kHash), 2 + kHash);
      if (entry[0] != 0 || entry[1] != kHash) return failed(target + " holds what is no entry");
      Sha256& stored = entries_.emplace_back();
      std::copy(entry.begin() + 2, entry.end(), stored.begin());
    }
    return {};
  }

  Result<void> verify_opening(const TenantId& tenant, const json& item, std::set<std::string>& missing) {
    const std::string certificate = item.value("certificate_id", "");
    const std::uint64_t index = item.value("index", std::uint64_t{0});
    if (index >= entries_.size()) {  // appended after the checkpoint
      missing.erase(certificate);
      return {};
    }
    MUSTER_TRY(const IssuerId issuer, IssuerId::parse(item.value("issuer_id", "")));
    const auto id = from_hex(certificate);
    const auto blinding = from_base64(item.value("blinding", ""));
    if (!id.ok() || !blinding.ok() || id->size() != kHash || blinding->size() != kHash) {
      return failed("entry " + std::to_string(index) + " cannot be opened");
    }
    ca::LoggedCertificate logged{tenant, issuer, {}};
    Sha256 blinding_hash{};
    std::copy(id->begin(), id->end(), logged.id.begin());
    std::copy(blinding->begin(), blinding->end(), blinding_hash.begin());
    if (ca::log_entry(blinding_hash, logged) != entries_[index]) {
      return failed("entry " + std::to_string(index) + " is not of the certificate " + certificate);
    }
    missing.erase(certificate);
    ++opened_;
    return {};
  }

  ApiSession& api_;
  std::vector<Sha256> entries_;
  std::size_t opened_ = 0;
};

Result<std::vector<std::string>> tenants_of(ApiSession& api, const LogOptions& options) {
  if (!options.tenant.empty()) return std::vector<std::string>{options.tenant};
  MUSTER_TRY(const auto rows, api.list("/v1/tenants?limit=1000"));
  std::vector<std::string> names;
  for (const json& row : rows) names.push_back(row.value("name", ""));
  return names;
}

Result<json> verify(ApiSession& api, const LogOptions& options) {
  MUSTER_TRY(const auto seen, read_state(options.state));
  std::string key_text = options.key.empty() && seen ? seen->key : options.key;
  MUSTER_TRY(std::string served, api.fetch("/log-key"));
  while (served.ends_with('\n')) served.pop_back();
  if (key_text.empty()) key_text = served;
  if (key_text != served) return failed("FORK: the log has another key, " + served);
  MUSTER_TRY(const ca::VerifierKey key, ca::parse_verifier_key(key_text));
  // The certificates first: what is active now is in the log that is read afterwards.
  std::map<std::string, std::set<std::string>> active;
  MUSTER_TRY(const auto tenants, tenants_of(api, options));
  for (const std::string& tenant : tenants) {
    MUSTER_TRY(const auto rows, api.list(tenant_path(tenant) + "/certificates?status=active&limit=1000"));
    for (const json& row : rows) active[tenant].insert(row.value("id", ""));
  }
  MUSTER_TRY(const std::string note, api.fetch("/checkpoint"));
  MUSTER_TRY(const ca::TreeHead head, ca::open_checkpoint(key, note));
  LogVerifier verifier{api};
  MUSTER_TRY_VOID(verifier.verify_tree(head, seen));
  std::size_t certificates = 0;
  for (const std::string& tenant : tenants) {
    MUSTER_TRY_VOID(verifier.verify_tenant(tenant, active[tenant]));
    certificates += active[tenant].size();
  }
  const json state = {{"key", key_text}, {"size", head.size}, {"root", to_base64(head.root)}};
  const std::string text = state.dump() + "\n";
  MUSTER_TRY_VOID(write_file_durably(options.state, as_bytes(text), 0600));
  return json{{"origin", key.origin},
              {"size", head.size},
              {"grown_from", seen ? json(seen->head.size) : json()},
              {"entries_opened", verifier.opened()},
              {"active_certificates", certificates}};
}

}  // namespace

void declare_log(Command& root) {
  Command log = root.add_command("log", "the issuance log");
  auto options = std::make_shared<LogOptions>();
  Command verify_command =
      log.add_command("verify", "prove that the log only grew and that every active certificate is in it");
  verify_command.option("--state", options->state, "what was seen last is kept here [FOLDER/log-state.json]")
      .option("--key", options->key, "the log's verifier key; else that of --state, or the first one seen")
      .option("--tenant", options->tenant, "only its certificates are looked for; a tenant's token suffices");
  run_with_session(verify_command, options->server, [options](ApiSession& api) {
    if (options->state.empty()) options->state = options->server.folder + "/log-state.json";
    try {
      return print_object(verify(api, *options));
    } catch (const json::exception& fault) {
      return complain(Error{ErrorCode::kCorrupt, kAnswerMalformed, fault.what()});
    }
  });
}

}  // namespace muster::cli
