// SPDX-License-Identifier: Apache-2.0
#include "ingest/log.h"

#include <array>
#include <cstring>

namespace muster::ingest {
namespace {

constexpr std::array<std::string_view, 5> kNames{"", "raw", "normalized", "dead-letters", "lifecycle"};

// Kafka's variant of MurmurHash2 (org.apache.kafka.common.utils.Utils.murmur2), constants and seed as there.
constexpr std::uint32_t kMultiplier = 0x5bd1e995;
constexpr std::uint32_t kSeed = 0x9747b28c;
constexpr int kShift = 24;

std::uint32_t murmur2(std::string_view key) {
  const auto* at = reinterpret_cast<const std::uint8_t*>(key.data());
  std::size_t left = key.size();
  std::uint32_t hash = kSeed ^ static_cast<std::uint32_t>(left);
  for (; left >= 4; left -= 4, at += 4) {
    std::uint32_t word;
    std::memcpy(&word, at, sizeof word);
    word *= kMultiplier;
    word ^= word >> kShift;
    hash = (hash * kMultiplier) ^ (word * kMultiplier);
  }
  if (left == 3) hash ^= static_cast<std::uint32_t>(at[2]) << 16;
  if (left >= 2) hash ^= static_cast<std::uint32_t>(at[1]) << 8;
  if (left >= 1) hash = (hash ^ at[0]) * kMultiplier;
  hash = (hash ^ (hash >> 13)) * kMultiplier;
  return hash ^ (hash >> 15);
}

}  // namespace

std::string_view to_string(Stream stream) { return kNames[static_cast<std::size_t>(stream)]; }

std::optional<Stream> stream_from(std::string_view name) {
  for (std::size_t i = 1; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Stream>(i);
  }
  return std::nullopt;
}

Stream stream_of(RecordKind kind) {
  return kind == RecordKind::kPublish || kind == RecordKind::kWill ? Stream::kRaw : Stream::kLifecycle;
}

std::int32_t partition_of(std::string_view key, std::int32_t partitions) {
  return static_cast<std::int32_t>(murmur2(key) & 0x7fffffff) % partitions;
}

}  // namespace muster::ingest
