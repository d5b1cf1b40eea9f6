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
#include "cli/log_state.h"
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

class LogVerifier {
 public:
  explicit LogVerifier(ApiSession& api) : api_(api) {}

  // The whole tree from its entries; it must have `head`'s root, and at `seen`'s size the root that was seen.
  Result<void> verify_tree(const ca::TreeHead& head, const std::optional<SeenLog>& seen) {
    if (seen && seen->head.size > head.size) {
      return log_failed("FORK: the log had " + std::to_string(seen->head.size) + " entries before and has " +
                        std::to_string(head.size) + " now: an older database was restored, or entries were removed");
    }
    ca::MerkleFrontier frontier;
    const auto compare = [&]() -> Result<void> {
      if (!seen || frontier.size() != seen->head.size || frontier.root() == seen->head.root) return {};
      return log_failed("FORK: the first " + std::to_string(seen->head.size) +
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
    if (frontier.root() != head.root) return log_failed("the entries do not have the root that the checkpoint signs");
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
    return log_failed("tenant " + tenant + ": " + std::to_string(missing.size()) +
                      " active certificates are not in the log, the first is " + *missing.begin());
  }
  std::size_t opened() const { return opened_; }

 private:
  Result<void> load_entries(std::uint64_t first, std::uint64_t width) {
    std::string target = "/tile/entries/" + tile_name(first / kTileWidth);
    if (width < kTileWidth) target += ".p/" + std::to_string(width);
    MUSTER_TRY(const std::string bundle, api_.fetch(target));
    const BytesView octets = as_bytes(bundle);
    if (octets.size() != width * (2 + kHash)) return log_failed(target + " has another length than its entries");
    for (std::uint64_t i = 0; i < width; ++i) {
      const BytesView entry = octets.subspan(i * (2 + kHash), 2 + kHash);
      if (entry[0] != 0 || entry[1] != kHash) return log_failed(target + " holds what is no entry");
      Sha256& stored = entries_.emplace_back();
      std::copy(entry.begin() + 2, entry.end(), stored.begin());
    }
    return {};
  }

  Result<void> verify_opening(const TenantId& tenant, const json& item, std::set<std::string>& missing) {
    const std::string certificate = item.value("certificate_id", "");
    const std::uint64_t index = item.value("index", std::uint64_t{0});
    // Appended after the checkpoint: not checked, and no proof for a certificate that was active before it.
    if (index >= entries_.size()) return {};
    MUSTER_TRY(const IssuerId issuer, IssuerId::parse(item.value("issuer_id", "")));
    const auto id = from_hex(certificate);
    const auto blinding = from_base64(item.value("blinding", ""));
    if (!id.ok() || !blinding.ok() || id->size() != kHash || blinding->size() != kHash) {
      return log_failed("entry " + std::to_string(index) + " cannot be opened");
    }
    ca::LoggedCertificate logged{tenant, issuer, {}};
    Sha256 blinding_hash{};
    std::copy(id->begin(), id->end(), logged.id.begin());
    std::copy(blinding->begin(), blinding->end(), blinding_hash.begin());
    if (ca::log_entry(blinding_hash, logged) != entries_[index]) {
      return log_failed("entry " + std::to_string(index) + " is not of the certificate " + certificate);
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

// The key that the log must have: the one given, the one seen before, or the one it serves now.
Result<std::string> agreed_key(ApiSession& api, const LogOptions& options, const std::optional<SeenLog>& seen) {
  std::string key = options.key.empty() && seen ? seen->key : options.key;
  MUSTER_TRY(std::string served, api.fetch("/log-key"));
  while (served.ends_with('\n')) served.pop_back();
  if (key.empty()) key = served;
  if (key != served) return log_failed("FORK: the log has another key, " + served);
  return key;
}

// By a proof made of a few tiles: nothing of the entries is read, so it can run every minute.
Result<json> follow(ApiSession& api, const LogOptions& options) {
  MUSTER_TRY(const auto seen, read_log_state(options.state));
  MUSTER_TRY(const std::string key_text, agreed_key(api, options, seen));
  MUSTER_TRY(const ca::VerifierKey key, ca::parse_verifier_key(key_text));
  MUSTER_TRY(const std::string note, api.fetch("/checkpoint"));
  MUSTER_TRY(const ca::TreeHead head, ca::open_checkpoint(key, note));
  if (seen) {
    if (seen->head.size > head.size) return log_failed("FORK: the log is shorter than it was");
    LogTiles tiles{api, head.size};
    MUSTER_TRY(const auto proof, ca::consistency_proof(seen->head.size, head.size,
                                                       [&](const ca::NodeName& name) { return tiles.node(name); }));
    if (!ca::verify_consistency(seen->head, head, proof)) {
      return log_failed("FORK: the log of " + std::to_string(head.size) + " entries does not contain that of " +
                        std::to_string(seen->head.size) + " that was seen before");
    }
  }
  MUSTER_TRY_VOID(write_log_state(options.state, {key_text, head}));
  return json{{"origin", key.origin}, {"size", head.size}, {"grown_from", seen ? json(seen->head.size) : json()}};
}

int report(ApiSession& api, LogOptions& options, Result<json> (*work)(ApiSession&, const LogOptions&)) {
  if (options.state.empty()) options.state = options.server.folder + "/log-state.json";
  try {
    return print_object(work(api, options));
  } catch (const json::exception& fault) {
    return complain(Error{ErrorCode::kCorrupt, kAnswerMalformed, fault.what()});
  }
}

Result<json> verify(ApiSession& api, const LogOptions& options) {
  MUSTER_TRY(const auto seen, read_log_state(options.state));
  MUSTER_TRY(const std::string key_text, agreed_key(api, options, seen));
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
  MUSTER_TRY_VOID(write_log_state(options.state, {key_text, head}));
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
  run_with_session(verify_command, options->server,
                   [options](ApiSession& api) { return report(api, *options, verify); });
  Command follow_command = log.add_command("follow", "prove by a few tiles that the log only grew since the last run");
  follow_command.option("--state", options->state, "what was seen last is kept here [FOLDER/log-state.json]")
      .option("--key", options->key, "the log's verifier key; else that of --state, or the first one seen");
  run_with_session(follow_command, options->server,
                   [options](ApiSession& api) { return report(api, *options, follow); });
}

}  // namespace muster::cli
