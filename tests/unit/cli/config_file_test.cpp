// SPDX-License-Identifier: Apache-2.0
#include "cli/config_file.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cli/reasons.h"

namespace muster::cli {
namespace {

class ConfigFileTest : public testing::Test {
 protected:
  ConfigFileTest() {
    char name[] = "/tmp/muster-config-XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~ConfigFileTest() override { std::filesystem::remove_all(folder_); }

  Result<ConfigFile> load(const std::string& text) {
    std::ofstream(folder_ + "/some.toml") << text;
    return ConfigFile::load(folder_ + "/some.toml");
  }
  std::string folder_;
};

TEST_F(ConfigFileTest, ReadsTablesAndKeepsDefaults) {
  auto file = load("name = \"a\"\n[log]\nurl = \"b\"\n");
  ASSERT_TRUE(file.ok());

  std::string name, url, absent = "default";
  file->required("name", name);
  file->required("log.url", url);
  file->optional("other", absent);

  EXPECT_TRUE(file->finish().ok());
  EXPECT_EQ(name + url + absent, "abdefault");
}

TEST_F(ConfigFileTest, RefusesAKeyThatNobodyAskedFor) {
  auto file = load("[log]\nur1 = \"b\"\n");
  ASSERT_TRUE(file.ok());

  std::string url;
  file->optional("log.url", url);

  const auto finished = file->finish();
  ASSERT_FALSE(finished.ok());
  EXPECT_EQ(finished.error().reason, kConfigUnknownKey);
  EXPECT_NE(finished.error().detail.find("log.ur1"), std::string::npos);
}

TEST_F(ConfigFileTest, NamesAMissingKey) {
  auto file = load("");
  ASSERT_TRUE(file.ok());

  std::string url;
  file->required("log.url", url);

  const auto finished = file->finish();
  ASSERT_FALSE(finished.ok());
  EXPECT_EQ(finished.error().reason, kConfigInvalid);
  EXPECT_NE(finished.error().detail.find("log.url"), std::string::npos);
}

TEST_F(ConfigFileTest, RefusesWrongTypesAndValuesOutOfRange) {
  for (const char* text : {"size = \"8\"", "size = 0", "size = 101", "size = 1.5"}) {
    auto file = load(text);
    ASSERT_TRUE(file.ok()) << text;
    std::int64_t size = 1;
    file->optional("size", size, 1, 100);
    const auto finished = file->finish();
    ASSERT_FALSE(finished.ok()) << text;
    EXPECT_EQ(finished.error().reason, kConfigInvalid) << text;
  }
}

TEST_F(ConfigFileTest, RefusesWhatIsNotToml) {
  const auto file = load("name = \n");
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.error().reason, kConfigInvalid);
}

TEST_F(ConfigFileTest, TakesPathsRelativeToItself) {
  auto file = load("key = \"sub/key.pem\"\nother = \"/etc/x\"");
  ASSERT_TRUE(file.ok());

  std::string relative, absolute;
  file->required_path("key", relative);
  file->required_path("other", absolute);

  ASSERT_TRUE(file->finish().ok());
  EXPECT_EQ(relative, folder_ + "/sub/key.pem");
  EXPECT_EQ(absolute, "/etc/x");
}

TEST(HostPort, ParsesAddressAndPort) {
  const auto four = parse_host_port("listen", "127.0.0.1:8443");
  const auto six = parse_host_port("listen", "[::1]:1");
  ASSERT_TRUE(four.ok());
  ASSERT_TRUE(six.ok());
  EXPECT_EQ(four->host, "127.0.0.1");
  EXPECT_EQ(four->port, 8443);
  EXPECT_EQ(six->host, "::1");
}

TEST(HostPort, RefusesWhatIsNotOne) {
  for (const char* text : {"", "8443", ":8443", "a:", "a:b", "a:65536", "a:1x", "a:-1"}) {
    EXPECT_FALSE(parse_host_port("listen", text).ok()) << text;
  }
}

}  // namespace
}  // namespace muster::cli
