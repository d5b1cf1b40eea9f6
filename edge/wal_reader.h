// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the records of one incarnation in order, as far as they are durable. While the writer lives it is read up to
// its mark and never past it; once it is gone (its lock is free) all that is sound is read: an incarnation is never
// continued, so no sequence can be used twice. What cannot be read is stepped over and reported.
// Confined to one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/unique_fd.h"
#include "edge/wal_format.h"

namespace muster::edge {

struct WalRecord {
  std::uint64_t sequence = 0;
  BytesView record;  // record v1; views the batch
};

// Sequences that should be there and cannot be read; both inclusive.
struct WalGap {
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  friend bool operator==(const WalGap&, const WalGap&) = default;
};

struct WalBatch {
  std::vector<WalRecord> records;
  std::vector<WalGap> gaps;
  std::vector<Bytes> storage;
  bool finished = false;  // nothing can follow: the writer is gone and all was read
};

class WalReader {
 public:
  // Starts at `from_sequence`, or at the first record that is still there.
  WalReader(std::string folder, IncarnationId incarnation, std::uint64_t from_sequence);

  // Up to `max_records` records and about `max_octets` octets; empty when there is nothing (yet).
  // Reason: wal.unreadable.
  Result<WalBatch> read(std::size_t max_records, std::size_t max_octets);
  // The sequence that the next record should have.
  std::uint64_t next_sequence() const { return next_; }

 private:
  struct Segment {
    std::string path;
    std::uint64_t index = 0;
    std::uint64_t first_sequence = 0;
  };
  enum class Progress { kMore, kSegmentDone, kCaughtUp };
  struct Limits {
    std::size_t max_records;
    std::size_t max_octets;
    std::uint64_t durable;
    bool writer_lives;
  };
  void read_limits(Limits& limits) const;
  void refresh_segments();
  Result<bool> choose_segment();  // false: there is none
  Result<Progress> read_chunk(const Limits& limits, WalBatch& batch);
  void step_over(std::uint64_t next, WalBatch& batch);
  void take(std::uint64_t sequence, BytesView record, WalBatch& batch);
  std::uint64_t end_of_segment() const;  // first sequence of the segment after the present one

  const std::string folder_;
  const IncarnationId incarnation_;
  const FrameCodec codec_;
  std::uint64_t next_;
  std::vector<Segment> segments_;
  std::size_t current_ = 0;  // in segments_, valid while fd_ is open
  UniqueFd fd_;
  std::uint64_t offset_ = 0;
  std::size_t next_chunk_;        // octets to read; more when a frame did not fit
  std::size_t octets_taken_ = 0;  // in the present batch
};

struct WalIncarnation {
  IncarnationId id;
  std::uint64_t generation = 0;
  UnixMicros created = 0;
  bool lives = false;  // its writer runs
};
// The incarnations of a folder, oldest first; one that lives comes last whatever its headers say, since reading it does
// not end.
std::vector<WalIncarnation> list_incarnations(const std::string& folder);

// Whether the writer of an incarnation still runs on this machine.
bool writer_lives(const std::string& folder, const IncarnationId& incarnation);

}  // namespace muster::edge
