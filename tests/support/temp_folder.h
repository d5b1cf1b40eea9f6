// SPDX-License-Identifier: Apache-2.0
//
// Purpose: a folder of a test's own under /tmp, removed with everything in it when the test ends.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>

namespace muster::test_support {

class TempFolder {
 public:
  TempFolder() {
    std::string name = "/tmp/muster-test-XXXXXX";  // short: Unix sockets take 107 octets
    if (mkdtemp(name.data()) == nullptr) {
      throw std::runtime_error("mkdtemp failed under /tmp");
    }
    path_ = name;
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace muster::test_support
