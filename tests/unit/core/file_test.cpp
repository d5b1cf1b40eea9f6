// SPDX-License-Identifier: Apache-2.0
#include "core/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace muster {
namespace {

class FileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/muster-file-XXXXXX";
    folder_ = mkdtemp(name);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string folder_;
};

TEST_F(FileTest, DurableWriteReplacesAsAWholeAndLeavesNoTemporary) {
  const std::string path = folder_ + "/state";
  ASSERT_TRUE(write_file_durably(path, as_bytes("old"), 0600).ok());
  ASSERT_TRUE(write_file_durably(path, as_bytes("new"), 0640).ok());

  EXPECT_EQ(as_text(*read_file(path, 100)), "new");
  struct stat info {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640U);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(FileTest, SecretThatOthersMayReadIsRefused) {
  const std::string path = folder_ + "/kek";
  for (const mode_t mode : {0640, 0604, 0660}) {
    ASSERT_TRUE(write_file_durably(path, as_bytes("secret"), mode).ok());
    const auto secret = read_secret_file(path, 100);
    ASSERT_FALSE(secret.ok());
    EXPECT_EQ(secret.error().reason, "file.permissions_too_open");
  }
  ASSERT_TRUE(write_file_durably(path, as_bytes("secret"), 0600).ok());
  EXPECT_EQ(as_text(read_secret_file(path, 100)->view()), "secret");
}

TEST_F(FileTest, LimitsAndAbsenceHaveTheirOwnReasons) {
  const std::string path = folder_ + "/big";
  EXPECT_EQ(read_file(path, 10).error().reason, "file.missing");
  ASSERT_TRUE(write_file_durably(path, Bytes(11, 'x'), 0600).ok());
  EXPECT_EQ(read_file(path, 10).error().reason, "file.too_large");
  EXPECT_EQ(write_file_durably(folder_ + "/no/such", as_bytes("x"), 0600).error().reason, "file.write_failed");
}

}  // namespace
}  // namespace muster
