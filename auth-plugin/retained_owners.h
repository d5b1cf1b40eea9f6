// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "auth-plugin/text_hash.h"
#include "core/id.h"

namespace muster::auth_plugin {

// RetainedOwners remembers which device (by id) retained a message under a topic, so that a message of a deleted device
// does not pass for one of its successor with the same name. Bounded, for each device too, since the broker is not and
// one device must not take the room of all others: further topics are refused.
// Confined to the broker's thread.
class RetainedOwners {
 public:
  static constexpr std::size_t kMaxTopicsOfDevice = 256;
  explicit RetainedOwners(std::size_t max_topics) : max_topics_(max_topics) {}
  // False where the table, or the device's part of it, is full.
  bool set(std::string_view topic, const DeviceId& owner);
  void erase(std::string_view topic);
  // All topics of the device.
  void forget(const DeviceId& owner);

  bool is_owner(std::string_view topic, const DeviceId& device) const;
  bool owns_any(const DeviceId& device) const { return topics_of_.contains(device); }
  std::vector<DeviceId> owners() const;
  std::size_t size() const { return owners_.size(); }

 private:
  void release(const DeviceId& device, std::string_view topic);

  std::unordered_map<std::string, DeviceId, TextHash, std::equal_to<>> owners_;
  // Views of the keys of owners_, which stay where they are. A device without topics has no entry.
  std::unordered_map<DeviceId, std::unordered_set<std::string_view>> topics_of_;
  const std::size_t max_topics_;
};

}  // namespace muster::auth_plugin
