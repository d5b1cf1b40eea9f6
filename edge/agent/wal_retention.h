// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "edge/wal_format.h"

namespace muster::edge {

struct WalRetentionConfig {
  std::chrono::seconds keep_time{3600};   // after a segment was stored
  std::uint64_t keep_bytes = 4ULL << 30;  // of all stored segments; beyond it the oldest go first
  std::uint64_t free_bytes = 4ULL << 30;  // of the file system; below it stored segments go, so that the WAL can grow
};

// WalRetention renames segments that are in the log and deletes them later. Confined to one thread.
class WalRetention {
 public:
  WalRetention(std::string folder, WalRetentionConfig config) : folder_(std::move(folder)), config_(config) {}
  // Marks the segments of `incarnation` as stored whose records all have sequences up to `through`; all of them where
  // `whole`. The last one is not marked otherwise: its writer may still write to it.
  void mark_stored(const IncarnationId& incarnation, std::uint64_t through, bool whole) const;
  // Deletes what need not be kept, and the marks of incarnations that have nothing left.
  void expire() const;

 private:
  const std::string folder_;
  const WalRetentionConfig config_;
};

}  // namespace muster::edge
