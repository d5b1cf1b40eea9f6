// SPDX-License-Identifier: Apache-2.0
#include "cli/bootstrap.h"

#include <unistd.h>

#include "ca/key_store_config.h"
#include "cli/device_key.h"
#include "cli/installed_files.h"
#include "core/clock.h"
#include "core/encoding.h"
#include "core/file.h"
#include "core/metrics.h"
#include "core/random.h"
#include "db/connection_pool.h"
#include "db/migrator.h"
#include "db/transaction.h"
#include "enroll/heartbeat_signer.h"
#include "enroll/registration_authority.h"
#include "registry/token_store.h"
#include "x509/sha256.h"

namespace muster::cli {
namespace {

constexpr long kRenewServerCertificateBefore = 30L * 86'400;  // seconds before its end

bool exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

BytesView bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

Result<void> write_text(const std::string& path, const std::string& text, mode_t mode) {
  return write_file_durably(path, bytes_of(text), mode);
}

Result<void> make_kek(const std::string& path) {
  if (exists(path)) return {};
  return write_text(path, to_hex(random_bytes(32)) + "\n", 0600);
}

// The server's own certificate: made when there is none and again before it ends.
Result<void> make_server_certificate(const FolderPaths& paths, enroll::RegistrationAuthority& authority) {
  const std::string certificate_file = paths.at("pki/server.pem");
  if (exists(certificate_file)) {
    MUSTER_TRY(const Bytes present, read_file(certificate_file, 64 * 1024));
    const auto end = certificate_not_after(std::string(present.begin(), present.end()));
    const long now = static_cast<long>(SystemClock().now().time_since_epoch().count());
    if (end.ok() && *end - now > kRenewServerCertificateBefore) return {};
  }
  MUSTER_TRY(const KeyAndRequest made, make_key_and_request("muster server"));
  enroll::Caller local;
  local.role = enroll::CallerRole::kLocal;
  enroll::InfrastructureRequest request;
  request.role = enroll::InfrastructureRole::kServer;
  request.csr = made.request_pem;
  request.names = {"localhost", "127.0.0.1"};
  MUSTER_TRY(const enroll::IssuedCertificate issued, authority.issue_infrastructure(local, request));
  MUSTER_TRY_VOID(write_text(paths.at("pki/server.key"), made.key_pem, 0600));
  return write_text(certificate_file, issued.certificate_pem + issued.chain_pem, 0644);
}

// The first platform administrator. Its token is stored before the file is written: a crash in between leaves a token
// that nobody knows, and the next start makes another.
Result<void> make_admin_token(const FolderPaths& paths, db::ConnectionPool& pool) {
  if (exists(paths.admin_token())) return {};
  const std::string token = "mst_" + to_base64url(random_bytes(32));
  registry::NewToken row;
  row.role = registry::TokenRole::kPlatformAdmin;
  row.description = "made by muster up";
  row.sha256 = x509::sha256(bytes_of(token));
  const auto stored = db::run_in_transaction(pool, db::Scope::system(),
                                             [&](db::Transaction& tx) { return registry::create_token(tx, row); });
  if (!stored.ok()) return stored.error();
  return write_text(paths.admin_token(), token + "\n", 0600);
}

}  // namespace

Result<void> migrate_database(const std::string& owner_database_url) {
  MUSTER_TRY(const std::string folder, find_migrations_folder());
  MUSTER_TRY(std::vector<db::Migration> migrations, db::read_migrations(folder));
  const auto applied = db::Migrator(owner_database_url, std::move(migrations)).up();
  if (!applied.ok()) return applied.error();
  return {};
}

Result<void> initialise_deployment(const DeploymentFolder& folder, const BootstrapRequest& request) {
  const FolderPaths& paths = folder.paths();
  MUSTER_TRY_VOID(make_kek(paths.kek()));
  MUSTER_TRY(auto keys, ca::KeyRing::load(paths.kek()));

  db::PoolConfig pool_config;
  pool_config.url = request.server_database_url;
  pool_config.application_name = "muster up";
  pool_config.size = 2;
  MUSTER_TRY(const auto pool, db::ConnectionPool::create(std::move(pool_config)));

  const SystemClock clock;
  MetricsRegistry metrics;
  enroll::RegistrationAuthorityConfig config;
  config.trust_domain = request.trust_domain;
  config.plain_url = request.plain_url;
  MUSTER_TRY(const auto authority,
             enroll::RegistrationAuthority::create(std::move(config), std::move(keys), *pool, clock, metrics));
  MUSTER_TRY_VOID(authority->initialise_deployment());
  MUSTER_TRY_VOID(write_text(paths.infrastructure_root(), authority->infrastructure_root_pem(), 0644));
  MUSTER_TRY(const std::string device_root, authority->device_root_pem());
  MUSTER_TRY_VOID(write_text(paths.device_root(), device_root, 0644));
  MUSTER_TRY_VOID(enroll::HeartbeatSigner(*authority).public_key());
  MUSTER_TRY_VOID(make_server_certificate(paths, *authority));
  return make_admin_token(paths, *pool);
}

}  // namespace muster::cli
