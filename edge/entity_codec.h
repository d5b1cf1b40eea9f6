// SPDX-License-Identifier: Apache-2.0
//
// Purpose: entities as octets, for delta files, and the parts of them (rules, attributes) that base files hold in the
// same form. Grammar: docs/formats/snapshot.md.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/bytes.h"
#include "edge/identity_change.h"

namespace muster::edge {

// append_entity appends kind, length and body. Reason: snapshot.limit_exceeded (`out` is then unchanged).
Result<void> append_entity(Bytes& out, const IdentityChange& entity);

// take_entity reads the entity at the start of `bytes` and shortens `bytes` by it. Octets that a later version added to
// the end of a body are skipped. Reason: snapshot.corrupt.
Result<IdentityChange> take_entity(BytesView& bytes);

// Rules: count, then action and filter of each. nullopt where the form is broken.
Result<void> append_rules(Bytes& out, const std::vector<PolicyRule>& rules);
std::optional<std::vector<PolicyRule>> read_rules(BytesView bytes);

struct DeviceAttributesView {
  std::vector<std::string_view> groups;
  std::vector<std::pair<std::string_view, std::string_view>> labels;
};

// Attributes: groups, then labels. Nothing at all where a device has neither.
Result<void> append_attributes(Bytes& out, const DeviceState& device);
std::optional<DeviceAttributesView> read_attributes(BytesView bytes);

}  // namespace muster::edge
