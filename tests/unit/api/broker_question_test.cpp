// SPDX-License-Identifier: Apache-2.0
#include "api/broker_question.h"

#include <gtest/gtest.h>

#include <string>

#include "core/encoding.h"

namespace muster::api {
namespace {

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
  EXPECT_EQ(question->access.access, TopicAccess::kSubscribe);
  EXPECT_EQ(question->topic, "a/b/#");
  for (const std::string body :
       {R"({"clientid":"a/b","topic":"a/b/c"})", R"({"clientid":"a/b","action":"publish"})",
        R"({"clientid":"a/b","action":"all","topic":"a/b/c"})", R"({"action":"publish","topic":"a/b/c"})",
        R"({"clientid":["a/b"],"action":"publish","topic":"a/b/c"})", R"([])", R"({)", ""}) {
    EXPECT_FALSE(read_authz_question(body).ok()) << body;
  }
}

// A field that nobody reads here must not hide one that is wrong.
TEST(BrokerQuestion, AFieldThatIsWrongIsRefusedBesideFieldsThatAreLetPass) {
  for (const std::string body :
       {R"({"clientid":"a/b","action":"all","topic":"a/b/c","peerhost":"::1"})",
        R"({"clientid":"a/b","action":"publish","topic":7,"peerhost":"::1"})",
        R"({"clientid":"a/b","action":"publish","topic":"a/b/c","cert_pem":{},"peerhost":"::1"})",
        R"({"clientid":"a/b","action":"publish","topic":"a/b/c","username":"x\u0000","peerhost":"::1"})",
        R"({"action":"publish","topic":"a/b/c","peerhost":"::1"})"}) {
    EXPECT_FALSE(read_authz_question(body).ok()) << body;
  }
  EXPECT_FALSE(read_authn_question(R"({"clientid":"a/b","username":["x"],"peerhost":"::1"})").ok());
}

TEST(BrokerQuestion, WhatIsCarriedIsReadAsNumberAndAsTextAndTheMostWhereItIsNotSaid) {
  const auto asked = [](const std::string& fields) {
    return read_authz_question(R"({"clientid":"a/b","action":"publish","topic":"a/b/c")" + fields + "}");
  };
  for (const std::string fields :
       {R"(,"qos":1,"retain":false,"payload_size":9)", R"(,"qos":"1","retain":"false","payload_size":"9")"}) {
    const auto said = asked(fields);
    ASSERT_TRUE(said.ok()) << fields;
    EXPECT_EQ(said->access.carried.qos, 1);
    EXPECT_EQ(said->access.carried.payload, 9U);
    EXPECT_FALSE(said->access.retain);
  }
  for (const std::string fields : {"", R"(,"qos":null,"retain":"","payload_size":"undefined")"}) {
    const auto unsaid = asked(fields);
    ASSERT_TRUE(unsaid.ok()) << fields;
    EXPECT_EQ(unsaid->access.carried.qos, 2);
    EXPECT_EQ(unsaid->access.carried.payload, 0U);
    EXPECT_TRUE(unsaid->access.retain);
  }
  for (const std::string fields :
       {R"(,"qos":3)", R"(,"qos":"-1")", R"(,"qos":"1 ")", R"(,"qos":1.0)", R"(,"qos":true)", R"(,"qos":[])",
        R"(,"retain":"yes")", R"(,"retain":1)", R"(,"payload_size":268435456)", R"(,"payload_size":-1)"}) {
    EXPECT_FALSE(asked(fields).ok()) << fields;
  }
  const auto subscribing =
      read_authz_question(R"({"clientid":"a/b","action":"subscribe","topic":"a/b/c","retain":"undefined","qos":0})");
  ASSERT_TRUE(subscribing.ok());
  EXPECT_FALSE(subscribing->access.retain);
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
