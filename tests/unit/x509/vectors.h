// SPDX-License-Identifier: Apache-2.0
//
// Purpose: test vectors that others wrote. They are not part of the project: MUSTER_VECTORS names their folder.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>

#include "core/encoding.h"
#include "x509/certificate.h"

namespace muster::x509 {

inline std::filesystem::path vector_path(const std::string& name) {
  const char* given = std::getenv("MUSTER_VECTORS");
  const std::filesystem::path folder = given != nullptr ? given : std::string(MUSTER_SOURCE_DIR) + "/../shared/vectors";
  return folder / name;
}

// has_vectors tells whether they are there, and says so where they are not.
inline bool has_vectors(const std::string& name) {
  if (std::filesystem::exists(vector_path(name))) return true;
  std::cout << "no vectors at " << vector_path(name) << ": set MUSTER_VECTORS\n";
  return false;
}

inline std::string read_vector(const std::filesystem::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

// The octets of the block "-----BEGIN {label}-----" in a text with others; nullopt: there is none.
inline std::optional<Bytes> find_pem(const std::string& text, const std::string& label) {
  const std::string begin = "-----BEGIN " + label + "-----";
  const std::size_t start = text.find(begin);
  if (start == std::string::npos) return std::nullopt;
  const std::size_t body = start + begin.size();
  auto bytes = from_base64(text.substr(body, text.find("-----END " + label + "-----") - body));
  return bytes.ok() ? std::optional(std::move(*bytes)) : std::nullopt;
}

}  // namespace muster::x509
