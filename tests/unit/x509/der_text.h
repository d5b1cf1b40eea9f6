// SPDX-License-Identifier: Apache-2.0
//
// Purpose: DER written by hand, for what no library writes.
#pragma once

#include <string>
#include <string_view>

#include "core/encoding.h"

namespace muster::x509::der_text {

inline std::string from(std::string_view hex) { return std::string(as_text(from_hex(hex).value())); }

inline std::string element(char tag, const std::string& contents) {
  std::string out(1, tag);
  if (contents.size() >= 0x100) {
    out += '\x82';
    out += static_cast<char>(contents.size() >> 8);
  } else if (contents.size() >= 0x80) {
    out += '\x81';
  }
  out += static_cast<char>(contents.size() & 0xFF);
  return out + contents;
}
inline std::string sequence(const std::string& contents) { return element('\x30', contents); }
inline std::string octets(const std::string& contents) { return element('\x04', contents); }
inline std::string bits(const std::string& contents) { return element('\x03', std::string(1, '\0') + contents); }
inline std::string integer(std::string_view hex) { return element('\x02', from(hex)); }
inline std::string oid(std::string_view hex) { return element('\x06', from(hex)); }

}  // namespace muster::x509::der_text
