// SPDX-License-Identifier: Apache-2.0
#include "cli/deployment_folder.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "cli/output.h"
#include "cli/ports_json.h"
#include "cli/reasons.h"
#include "core/encoding.h"
#include "core/file.h"
#include "core/random.h"

namespace muster::cli {
namespace {

namespace fs = std::filesystem;

// sockaddr_un holds 108 bytes with the final zero.
constexpr std::size_t kLongestSocketFolder = 107 - sizeof("/.s.PGSQL.5432");

Error unusable(const std::string& path, const std::string& why) {
  return Error{ErrorCode::kFailedPrecondition, kFolderUnusable, path + ": " + why};
}

std::string errno_text() { return std::strerror(errno); }

Result<void> make_folder(const std::string& path, mode_t mode) {
  std::error_code fault;
  fs::create_directories(path, fault);
  if (fault) return unusable(path, "cannot be made: " + fault.message());
  if (chmod(path.c_str(), mode) != 0) return unusable(path, "its permissions cannot be set: " + errno_text());
  return {};
}

// A folder that only `user` can enter. In /tmp anybody may have made the name first: what is there must be a real
// folder of that user, never a link.
Result<void> make_private_folder(const std::string& path, uid_t user, gid_t group) {
  if (mkdir(path.c_str(), 0700) == 0 && getuid() == 0 && chown(path.c_str(), user, group) != 0) {
    return unusable(path, "cannot be given to PostgreSQL's user: " + errno_text());
  }
  struct stat found {};
  if (lstat(path.c_str(), &found) != 0) return unusable(path, errno_text());
  if (!S_ISDIR(found.st_mode) || found.st_uid != user) return unusable(path, "exists and belongs to somebody else");
  if (chmod(path.c_str(), 0700) != 0) return unusable(path, errno_text());
  return {};
}

// Whether a user who is neither owner nor in the group can pass through every folder above `path`.
bool others_can_reach(const std::string& path) {
  for (fs::path folder = fs::path(path).parent_path();; folder = folder.parent_path()) {
    struct stat found {};
    if (stat(folder.c_str(), &found) != 0 || (found.st_mode & S_IXOTH) == 0) return false;
    if (folder == folder.root_path()) return true;
  }
}

std::string short_name(const std::string& path) {
  // FNV-1a: the name only has to differ between folders, and what is found under it is checked for its owner.
  std::uint64_t hash = 14695981039346656037ull;
  for (const char c : path) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  Bytes octets(8);
  std::memcpy(octets.data(), &hash, octets.size());
  return to_hex(octets);
}

bool can_bind(std::uint16_t port) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);  // connections of the last run may be in TIME_WAIT
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && listen(fd.get(), 1) == 0;
}

Result<Ports> choose_ports() {
  Ports ports;
  std::vector<std::uint16_t> taken;
  for (const auto& [name, member] : kPortNames) {
    std::uint16_t port = 0;
    do {
      MUSTER_TRY(port, find_free_port());
    } while (std::find(taken.begin(), taken.end(), port) != taken.end());
    taken.push_back(port);
    ports.*member = port;
  }
  return ports;
}

Result<void> check_ports_free(const Ports& ports, const std::string& file) {
  for (const auto& [name, member] : kPortNames) {
    if (can_bind(ports.*member)) continue;
    return Error{ErrorCode::kUnavailable, kPortTaken,
                 "port " + std::to_string(ports.*member) + " (" + name + " in " + file +
                     ") is in use by another program; stop that program, or delete the whole folder for a new start"};
  }
  return {};
}

Result<Ports> read_or_choose_ports(const FolderPaths& paths) {
  if (access(paths.ports_file().c_str(), F_OK) == 0) {
    MUSTER_TRY(const Ports ports, read_ports(paths));
    MUSTER_TRY_VOID(check_ports_free(ports, paths.ports_file()));
    return ports;
  }
  MUSTER_TRY(const Ports ports, choose_ports());
  nlohmann::json out;
  for (const auto& [name, member] : kPortNames) out[name] = ports.*member;
  const std::string text = out.dump(2) + "\n";
  const BytesView bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  MUSTER_TRY_VOID(write_file_durably(paths.ports_file(), bytes, 0644));
  return ports;
}

}  // namespace

Result<std::uint16_t> find_free_port() {
  constexpr std::uint32_t kFirst = 20'000;
  constexpr std::uint32_t kCount = 12'000;  // Linux takes outgoing ports from 32768 up
  for (int attempt = 0; attempt < 200; ++attempt) {
    std::uint32_t number = 0;
    fill_random({reinterpret_cast<std::uint8_t*>(&number), sizeof number});
    const auto port = static_cast<std::uint16_t>(kFirst + number % kCount);
    if (can_bind(port)) return port;
  }
  return Error{ErrorCode::kUnavailable, kPortTaken, "no free TCP port was found on 127.0.0.1"};
}

