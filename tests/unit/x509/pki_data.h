// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fstream>
#include <stdexcept>
#include <string>

namespace muster::x509 {

// read_pki_data returns a file of tests/data/pki/ whole.
inline std::string read_pki_data(const std::string& name) {
  std::ifstream file{std::string(MUSTER_SOURCE_DIR) + "/tests/data/pki/" + name, std::ios::binary};
  if (!file) throw std::runtime_error("missing test data: " + name);
  return {std::istreambuf_iterator<char>{file}, {}};
}

}  // namespace muster::x509
