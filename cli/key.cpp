// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <nlohmann/json.hpp>

#include "ca/key_ring.h"
#include "cli/api_session.h"
#include "cli/commands.h"
#include "cli/deployment_folder.h"
#include "cli/output.h"
#include "core/encoding.h"
#include "core/random.h"

namespace muster::cli {
namespace {

struct KeyOptions {
  ServerOptions server;
  std::string kek_file;
  std::string key;
};

std::string kek_file(const KeyOptions& options) {
  return options.kek_file.empty() ? FolderPaths(options.server.folder).kek() : options.kek_file;
}

std::string id_of(const ca::KeyEncryptionKey& key) { return to_hex(key.id()); }

// Puts a new key before those of the file. A file that has several is in the middle of a rotation already.
Result<void> begin_rotation(const std::string& path) {
  MUSTER_TRY(const auto present, ca::read_key_file(path));
  if (present.size() > 1) {
    say("the file holds " + std::to_string(present.size()) + " keys: going on with the rotation to " +
        id_of(present.front()));
    return {};
  }
  const SecretBytes octets{random_bytes(32)};
  MUSTER_TRY(const auto fresh, ca::KeyEncryptionKey::from_bytes(octets.view()));
  MUSTER_TRY_VOID(ca::write_key_file(path, {&fresh, &present.front()}));
  say("the file begins with the new key " + id_of(fresh));
  return {};
}

// Exit status 0: no key is under another key-encryption key.
int rewrap_all(ApiSession& api, const std::string& expected) {
  nlohmann::json body = nlohmann::json::object();
  for (;;) {
    const auto answer = api.call("POST", "/v1/keys/rewrap", body);
    if (!answer.ok()) return complain(answer.error());
    if (answer->value("primary", "") != expected) {
      return complain("the server wraps with " + answer->value("primary", "") + ", not with " + expected +
                      ": is it another file, or on another host?");
    }
    say(std::to_string(answer->value("rewrapped", 0)) + " wrapped again, " +
        std::to_string(answer->value("remaining", 0)) + " remaining");
    for (const auto& failure : answer->at("failures")) {
      complain("issuer " + failure.value("issuer_id", "") + ": " + failure.value("reason", ""));
    }
    if (!answer->at("next_cursor").is_null()) {
      body["cursor"] = answer->at("next_cursor");
      continue;
    }
    if (answer->value("remaining", 0) > 0) return complain("some keys are not under the new key");
    say("nothing uses an older key; when every server has the new file: muster key drop-kek");
    return 0;
  }
}

int rotate(ApiSession& api, const KeyOptions& options) {
  const std::string path = kek_file(options);
  const auto begun = begin_rotation(path);
  if (!begun.ok()) return complain(begun.error());
  const auto keys = ca::read_key_file(path);
  if (!keys.ok()) return complain(keys.error());
  return rewrap_all(api, id_of(keys->front()));
}

// Whether the server knows that key as its primary, and how many keys each other one wraps.
Result<std::int64_t> uses_of(const nlohmann::json& shown, const std::string& id, bool is_first) {
  for (const auto& one : shown.at("key_encryption_keys")) {
    if (one.value("id", "") != id) continue;
    if (one.value("primary", false) != is_first) break;
    return one.value("keys", std::int64_t{0});
  }
  return Error{ErrorCode::kFailedPrecondition, "kek.unknown", "the server's file is another one: it differs in " + id};
}

int drop(ApiSession& api, const KeyOptions& options) {
  const std::string path = kek_file(options);
  const auto keys = ca::read_key_file(path);
  if (!keys.ok()) return complain(keys.error());
  const auto shown = api.get("/v1/keys");
  if (!shown.ok()) return complain(shown.error());
  std::vector<const ca::KeyEncryptionKey*> kept;
  for (const ca::KeyEncryptionKey& key : *keys) {
    const auto uses = uses_of(*shown, id_of(key), kept.empty());
    if (!uses.ok()) return complain(uses.error());
    if (kept.empty() || *uses > 0) kept.push_back(&key);
    if (kept.back() != &key) {
      say("dropped " + id_of(key));
    } else if (kept.size() > 1) {
      complain("kept " + id_of(key) + ": " + std::to_string(*uses) + " keys are under it; muster key rotate-kek");
    }
  }
  const auto written = ca::write_key_file(path, kept);
  if (!written.ok()) return complain(written.error());
  return kept.size() == 1 ? 0 : 1;
}

}  // namespace

void declare_key(Command& root) {
  Command key = root.add_command("key", "where the CAs' private keys lie; another key-encryption key");
  auto options = std::make_shared<KeyOptions>();

  Command list = key.add_command("list", "how many keys lie under which key-encryption key, and in the token");
  run_with_session(list, options->server, [](ApiSession& api) { return print_object(api.get("/v1/keys")); });

  Command remove = key.add_command("remove-unused", "destroy a key in the token that no CA uses (see muster key list)");
  remove.required("key", options->key, "id of the key");
  run_with_session(remove, options->server, [options](ApiSession& api) {
    return print_object(api.call("DELETE", "/v1/keys/token/" + http::percent_encode(options->key), nullptr));
  });

  constexpr const char* kFileHelp = "the server's file of key-encryption keys; default: that of the folder";
  Command rotate_command =
      key.add_command("rotate-kek", "put a new key-encryption key first and wrap every key by it; run again to go on");
  rotate_command.option("--kek-file", options->kek_file, kFileHelp);
  run_with_session(rotate_command, options->server, [options](ApiSession& api) { return rotate(api, *options); });

  Command drop_command = key.add_command("drop-kek", "take key-encryption keys that nothing uses out of the file");
  drop_command.option("--kek-file", options->kek_file, kFileHelp);
  run_with_session(drop_command, options->server, [options](ApiSession& api) { return drop(api, *options); });
}

}  // namespace muster::cli
