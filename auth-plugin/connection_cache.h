// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace muster::auth_plugin {

struct Session;

// ConnectionCache finds the session of a live connection by the broker's pointer in one memory access. Direct-mapped: a
// connection whose place another one has taken is not found here, and its session is looked up in full. The broker uses
// pointers again: whoever asks compares the session's principal, and who keeps connections tells of every one that
// begins or ends. Confined to the broker's thread.
class ConnectionCache {
 public:
  Session* find(const void* context) const {
    const Place& place = places_[index_of(context)];
    return place.context == context ? place.session : nullptr;
  }
  void set(const void* context, Session* session) { places_[index_of(context)] = {context, session}; }
  void erase(const void* context) {
    Place& place = places_[index_of(context)];
    if (place.context == context) place = {};
  }

  // Makes room for `connections` where there is too little; then the cache is empty and true is returned.
  bool grow(std::size_t connections) {
    if (connections * kPlacesForEach <= places_.size()) return false;
    places_.assign(std::bit_ceil(2 * kPlacesForEach * connections), {});
    shift_ = 64 - std::countr_zero(places_.size());
    return true;
  }

 private:
  static constexpr std::size_t kPlacesForEach = 4;
  static constexpr std::size_t kLeastPlaces = 1024;
  struct Place {
    const void* context = nullptr;
    Session* session = nullptr;
  };
  // Fibonacci hashing: the allocator's addresses differ in their middle bits.
  std::size_t index_of(const void* context) const {
    return static_cast<std::size_t>(reinterpret_cast<std::uintptr_t>(context) * 0x9e3779b97f4a7c15ULL >> shift_);
  }

  std::vector<Place> places_{kLeastPlaces};
  int shift_ = 64 - std::countr_zero(kLeastPlaces);
};

}  // namespace muster::auth_plugin