Result<Ports> read_ports(const FolderPaths& paths) {
  MUSTER_TRY(const Bytes content, read_file(paths.ports_file(), 4096));
  const auto json = nlohmann::json::parse(content.begin(), content.end(), nullptr, false);
  Ports ports;
  for (const auto& [name, member] : kPortNames) {
    if (!json.is_object() || !json.contains(name) || !json[name].is_number_unsigned()) {
      return unusable(paths.ports_file(), std::string("the port \"") + name + "\" is missing");
    }
    ports.*member = json[name].get<std::uint16_t>();
  }
  return ports;
}

Result<DeploymentFolder> DeploymentFolder::open(const std::string& folder) {
  DeploymentFolder out(fs::absolute(folder).lexically_normal().string());
  while (out.paths_.root().size() > 1 && out.paths_.root().back() == '/') {
    out.paths_ = FolderPaths(out.paths_.root().substr(0, out.paths_.root().size() - 1));
  }
  // Others may pass through the root folder when PostgreSQL's own user must; what they could read is in 0700 folders.
  MUSTER_TRY_VOID(make_folder(out.paths_.root(), getuid() == 0 ? 0711 : 0700));
  MUSTER_TRY_VOID(make_folder(out.paths_.at("run"), getuid() == 0 ? 0711 : 0700));
  for (const char* name : {"config", "secrets", "pki", "edge", "edge/snapshot", "edge/plugin-state", "wal", "log"}) {
    MUSTER_TRY_VOID(make_folder(out.paths_.at(name), 0700));
  }
  MUSTER_TRY_VOID(out.take_lock());
  MUSTER_TRY(out.ports_, read_or_choose_ports(out.paths_));
  MUSTER_TRY_VOID(out.choose_database_user());
  MUSTER_TRY_VOID(out.place_database());
  MUSTER_TRY_VOID(out.place_socket());
  return out;
}

Result<void> DeploymentFolder::take_lock() {
  const std::string path = paths_.at("run/lock");
  lock_ = UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock_) return unusable(path, errno_text());
  if (flock(lock_.get(), LOCK_EX | LOCK_NB) == 0) return {};
  return Error{
      ErrorCode::kFailedPrecondition, kFolderLocked,
      "another `muster up` is running in " + paths_.root() + "; stop it with Ctrl-C, or choose another --folder"};
}

Result<void> DeploymentFolder::choose_database_user() {
  database_user_ = getuid();
  database_group_ = getgid();
  if (getuid() != 0) return {};
  const passwd* entry = getpwnam("postgres");
  if (entry == nullptr) {
    return Error{
        ErrorCode::kFailedPrecondition, kProgramMissing,
        "PostgreSQL refuses to run as root and the user \"postgres\" does not exist; run scripts/install-deps"};
  }
  database_user_ = entry->pw_uid;
  database_group_ = entry->pw_gid;
  return {};
}

Result<void> DeploymentFolder::place_database() {
  database_folder_ = paths_.at("postgres");
  if (getuid() != 0) return make_private_folder(database_folder_, database_user_, database_group_);
  std::error_code fault;
  const bool linked = fs::is_symlink(database_folder_, fault);
  if (!linked && others_can_reach(database_folder_)) {
    return make_private_folder(database_folder_, database_user_, database_group_);
  }
  // An existing link is followed, so that a folder that was moved keeps its database.
  const std::string outside =
      linked ? fs::read_symlink(database_folder_, fault).string() : "/var/lib/muster/" + short_name(paths_.root());
  if (!linked) {
    MUSTER_TRY_VOID(make_folder("/var/lib/muster", 0755));
    say("PostgreSQL's user cannot pass through the folders above " + paths_.root() + ": its data lies in " + outside);
    fs::create_directory_symlink(outside, database_folder_, fault);
    if (fault) return unusable(database_folder_, fault.message());
  }
  MUSTER_TRY_VOID(make_private_folder(outside, database_user_, database_group_));
  database_folder_ = outside;
  return {};
}

Result<void> DeploymentFolder::place_socket() {
  socket_folder_ = paths_.at("run/postgres");
  const bool reachable = getuid() != 0 || others_can_reach(socket_folder_);
  if (socket_folder_.size() > kLongestSocketFolder || !reachable) {
    const std::string runtime = "/run/user/" + std::to_string(getuid());
    const bool has_runtime = getuid() != 0 && access(runtime.c_str(), W_OK) == 0;
    socket_folder_ =
        (has_runtime ? runtime : "/tmp") + "/muster-" + std::to_string(getuid()) + "-" + short_name(paths_.root());
  }
  const std::string note = socket_folder_ + "\n";
  MUSTER_TRY_VOID(make_private_folder(socket_folder_, database_user_, database_group_));
  return write_file_durably(paths_.at("run/socket-folder"),
                            {reinterpret_cast<const std::uint8_t*>(note.data()), note.size()}, 0644);
}

void DeploymentFolder::forget_socket_folder() const {
  if (!socket_folder_.starts_with(paths_.root() + "/")) rmdir(socket_folder_.c_str());
}

}  // namespace muster::cli
