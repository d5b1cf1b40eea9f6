// SPDX-License-Identifier: Apache-2.0
#include <openssl/evp.h>

#include "core/encoding.h"
#include "edge/folder_files.h"
#include "integration/api/edge_lab.h"
#include "x509/openssl_ptr.h"

namespace muster::api {
namespace {

class HeartbeatOfServer : public EdgeLab {
 protected:
  struct Edge {
    JoinedEdge joined;
    Bytes key;  // by which its broker knows the server
  };
  Edge join_with_key(const std::string& name) {
    const Answer joined = join({{"join_token", invite({{"name", name}})}, {"csr", make_csr(name)}});
    EXPECT_EQ(joined.status, 200) << joined.text;
    const json body = joined.body();
    write(name + ".pem", body.value("certificate", "") + body.value("chain", ""));
    auto key = from_base64(body.value("heartbeat_key", ""));
    EXPECT_TRUE(key.ok());
    return {{name, body.value("edge_id", ""), "", {"", name, "", true}}, key.ok() ? *key : Bytes()};
  }
  json begin_of(const Edge& edge, const std::string& target) {
    const Answer answer = send(edge.joined.via, "GET", target);
    EXPECT_EQ(answer.status, 200) << answer.text;
    return lines_of(answer.text).at(0);
  }
  // Whether `begin` is signed by `key` for `edge_id`.
  static bool is_signed(const json& begin, const std::string& edge_id, const Bytes& key) {
    const auto signature = from_base64(begin.value("signature", ""));
    const edge::StreamPosition position{*parse_raw_id(begin.value("epoch", "")),
                                        begin.value("number", std::uint64_t{0})};
    const Bytes message =
        edge::heartbeat_message(*EdgeId::parse(edge_id), position, *parse_rfc3339(begin.value("issued_at", "")));
    const x509::EvpPkeyPtr public_key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size()));
    const x509::EvpMdCtxPtr context(EVP_MD_CTX_new());
    return signature.ok() && public_key &&
           EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, public_key.get()) == 1 &&
           EVP_DigestVerify(context.get(), signature->data(), signature->size(), message.data(), message.size()) == 1;
  }
};

TEST_F(HeartbeatOfServer, EveryAnswerIsSignedForTheEdgeThatAsked) {
  const Edge first = join_with_key("edge-1");
  const Edge second = join_with_key("edge-2");
  EXPECT_EQ(first.key, second.key) << "one key for the deployment, whoever made it";
  EXPECT_EQ(first.key.size(), 32U);

  const json snapshot = begin_of(first, "/v1/edge/snapshot");
  EXPECT_TRUE(is_signed(snapshot, first.joined.id, first.key)) << snapshot;
  EXPECT_FALSE(is_signed(snapshot, second.joined.id, first.key)) << "good for one edge only";
  json later = snapshot;
  later["number"] = snapshot.value("number", std::uint64_t{0}) + 1;
  EXPECT_FALSE(is_signed(later, first.joined.id, first.key));

  const std::string since =
      snapshot.value("epoch", "") + ":" + std::to_string(snapshot.value("number", std::uint64_t{0}));
  const json nothing_new = begin_of(first, "/v1/edge/changes?since=" + since + "&wait_ms=0");
  EXPECT_TRUE(is_signed(nothing_new, first.joined.id, first.key)) << nothing_new;
  EXPECT_TRUE(is_signed(begin_of(second, "/v1/edge/snapshot"), second.joined.id, first.key));
}

}  // namespace
}  // namespace muster::api
