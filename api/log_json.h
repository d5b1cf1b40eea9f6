// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/json_writer.h"
#include "core/encoding.h"
#include "enroll/log_inclusion.h"

namespace muster::api {

// What follows the key "log" (docs/formats/transparency.md).
inline void write_inclusion(JsonWriter& out, const enroll::LogInclusion& inclusion) {
  out.object([&] {
    out.field("index", inclusion.index).field("size", inclusion.size);
    out.key("proof").array([&] {
      for (const Sha256& hash : inclusion.proof) out.value(to_base64(hash));
    });
    out.field("checkpoint", *inclusion.checkpoint).field("blinding", to_base64(inclusion.blinding));
  });
}

}  // namespace muster::api
