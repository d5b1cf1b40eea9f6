// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <unordered_map>

namespace muster::auth_plugin {

// How full the WAL is.
struct BacklogState {
  std::uint64_t used_bytes = 0;  // not shipped yet
  std::uint64_t room_bytes = 0;  // before appends are refused
};

// BacklogShares estimates who fills the WAL, so that one device or tenant cannot take the room of all others while the
// edge cannot ship. What is shipped is taken from everybody in proportion: the WAL is read in order, so that comes near
// enough. What earlier starts of the broker left is nobody's. Confined to the broker's thread.
template <typename Id>
class BacklogShares {
 public:
  // One may hold `fraction` of what can be held.
  explicit BacklogShares(double fraction) : fraction_(fraction) {}

  // To be called about once a second. Takes the same time for any number of ids.
  void settle(const BacklogState& wal) {
    const auto used = static_cast<double>(wal.used_bytes);
    if (total_ > used) {
      scale_ *= used / total_;
      total_ = used;
    }
    if (scale_ < kLeastScale) {  // as good as empty
      octets_.clear();
      scale_ = 1;
      total_ = 0;
    }
    quota_ = fraction_ * (total_ + static_cast<double>(wal.room_bytes));
  }

  void add(const Id& id, std::size_t octets) {
    octets_[id] += static_cast<double>(octets) / scale_;
    total_ += static_cast<double>(octets);
  }

  // Whether `id` holds less than `part` of its quota.
  bool has_room(const Id& id, double part = 1) const {
    const auto found = octets_.find(id);
    return found == octets_.end() || found->second * scale_ < part * quota_;
  }

 private:
  static constexpr double kLeastScale = 1e-6;

  const double fraction_;
  double scale_ = 1;  // entries are held in units of this many octets
  double total_ = 0;
  double quota_ = 1e300;  // until the WAL was looked at
  std::unordered_map<Id, double> octets_;
};

}  // namespace muster::auth_plugin
