// SPDX-License-Identifier: Apache-2.0
#include "cli/installed_files.h"

#include <filesystem>
#include <vector>

#include "cli/reasons.h"

namespace muster::cli {
namespace {

namespace fs = std::filesystem;

Result<std::string> first_existing(const std::vector<fs::path>& candidates, const std::string& what) {
  std::error_code fault;
  for (const fs::path& candidate : candidates) {
    if (fs::exists(candidate, fault)) return candidate.lexically_normal().string();
  }
  return Error{
      ErrorCode::kFailedPrecondition, kProgramMissing,
      what + " is missing (looked for " + candidates.front().string() + "); build all targets with scripts/build"};
}

}  // namespace

std::string own_program() {
  std::error_code fault;
  return fs::read_symlink("/proc/self/exe", fault).string();
}

Result<std::string> find_broker_plugin() {
  const fs::path here = fs::path(own_program()).parent_path();
  return first_existing({here / "muster_auth.so", here / "../lib/muster/muster_auth.so"}, "the broker plugin");
}

Result<std::string> find_migrations_folder() {
  const fs::path here = fs::path(own_program()).parent_path();
  return first_existing({here / "../share/muster/migrations", fs::path(MUSTER_SOURCE_DIR) / "migrations"},
                        "the folder of database migrations");
}

}  // namespace muster::cli
