// SPDX-License-Identifier: Apache-2.0
#include "support/postgres_lab.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <vector>

#include "support/eventually.h"

namespace muster::test_support {

namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

constexpr const char* kTemplate = "muster_template";
// Part of the cache's key: raise it when what make_cache does changes.
constexpr const char* kCacheFormat = "2";

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error("PostgresLab: " + what); }

fs::path server_binaries() {
  fs::path newest;
  std::error_code ignored;
  for (const auto& version : fs::directory_iterator("/usr/lib/postgresql", ignored)) {
    if (fs::exists(version.path() / "bin/postgres") && version.path() > newest) {
      newest = version.path();
    }
  }
  if (newest.empty()) {
    fail("PostgreSQL's server is not installed. Install it: sudo apt-get install -y postgresql-15");
  }
  return newest / "bin";
}

// PostgreSQL refuses to run as root: then the server is the user postgres, which Debian's package makes.
std::string server_user() { return geteuid() == 0 ? "postgres" : ""; }

uid_t server_uid() {
  if (geteuid() != 0) {
    return geteuid();
  }
  const passwd* entry = getpwnam("postgres");
  return entry == nullptr ? 0 : entry->pw_uid;
}

void give_to_server(const fs::path& path) {
  if (geteuid() == 0 && chown(path.c_str(), server_uid(), static_cast<gid_t>(-1)) != 0) {
    fail("cannot give " + path.string() + " to the user postgres");
  }
}

fs::path make_folder(std::string pattern) {
  if (mkdtemp(pattern.data()) == nullptr) {
    fail("mkdtemp failed for " + pattern);
  }
  give_to_server(pattern);
  return pattern;
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<fs::path> migrations() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(fs::path(MUSTER_SOURCE_DIR) / "migrations")) {
    if (entry.path().string().ends_with(".up.sql")) {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

// FNV-1a: the key only has to change when a migration does; nobody attacks it.
std::string cache_key(const std::vector<fs::path>& files, const fs::path& binaries) {
  std::uint64_t hash = 14695981039346656037ULL;
  const auto add = [&hash](const std::string& text) {
    for (const char octet : text) {
      hash = (hash ^ static_cast<unsigned char>(octet)) * 1099511628211ULL;
    }
  };
  add(kCacheFormat);
  add(binaries.string());
  for (const fs::path& file : files) {
    add(file.filename().string());
    add(read_file(file));
  }
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

void run_or_fail(std::vector<std::string> command, const fs::path& log, const std::string& user) {
  const std::string name = command[0];
  if (!run({.command = std::move(command), .environment = {}, .output_file = log.string(), .run_as = user}).success()) {
    fail(name + " failed:\n" + read_file(log));
  }
}

ChildProcess start_server(const fs::path& folder) {
  const std::vector<std::string> command = {
      (server_binaries() / "postgres").string(), "-D", (folder / "data").string(), "-k", folder.string(),
      // No durability: a test's data outlives nothing. Not for outage tests of the machine, only of the process.
      "-c", "listen_addresses=", "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "shared_buffers=16MB", "-c",
      "max_connections=120", "-c", "max_wal_size=64MB", "-c", "min_wal_size=2MB",
      // Nothing in /dev/shm that a kill would leave behind.
      "-c", "dynamic_shared_memory_type=mmap"};
  // SIGQUIT is PostgreSQL's immediate shutdown: the backends go too.
  return ChildProcess::spawn({.command = command,
                              .environment = {},
                              .output_file = (folder / "log").string(),
                              .run_as = server_user(),
                              .death_signal = SIGQUIT});
}

std::string connection_string(const fs::path& folder, std::string_view role, std::string_view database) {
  return "host=" + folder.string() + " user=" + std::string(role) + " dbname=" + std::string(database);
}

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;

Connection connect(const std::string& url) {
  Connection connection(PQconnectdb(url.c_str()), &PQfinish);
  if (PQstatus(connection.get()) != CONNECTION_OK) {
    fail(PQerrorMessage(connection.get()));
  }
  PQsetNoticeProcessor(
      connection.get(), [](void*, const char*) {}, nullptr);
  return connection;
}

std::string run_sql(PGconn* connection, const std::string& sql, const std::string& what) {
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection, sql.c_str()), &PQclear);
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY) {
    fail(what + ": " + PQerrorMessage(connection));
  }
  return PQntuples(result.get()) > 0 && PQnfields(result.get()) > 0 ? PQgetvalue(result.get(), 0, 0) : "";
}

bool try_start(const fs::path& folder, ChildProcess& server) {
  server = start_server(folder);
  const std::string url = connection_string(folder, "postgres", "template1");
  return eventually([&] { return PQping(url.c_str()) == PQPING_OK || !server.running(); }, seconds(30)) &&
         server.running();
}

void start_or_fail(const fs::path& folder, ChildProcess& server) {
  // After a crash the old backends need a moment to notice; until then a new server refuses to start.
  if (!eventually([&] { return try_start(folder, server); }, seconds(20))) {
    fail("the server does not start:\n" + read_file(folder / "log"));
  }
}

void stop_server(ChildProcess& server, int signal) {
  server.send(signal);
  if (!server.wait(seconds(20))) {
    server.send(SIGQUIT);
    server.wait(seconds(10));
  }
}

