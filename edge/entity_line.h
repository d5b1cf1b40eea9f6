// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the one JSON line in which the server sends an entity to the edges. Canonical: fields in this order, no
// white space. The server writes the same octets from the registry's rows (api/edge_json).
//
// Both sides compare a digest: XOR of the SHA-256 of the lines of all entities that are not kGone, so that order does
// not matter and one change costs two hashes. The lines are those of the entities as a base holds them
// (edge/base_file.h, held_form): a device's name is "", and of a certificate's hash the second half is zeros.
//
//   {"type":"tenant","id":…,"name":…,"status":…
//    [,"default_policy_id":…][,"group_policies":[{"group":…,"policy_id":…},…]]
//    [,"limits":{["total":{…}][,"device":{…}]}]} (core/limits.h)
//   {"type":"issuer","id":…,"tenant_id":…,"status":…,"spki_sha256":hex,"certificate":base64 DER
//    [,"external":base64, of trust anchors]}
//   {"type":"policy","id":…,"tenant_id":…,"status":…,"rules":[{"action":…,"filter":…
//    [,"max_qos":…][,"max_payload":…]},…][,"limits":{…}]}
//   {"type":"device","id":…,"tenant_id":…,"name":…,"status":…,"policy_id":…|null,"groups":[…],"labels":{…}
//    [,"grants":[{"on":device id,"device":…,"actions":[…],"filter":…[,"max_qos":…][,"max_payload":…]},…]]}
//   {"type":"certificate","id":hex,"tenant_id":…,"device_id":…,"issuer_id":…,"status":…,"not_after":RFC 3339}
#pragma once

#include <string>

#include "edge/identity_change.h"

namespace muster::edge {

// Without the newline. Groups and labels must be sorted, as DeviceState says.
std::string to_entity_line(const IdentityChange& entity);

EntityStatus status_of(const IdentityChange& entity);

}  // namespace muster::edge
