// SPDX-License-Identifier: Apache-2.0
//
// Nicolas Seriot's JSONTestSuite against the telemetry decoder: n_ files are refused as invalid, y_ files are decoded
// or refused for a reason of ours, i_ files do not crash.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "core/file.h"
#include "ingest/json_telemetry.h"
#include "ingest/reasons.h"

namespace muster::ingest {
namespace {

namespace fs = std::filesystem;

fs::path suite_folder() {
  const char* given = std::getenv("MUSTER_VECTORS");
  const fs::path vectors = given != nullptr ? fs::path{given} : fs::path{MUSTER_SOURCE_DIR} / "../shared/vectors";
  return vectors / "jsontestsuite" / "test_parsing";
}

TEST(JsonTestSuite, InvalidIsRefusedAndValidIsUnderstood) {
  if (!fs::exists(suite_folder())) {
    std::cout << "JSONTestSuite is not at " << suite_folder() << ": set MUSTER_VECTORS\n";
    GTEST_SKIP();
  }
  int files = 0;
  for (const auto& entry : fs::directory_iterator(suite_folder())) {
    const std::string name = entry.path().filename().string();
    const auto content = read_file(entry.path().string(), 1u << 20);
    ASSERT_TRUE(content.ok()) << name;
    JsonTelemetryDecoder decoder;
    const auto decoded = decoder.decode(*content, 0);
    ++files;
    if (name.starts_with("n_")) {
      EXPECT_FALSE(decoded.ok()) << name;
    } else if (name.starts_with("y_") && !decoded.ok()) {
      EXPECT_NE(decoded.error().reason, reasons::kJsonInvalid) << name;
      EXPECT_NE(decoded.error().reason, reasons::kNotUtf8) << name;
    }
  }
  EXPECT_GT(files, 300);
}

}  // namespace
}  // namespace muster::ingest
