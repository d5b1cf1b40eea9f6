// SPDX-License-Identifier: Apache-2.0
#include "cli/private_postgres.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "cli/output.h"
#include "cli/reasons.h"
#include "core/file.h"

namespace muster::cli {
namespace {

namespace fs = std::filesystem;

std::string user_name(uid_t user) {
  const passwd* entry = getpwuid(user);
  return entry ? entry->pw_name : std::to_string(user);
}

std::string replace_all(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

Result<void> write_text(const std::string& path, const std::string& text, mode_t mode, uid_t user, gid_t group) {
  MUSTER_TRY_VOID(write_file_durably(path, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, mode));
  if (getuid() == 0 && chown(path.c_str(), user, group) != 0) {
    return Error{ErrorCode::kFailedPrecondition, kFolderUnusable, path + ": cannot be given to PostgreSQL's user"};
  }
  return {};
}

std::string configuration(const std::string& socket_folder) {
  // A list of folders, each in double quotes, inside a string in single quotes.
  const std::string socket = replace_all("\"" + replace_all(socket_folder, "\"", "\"\"") + "\"", "'", "''");
  return "# Written by `muster up` at every start.\n"
         "listen_addresses = ''\n"
         "unix_socket_directories = '" +
         socket +
         "'\n"
         "port = 5432\n"
         "fsync = on\n"
         "synchronous_commit = on\n"
         "full_page_writes = on\n"
         "max_connections = 100\n"
         "shared_buffers = 256MB\n"
         "max_wal_size = 1GB\n"  // the broker's WAL leaves twice that free
         "min_wal_size = 512MB\n"
         "wal_buffers = 16MB\n"
         "wal_compression = lz4\n"
         "checkpoint_timeout = 15min\n"
         // New tables are filled by thousands of rows a second, and statements keep the plans that were made when they
         // were empty until statistics come: within seconds, not within a minute.
         "autovacuum_naptime = 5s\n"
         "jit = off\n"  // short statements whose costs are often guessed too high
         "log_line_prefix = '%m [%p] '\n"
         "log_min_messages = warning\n"
         "logging_collector = off\n"
         "timezone = 'UTC'\n"
         "log_timezone = 'UTC'\n"
         "password_encryption = 'scram-sha-256'\n";
}

// The folder's owner may log in as the owner, the server and the worker; edges have passwords; nobody else gets in.
constexpr const char* kHostBasedAuthentication =
    "# Written by `muster up` at every start.\n"
    "local all postgres,muster_server,muster_worker peer map=muster\n"
    "local all all scram-sha-256\n";

std::string user_map(uid_t us, uid_t database_user) {
  std::string out = "# Written by `muster up` at every start.\n";
  for (const uid_t user : {us, database_user}) {
    for (const char* role : {"postgres", "muster_server", "muster_worker"}) {
      out += "muster \"" + user_name(user) + "\" " + role + "\n";
    }
    if (us == database_user) break;
  }
  return out;
}

}  // namespace

std::string quote_connection_value(const std::string& value) {
  return "'" + replace_all(replace_all(value, "\\", "\\\\"), "'", "\\'") + "'";
}

Result<PrivatePostgres> PrivatePostgres::find(const DeploymentFolder& folder) {
  int newest = 0;
  std::error_code fault;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", fault)) {
    const int version = std::atoi(entry.path().filename().c_str());
    if (version >= 15 && fs::exists(entry.path() / "bin/initdb", fault)) newest = std::max(newest, version);
  }
  // A cluster stays with the version that made it.
  std::ifstream made_by(folder.database_folder() + "/data/PG_VERSION");
  if (int version = 0; made_by >> version) newest = version;
  const std::string programs = "/usr/lib/postgresql/" + std::to_string(newest) + "/bin";
  if (newest != 0 && fs::exists(programs + "/postgres", fault)) return PrivatePostgres(folder, programs);
  return Error{ErrorCode::kFailedPrecondition, kProgramMissing,
               "the PostgreSQL server programs (" + programs + ") are missing; run scripts/install-deps"};
}

ChildSpec PrivatePostgres::as_database_user(std::vector<std::string> arguments) const {
  ChildSpec spec;
  spec.arguments = std::move(arguments);
  spec.working_folder = "/";  // ours may be closed to PostgreSQL's user
  if (getuid() == 0) {
    spec.run_as_user = folder_->database_user();
    spec.run_as_group = folder_->database_group();
  }
  return spec;
}

Result<void> PrivatePostgres::prepare() const {
  const std::string& data = data_;
  std::error_code fault;
  if (!fs::exists(data, fault)) {
    say("making a private PostgreSQL in " + folder_->paths().at("postgres"));
    // Made under another name: a run that was killed in the middle leaves nothing that looks finished.
    fs::remove_all(data + ".new", fault);
    MUSTER_TRY(const FinishedProgram made,
               run_program(as_database_user({programs_ + "/initdb", "-D", data + ".new", "-U", "postgres",
                                             "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums", "--auth=peer"}),
                           std::chrono::minutes(3)));
    if (made.exit_status != 0) {
      return Error{ErrorCode::kFailedPrecondition, kChildStartFailed, "initdb failed: " + made.output};
    }
    fs::rename(data + ".new", data, fault);
    if (fault) return Error{ErrorCode::kFailedPrecondition, kFolderUnusable, data + ": " + fault.message()};
  }
  const uid_t user = folder_->database_user();
  const gid_t group = folder_->database_group();
  MUSTER_TRY_VOID(write_text(data + "/postgresql.conf", configuration(folder_->socket_folder()), 0600, user, group));
  MUSTER_TRY_VOID(write_text(data + "/pg_hba.conf", kHostBasedAuthentication, 0600, user, group));
  return write_text(data + "/pg_ident.conf", user_map(getuid(), user), 0600, user, group);
}

Service PrivatePostgres::service() const {
  Service out;
  out.name = "postgres";
  out.child = as_database_user({programs_ + "/postgres", "-D", data_});
  // SIGINT is a fast shutdown: open transactions end, everything is written, exit.
  out.child.signal_when_orphaned = SIGINT;
  out.stop_signal = SIGINT;
  out.stop_limit = std::chrono::milliseconds(20'000);
  return out;
}

Result<std::string> PrivatePostgres::query(const std::string& database, const std::string& sql) const {
  MUSTER_TRY(const FinishedProgram done,
             run_program(as_database_user({programs_ + "/psql", "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-d",
                                           url("postgres") + " dbname=" + database, "-c", sql}),
                         std::chrono::seconds(20)));
  if (done.exit_status == 0) return done.output;
  return Error{ErrorCode::kUnavailable, kChildNotReady, done.output};
}

Result<void> PrivatePostgres::wait_ready(const Supervisor& supervisor, std::chrono::milliseconds limit) const {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  for (;;) {
    const auto found = query("postgres", "SELECT count(*) FROM pg_database WHERE datname = 'muster'");
    if (found.ok() && found->starts_with("1")) return {};
    if (found.ok()) {
      const auto made = query("postgres", "CREATE DATABASE muster");
      if (made.ok()) return {};
      return made.error();
    }
    if (supervisor.stopping() || std::chrono::steady_clock::now() > deadline) {
      return Error{ErrorCode::kUnavailable, kChildNotReady,
                   "PostgreSQL does not answer: " + found.error().detail + supervisor.last_line_of("postgres") +
                       "; its log is " + folder_->paths().at("log/postgres.log")};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
  }
}

std::string PrivatePostgres::url(const std::string& user) const {
  return "host=" + quote_connection_value(folder_->socket_folder()) + " port=5432 user=" + user + " dbname=muster";
}

std::string PrivatePostgres::edge_url(const std::string& role, const std::string& password) const {
  return url(role) + " password=" + quote_connection_value(password);
}

}  // namespace muster::cli
