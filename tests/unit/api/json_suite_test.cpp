// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "api/json_reader.h"
#include "api/reasons.h"

namespace muster::api {
namespace {

// JSONTestSuite is not part of the project: MUSTER_VECTORS names the folder that holds jsontestsuite/.
std::filesystem::path suite_folder() {
  const char* vectors = std::getenv("MUSTER_VECTORS");
  const std::filesystem::path base = vectors != nullptr
                                         ? std::filesystem::path{vectors}
                                         : std::filesystem::path{MUSTER_SOURCE_DIR} / "../shared/vectors";
  return base / "jsontestsuite/test_parsing";
}

std::string read(const std::filesystem::path& path) {
  std::ifstream file{path, std::ios::binary};
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(JsonSuite, EveryFileIsTakenOrRefusedAsItsNameSays) {
  if (!std::filesystem::exists(suite_folder())) GTEST_SKIP() << "no JSONTestSuite; set MUSTER_VECTORS";
  std::size_t seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator{suite_folder()}) {
    const std::string name = entry.path().filename().string();
    const auto parsed = JsonReader::parse(read(entry.path()));
    const bool json = parsed.ok() || parsed.error().reason != reasons::kJsonMalformed;
    ++seen;

    if (name.rfind("y_", 0) == 0) {
      EXPECT_TRUE(json) << name;
    }
    if (name.rfind("n_", 0) == 0) {
      EXPECT_FALSE(json) << name;
    }
  }
  EXPECT_EQ(seen, 318U);
}

}  // namespace
}  // namespace muster::api
