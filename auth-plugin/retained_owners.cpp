// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/retained_owners.h"

namespace muster::auth_plugin {

bool RetainedOwners::set(std::string_view topic, const DeviceId& owner) {
  auto found = owners_.find(topic);
  if (found != owners_.end() && found->second == owner) return true;
  const auto held = topics_of_.find(owner);
  if (held != topics_of_.end() && held->second.size() >= kMaxTopicsOfDevice) return false;
  if (found == owners_.end()) {
    if (owners_.size() >= max_topics_) return false;
    found = owners_.emplace(topic, owner).first;
  } else {
    release(found->second, found->first);
    found->second = owner;
  }
  topics_of_[owner].insert(found->first);
  return true;
}

void RetainedOwners::erase(std::string_view topic) {
  const auto found = owners_.find(topic);
  if (found == owners_.end()) return;
  release(found->second, found->first);
  owners_.erase(found);
}

void RetainedOwners::forget(const DeviceId& owner) {
  const auto node = topics_of_.extract(owner);
  if (node.empty()) return;
  for (const std::string_view topic : node.mapped()) owners_.erase(owners_.find(topic));
}

void RetainedOwners::release(const DeviceId& device, std::string_view topic) {
  const auto held = topics_of_.find(device);
  held->second.erase(topic);
  if (held->second.empty()) topics_of_.erase(held);
}

bool RetainedOwners::is_owner(std::string_view topic, const DeviceId& device) const {
  const auto found = owners_.find(topic);
  return found != owners_.end() && found->second == device;
}

std::vector<DeviceId> RetainedOwners::owners() const {
  std::vector<DeviceId> devices;
  devices.reserve(topics_of_.size());
  for (const auto& [device, topics] : topics_of_) devices.push_back(device);
  return devices;
}

}  // namespace muster::auth_plugin
