// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/heartbeat_key.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "support/heartbeat_signer.h"
#include "support/temp_folder.h"

namespace muster::auth_plugin {
namespace {

class HeartbeatKeyFile : public testing::Test {
 protected:
  bool loads(const std::string& content, mode_t mode = 0644) {
    std::ofstream(path_, std::ios::trunc) << content;
    ::chmod(path_.c_str(), mode);
    return HeartbeatKey::load(path_).ok();
  }
  test_support::TempFolder folder_;
  const std::string path_ = (folder_ / "heartbeat.pub").string();
  const test_support::HeartbeatSigner signer_;
  const std::string edge_ = "edge " + signer_.edge.text() + "\n";
  const std::string key_ = "ed25519 " + to_base64(signer_.public_key()) + "\n";
};

TEST_F(HeartbeatKeyFile, TellsTheServersSignatureFromOthers) {
  signer_.write_key_file(path_);
  const auto key = HeartbeatKey::load(path_);
  ASSERT_TRUE(key.ok()) << key.error().detail;
  EXPECT_EQ(key->edge, signer_.edge);

  const Bytes message = to_bytes("a heartbeat");
  const auto signature = signer_.sign(message);
  EXPECT_TRUE(key->verifies(message, signature));
  EXPECT_FALSE(key->verifies(to_bytes("a heartbeaT"), signature));
  EXPECT_FALSE(key->verifies(message, BytesView(signature).first(63)));
  EXPECT_FALSE(key->verifies(message, {}));
  EXPECT_FALSE(key->verifies(message, test_support::HeartbeatSigner().sign(message))) << "another deployment's key";
}

TEST_F(HeartbeatKeyFile, IsReadStrictly) {
  EXPECT_TRUE(loads("# comment\n\n" + edge_ + key_));
  EXPECT_FALSE(loads(""));
  EXPECT_FALSE(loads(edge_));
  EXPECT_FALSE(loads(key_));
  EXPECT_FALSE(loads(edge_ + key_ + key_));
  EXPECT_FALSE(loads(edge_ + edge_ + key_));
  EXPECT_FALSE(loads(edge_ + key_ + "more x\n"));
  EXPECT_FALSE(loads(edge_ + "ed25519 AAAA\n"));
  EXPECT_FALSE(loads("edge one\n" + key_));
}

TEST_F(HeartbeatKeyFile, ThatOthersMayChangeIsNotBelieved) {
  EXPECT_FALSE(loads(edge_ + key_, 0666));
  EXPECT_FALSE(loads(edge_ + key_, 0664));
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  ASSERT_TRUE(loads(edge_ + key_));
  ASSERT_EQ(chown(path_.c_str(), 65534, 65534), 0);
  EXPECT_FALSE(HeartbeatKey::load(path_).ok()) << "the edge's user could have written it";
}

}  // namespace
}  // namespace muster::auth_plugin