// A cache folder holds data/, a stopped server whose template database has every migration.
void make_cache(const fs::path& cache, const std::vector<fs::path>& files) {
  const fs::path folder = make_folder("/tmp/muster-pg-XXXXXX");
  run_or_fail({(server_binaries() / "initdb").string(), "-D", (folder / "data").string(), "-U", "postgres", "-A",
               "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--wal-segsize=1"},
              folder / "log", server_user());
  ChildProcess server;
  start_or_fail(folder, server);
  {
    const Connection admin = connect(connection_string(folder, "postgres", "template1"));
    run_sql(admin.get(), std::string("CREATE DATABASE ") + kTemplate, "CREATE DATABASE");
    run_sql(admin.get(), "DROP DATABASE postgres", "DROP DATABASE");
    const Connection database = connect(connection_string(folder, "postgres", kTemplate));
    for (const fs::path& file : files) {
      run_sql(database.get(), read_file(file), file.filename().string());
    }
  }
  stop_server(server, SIGINT);
  std::error_code failed;
  fs::rename(folder, cache, failed);
  if (failed) {
    fail("cannot rename to " + cache.string() + ": " + failed.message());
  }
}

// Folders of earlier migrations, unused for a day.
void remove_old_caches(const std::string& prefix) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/tmp", ignored)) {
    const auto age = fs::file_time_type::clock::now() - entry.last_write_time(ignored);
    if (entry.path().string().starts_with(prefix) && entry.is_directory(ignored) && age > std::chrono::hours(24)) {
      fs::remove_all(entry.path(), ignored);
    }
  }
}

bool is_trustworthy(const fs::path& cache) {
  struct stat info {};
  return lstat(cache.c_str(), &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == server_uid() &&
         (info.st_mode & 077) == 0;
}

fs::path cached_data() {
  const std::vector<fs::path> files = migrations();
  const std::string prefix = "/tmp/muster-test-cache-" + std::to_string(geteuid()) + "-";
  const fs::path cache = prefix + cache_key(files, server_binaries());
  if (!fs::exists(cache)) {
    // One process makes it, the others wait: initdb takes seconds of CPU.
    const int lock = open((prefix + "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0 || flock(lock, LOCK_EX) != 0) {
      fail("cannot lock " + prefix + "lock");
    }
    if (!fs::exists(cache)) {
      remove_old_caches(prefix);
      make_cache(cache, files);
    }
    close(lock);
  }
  if (!is_trustworthy(cache)) {
    fail(cache.string() + " belongs to somebody else: remove it");
  }
  std::error_code ignored;
  fs::last_write_time(cache, fs::file_time_type::clock::now(), ignored);
  return cache / "data";
}

// Removes `folder` when the pipe closes, that is when this process has ended in whatever way; PR_SET_PDEATHSIG stops
// the server, but nobody else would remove what a killed test leaves.
int start_janitor(const fs::path& folder) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    fail("pipe2");
  }
  const std::string path = folder.string();
  const char* script =
      "read line; n=0; while [ -e \"$1/data/postmaster.pid\" ] && [ $n -lt 100 ]; do sleep 0.1; n=$((n+1)); done; "
      "rm -rf \"$1\"";
  if (fork() == 0) {
    const int null = open("/dev/null", O_RDWR);
    dup2(ends[0], STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    setsid();  // a Ctrl-C at the terminal must not take the janitor along
    execl("/bin/sh", "sh", "-c", script, "janitor", path.c_str(), nullptr);
    _exit(127);
  }
  close(ends[0]);
  return ends[1];
}

bool keeps_folder() { return getenv("MUSTER_KEEP_TEST_DB") != nullptr; }

}  // namespace

std::string TestDatabase::url(std::string_view role) const { return connection_string(socket_folder_, role, name_); }

std::string TestDatabase::execute(const std::string& sql) const {
  return run_sql(connect(superuser_url()).get(), sql, sql);
}

PostgresLab& PostgresLab::shared() {
  static PostgresLab lab;
  return lab;
}

PostgresLab::PostgresLab() {
  const fs::path data = cached_data();
  folder_ = make_folder("/tmp/muster-pg-XXXXXX");
  if (!keeps_folder()) {
    janitor_pipe_ = start_janitor(folder_);
  }
  run_or_fail({"cp", "-a", "--reflink=auto", data.string(), (folder_ / "data").string()}, folder_ / "log",
              server_user());
  start();
}

PostgresLab::~PostgresLab() {
  if (keeps_folder()) {
    stop_server(server_, SIGINT);
    std::fprintf(stderr,
                 "The test's database is kept. Start it:  %s%s -D %s/data -k %s -c listen_addresses= &\n"
                 "and look:  psql -h %s -U postgres -l\n",
                 geteuid() == 0 ? "setpriv --reuid postgres --clear-groups " : "",
                 (server_binaries() / "postgres").c_str(), folder_.c_str(), folder_.c_str(), folder_.c_str());
    return;
  }
  stop_server(server_, SIGQUIT);  // the data is thrown away: no checkpoint
  close(janitor_pipe_);
}

TestDatabase PostgresLab::create_database() { return clone(kTemplate, "test_"); }

TestDatabase PostgresLab::create_empty_database() { return clone("template0", "empty_"); }

TestDatabase PostgresLab::clone(std::string_view source, std::string_view prefix) {
  const std::string name = std::string(prefix) + std::to_string(++databases_);
  const Connection admin = connect(connection_string(folder_, "postgres", "template1"));
  run_sql(admin.get(), "CREATE DATABASE " + name + " TEMPLATE " + std::string(source) + " STRATEGY file_copy",
          "CREATE DATABASE");
  return {folder_.string(), name};
}

void PostgresLab::stop() { stop_server(server_, SIGINT); }

void PostgresLab::start() { start_or_fail(folder_, server_); }

void PostgresLab::kill9() { stop_server(server_, SIGKILL); }

}  // namespace muster::test_support
