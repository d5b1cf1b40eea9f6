// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what `muster log` keeps between its runs, and the tiles that it reads.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "ca/merkle_tree.h"
#include "cli/api_session.h"
#include "core/bytes.h"
#include "core/result.h"

namespace muster::cli {

// What an earlier run has seen and this one holds the log to.
struct SeenLog {
  std::string key;  // the log's verifier key
  ca::TreeHead head;
};
// Empty: there is no such file. Reasons: log.verification_failed (it is no state), file.*.
Result<std::optional<SeenLog>> read_log_state(const std::string& path);
Result<void> write_log_state(const std::string& path, const SeenLog& seen);

Error log_failed(const std::string& what);  // log.verification_failed

// C2SP tlog-tiles: groups of three digits, all but the last with an x before it.
std::string tile_name(std::uint64_t number);

// LogTiles gives nodes of the tree of `size` entries from tiles that it fetches once each.
class LogTiles {
 public:
  LogTiles(ApiSession& api, std::uint64_t size) : api_(api), size_(size) {}
  Result<Sha256> node(const ca::NodeName& name);

 private:
  Result<Bytes> fetch(unsigned level, std::uint64_t number);

  ApiSession& api_;
  const std::uint64_t size_;
  std::map<std::pair<unsigned, std::uint64_t>, Bytes> tiles_;
};

}  // namespace muster::cli
