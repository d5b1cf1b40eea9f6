// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"

namespace muster::x509 {

// read_pem_blocks reads textual encodings (RFC 7468 §3, strict form): blocks labelled `label` with nothing but white
// space around them, at least one and at most `max_count`. nullopt for anything else: other labels, headers, comments.
std::optional<std::vector<Bytes>> read_pem_blocks(std::string_view text, std::string_view label, std::size_t max_count);

// write_pem writes one block with lines of 64 characters and a final newline.
std::string write_pem(std::string_view label, BytesView der);

}  // namespace muster::x509
