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
#include "edge/identity_view.h"

namespace muster::edge {

// append_entity appends kind, length and body. Reason: snapshot.limit_exceeded (`out` is then unchanged).
Result<void> append_entity(Bytes& out, const IdentityChange& entity);

// take_entity reads the entity at the start of `bytes` and shortens `bytes` by it. Octets that a later version added to
// the end of a body are skipped. Reason: snapshot.corrupt.
Result<IdentityChange> take_entity(BytesView& bytes);

// What a policy document says: its rules, then its limits. nullopt where the form is broken.
struct PolicyBody {
  std::vector<PolicyRule> rules;
  Limits limits;
};
Result<void> append_policy_body(Bytes& out, const std::vector<PolicyRule>& rules, const Limits& limits);
std::optional<PolicyBody> read_policy_body(BytesView bytes);

// What a tenant has beside its name. Nothing at all where there is nothing. A part that is not known breaks the form:
// it might take a right away.
struct TenantAttributes {
  PolicyAttachments policies;
  TenantLimits limits;
};
Result<void> append_tenant_attributes(Bytes& out, const TenantState& tenant);
std::optional<TenantAttributes> read_tenant_attributes(BytesView bytes);

struct DeviceAttributesView {
  std::vector<std::string_view> groups;
  std::vector<std::pair<std::string_view, std::string_view>> labels;
  std::vector<GrantFacts> grants;
};

DeviceGrant to_state(const GrantFacts& grant);

// Attributes: groups, labels, grants. Nothing at all where a device has none of them.
Result<void> append_attributes(Bytes& out, const DeviceState& device);
std::optional<DeviceAttributesView> read_attributes(BytesView bytes);

}  // namespace muster::edge
