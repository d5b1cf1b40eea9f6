// SPDX-License-Identifier: Apache-2.0
#include "api/broker_question.h"

#include <gtest/gtest.h>

#include <string>

#include "core/encoding.h"

namespace muster::api {
namespace {

using auth_plugin::OtherAccess;

TEST(BrokerQuestion, NamesOfAClientAreReadAndOtherFieldsLetPass) {
  const auto question = read_authn_question(
      R"({"clientid":"acme/pump","username":"acme/pump","password":"x","peerhost":"192.0.2.1","mountpoint":null})");
  ASSERT_TRUE(question.ok()) << to_log_text(question.error());
  EXPECT_EQ(question->client_id, "acme/pump");
  EXPECT_EQ(question->username, "acme/pump");
  EXPECT_TRUE(question->chain.empty());
}

TEST(BrokerQuestion, WhatBrokersSendForAMissingValueIsNoValue) {
  for (const std::string missing : {R"("")", R"("undefined")", "null"}) {
    const auto question =
        read_authn_question(R"({"clientid":"acme/pump","username":)" + missing + R"(,"cert_pem":)" + missing + "}");
    ASSERT_TRUE(question.ok()) << missing;
    EXPECT_EQ(question->username, "");
    EXPECT_TRUE(question->chain.empty());
    EXPECT_FALSE(read_authn_question(R"({"clientid":)" + missing + "}").ok());
  }
}

TEST(BrokerQuestion, TheTopicQuestionNeedsAnActionAndATopic) {
  const auto question = read_authz_question(R"({"clientid":"a/b","action":"subscribe","topic":"a/b/#","qos":"1"})");
  ASSERT_TRUE(question.ok()) << to_log_text(question.error());
  EXPECT_EQ(question->access, OtherAccess::kSubscribe);
  EXPECT_EQ(question->topic, "a/b/#");
  for (const std::string body :
       {R"({"clientid":"a/b","topic":"a/b/c"})", R"({"clientid":"a/b","action":"publish"})",
        R"({"clientid":"a/b","action":"all","topic":"a/b/c"})", R"({"action":"publish","topic":"a/b/c"})",
        R"({"clientid":["a/b"],"action":"publish","topic":"a/b/c"})", R"([])", R"({)", ""}) {
    EXPECT_FALSE(read_authz_question(body).ok()) << body;
  }
}

TEST(BrokerQuestion, ACertificateThatIsNoneIsRefusedAndNotForgotten) {
  for (const std::string text : {"not base64 !", "-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----",
                                 "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFBQUEK"}) {
    EXPECT_FALSE(read_authn_question(R"({"clientid":"a/b","cert_pem":")" + text + "\"}").ok()) << text;
  }
  // Whether octets are a certificate is seen where they are verified.
  const auto octets = read_authn_question(R"({"clientid":"a/b","cert_pem":"MAA="})");
  ASSERT_TRUE(octets.ok());
  EXPECT_EQ(octets->chain.size(), 1U);
}

}  // namespace
}  // namespace muster::api
