// SPDX-License-Identifier: Apache-2.0
//
// Purpose: a PKCS#11 token of a test's own, made by SoftHSM in a temporary folder.
#pragma once

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "support/process.h"
#include "support/temp_folder.h"

namespace muster::test_support {

// SoftToken points SOFTHSM2_CONF of this process at its own folder: one at a time. Throws where SoftHSM is missing.
class SoftToken {
 public:
  static constexpr const char* kModule = "/usr/lib/softhsm/libsofthsm2.so";
  static constexpr const char* kLabel = "muster test";

  SoftToken() {
    std::filesystem::create_directory(tokens());
    std::ofstream{folder_ / "softhsm2.conf"} << "directories.tokendir = " << tokens().string()
                                             << "\nobjectstore.backend = file\nlog.level = ERROR\n";
    setenv("SOFTHSM2_CONF", (folder_ / "softhsm2.conf").c_str(), 1);
    set_pin("1234");
    SpawnOptions options;
    options.command = {"softhsm2-util", "--init-token", "--free",   "--label", kLabel,
                       "--pin",         "1234",         "--so-pin", "12345678"};
    options.output_file = folder_ / "out";
    if (!std::filesystem::exists(kModule) || !run(options).success()) {
      throw std::runtime_error("SoftHSM is needed: apt-get install softhsm2");
    }
  }

  void set_pin(const std::string& pin) {
    std::ofstream{pin_file()} << pin << "\n";
    chmod(pin_file().c_str(), 0600);
  }
  std::string pin_file() const { return folder_ / "pin"; }
  std::filesystem::path tokens() const { return folder_ / "tokens"; }

  // As if it were pulled out; the library notices when it is initialised again.
  void take_away() { std::filesystem::rename(tokens(), folder_ / "away"), std::filesystem::create_directory(tokens()); }
  void bring_back() {
    std::filesystem::remove_all(tokens());
    std::filesystem::rename(folder_ / "away", tokens());
  }

 private:
  TempFolder folder_;
};

}  // namespace muster::test_support
