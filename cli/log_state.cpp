// SPDX-License-Identifier: Apache-2.0
#include "cli/log_state.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/reasons.h"
#include "core/encoding.h"
#include "core/file.h"

namespace muster::cli {
namespace {

using nlohmann::json;

constexpr unsigned kTileHeight = 8;
constexpr std::uint64_t kTileWidth = 256;
constexpr std::size_t kHash = 32;

}  // namespace

Error log_failed(const std::string& what) { return {ErrorCode::kCorrupt, kLogVerificationFailed, what}; }

Result<std::optional<SeenLog>> read_log_state(const std::string& path) {
  const auto text = read_file(path, 4096);
  if (!text.ok() && text.error().code == ErrorCode::kNotFound) return std::optional<SeenLog>{};
  if (!text.ok()) return text.error();
  const json state = json::parse(as_text(*text), nullptr, false);
  const bool whole = state.is_object() && state.contains("key") && state["key"].is_string() && state.contains("size") &&
                     state["size"].is_number_unsigned() && state.contains("root") && state["root"].is_string();
  const auto root = whole ? from_base64(state["root"].get<std::string>()) : Result<Bytes>(Bytes{});
  if (!root.ok() || root->size() != kHash) return log_failed(path + " is no state of an earlier run");
  SeenLog seen{state["key"].get<std::string>(), {state["size"].get<std::uint64_t>(), {}}};
  std::copy(root->begin(), root->end(), seen.head.root.begin());
  return std::optional<SeenLog>{seen};
}

Result<void> write_log_state(const std::string& path, const SeenLog& seen) {
  const json state = {{"key", seen.key}, {"size", seen.head.size}, {"root", to_base64(seen.head.root)}};
  const std::string text = state.dump() + "\n";
  return write_file_durably(path, as_bytes(text), 0600);
}

std::string tile_name(std::uint64_t number) {
  std::string name;
  for (bool last = true; last || number > 0; last = false, number /= 1000) {
    std::string group = std::to_string(1000 + number % 1000).substr(1);
    name = last ? group : "x" + group + "/" + name;
  }
  return name;
}

Result<Bytes> LogTiles::fetch(unsigned level, std::uint64_t number) {
  const std::uint64_t width = std::min(kTileWidth, (size_ >> (level * kTileHeight)) - number * kTileWidth);
  std::string target = "/tile/" + std::to_string(level) + "/" + tile_name(number);
  if (width < kTileWidth) target += ".p/" + std::to_string(width);
  MUSTER_TRY(const std::string octets, api_.fetch(target));
  if (octets.size() != width * kHash) return log_failed(target + " has another length than its hashes");
  const BytesView view = as_bytes(octets);
  return Bytes(view.begin(), view.end());
}

// A node is the root of a part of a tile: 2^(height mod 8) neighbouring hashes of it.
Result<Sha256> LogTiles::node(const ca::NodeName& name) {
  const unsigned level = name.height / kTileHeight;
  const unsigned inside = name.height % kTileHeight;
  const std::uint64_t first = name.position << inside;
  const std::pair<unsigned, std::uint64_t> tile{level, first / kTileWidth};
  if (!tiles_.contains(tile)) {
    MUSTER_TRY(tiles_[tile], fetch(tile.first, tile.second));
  }
  const BytesView hashes{tiles_[tile]};
  const std::uint64_t place = first % kTileWidth;
  const std::uint64_t count = std::uint64_t{1} << inside;
  if ((place + count) * kHash > hashes.size()) return log_failed("a tile is too short");
  ca::MerkleFrontier part;
  for (std::uint64_t i = 0; i < count; ++i) {
    Sha256 hash{};
    std::ranges::copy(hashes.subspan((place + i) * kHash, kHash), hash.begin());
    part.append(hash);
  }
  return part.root();
}

}  // namespace muster::cli
