// SPDX-License-Identifier: Apache-2.0
//
// Purpose: OCSP as other people's clients see it: the openssl program, GnuTLS's ocsptool, and plain HTTP.
#include "core/encoding.h"
#include "integration/api/api_lab.h"
#include "support/eventually.h"

namespace muster::api {
namespace {

class Ocsp : public ApiLab {
 protected:
  void SetUp() override {
    ApiLab::SetUp();
    acme = make_tenant("acme");
    write("device-root.pem", authority->device_root_pem().value());
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(server->plain_port()) + "/ocsp"; }
  // The device's certificate in NAME.leaf, its issuer in NAME.issuer, all above the leaf in NAME.chain.
  json enrolled(const TestTenant& tenant, const std::string& device) {
    const json body = enrol(tenant, device);
    const std::string chain = body.value("chain", "");
    write(device + ".leaf", body.value("certificate", ""));
    write(device + ".chain", chain);
    write(device + ".issuer", chain.substr(0, chain.find("-----END CERTIFICATE-----") + 26));
    return body;
  }
  std::string shell(const std::string& command) {
    test_support::SpawnOptions options;
    options.command = {"sh", "-c", command};
    options.output_file = path("shell.log");
    test_support::run(options);
    return read("shell.log");
  }
  // `options` first: the program wants the digest of a CertID before the certificate.
  std::string openssl_ocsp(const std::string& device, const std::string& options = "") {
    return shell("openssl ocsp " + options + " -issuer " + path(device + ".issuer") + " -cert " +
                 path(device + ".leaf") + " -url " + url() + " -CAfile " + path("device-root.pem") + " -verify_other " +
                 path(device + ".chain"));
  }
  void revoke(const TestTenant& tenant, const json& certificate, const std::string& reason = "keyCompromise") {
    const Answer revoked =
        send({tenant.admin, ""}, "POST", tenant.path + "/certificates/" + certificate.value("id", "") + "/revocation",
             json{{"reason", reason}}.dump());
    ASSERT_EQ(revoked.status, 200) << revoked.text;
  }
  Answer plain(const std::string& method, const std::string& target, const std::string& body = "") {
    http::ClientConfig config;
    config.base_url = "http://127.0.0.1:" + std::to_string(server->plain_port());
    auto client = http::Client::create(config);
    http::ClientRequest request;
    request.method = method;
    request.target = target;
    request.body = body;
    const auto response = client->send(request);
    EXPECT_TRUE(response.ok()) << to_log_text(response.error());
    if (!response.ok()) return {};
    return {response->status, response->headers, response->body};
  }
  // A request without nonce, DER.
  std::string request_for(const std::string& device, const std::string& more = "-no_nonce") {
    shell("openssl ocsp -issuer " + path(device + ".issuer") + " -cert " + path(device + ".leaf") + " " + more +
          " -reqout " + path("request.der"));
    return read("request.der");
  }
  static bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

  TestTenant acme;
};

// OCSPResponseStatus of an answer without bytes: 30 03 0A 01 xx.
int error_status(const std::string& der) {
  return der.size() == 5 && der[0] == 0x30 ? static_cast<unsigned char>(der[4]) : -1;
}

TEST_F(Ocsp, OpensslAcceptsGoodAndRevokedWithNonceAndWithout) {
  const json certificate = enrolled(acme, "d");
  for (const std::string more : {"", "-no_nonce", "-sha256", "-no_nonce -sha256"}) {
    const std::string said = openssl_ocsp("d", more);
    EXPECT_TRUE(holds(said, "Response verify OK")) << more << said;
    EXPECT_TRUE(holds(said, "d.leaf: good")) << more << said;
    EXPECT_FALSE(holds(said, "WARNING")) << more << said;  // "no nonce in response"
  }

  revoke(acme, certificate);

  for (const std::string more : {"", "-no_nonce", "-sha256", "-no_nonce -sha256"}) {
    const std::string said = openssl_ocsp("d", more);
    EXPECT_TRUE(holds(said, "Response verify OK")) << more << said;
    EXPECT_TRUE(holds(said, "d.leaf: revoked") && holds(said, "keyCompromise")) << more << said;
  }
}

TEST_F(Ocsp, GnutlsAcceptsTheAnswerAndItsSigner) {
  const json certificate = enrolled(acme, "d");
  const std::string asked = shell("ocsptool --ask=" + url() + " --load-cert " + path("d.leaf") + " --load-issuer " +
                                  path("d.issuer") + " 2>&1");
  EXPECT_TRUE(holds(asked, "Verifying OCSP Response: Success")) << asked;
  const auto read_answer = [&] {
    openssl_ocsp("d", "-no_nonce -respout " + path("answer.der"));
    return shell("ocsptool --verify-response --load-trust " + path("d.issuer") + " --load-response " +
                 path("answer.der"));
  };
  const std::string before = read_answer();
  EXPECT_TRUE(holds(before, "Certificate Status: good") && holds(before, "Success")) << before;
  revoke(acme, certificate);
  const std::string after = read_answer();
  EXPECT_TRUE(holds(after, "Certificate Status: revoked") && holds(after, "Success")) << after;
}

TEST_F(Ocsp, ResponderCertificateIsWhatRfc6960Asks) {
  enrolled(acme, "d");
  openssl_ocsp("d", "-no_nonce -respout " + path("answer.der"));
  const std::string said = shell("openssl ocsp -respin " + path("answer.der") + " -resp_text -noverify");
  EXPECT_TRUE(holds(said, "OCSP Signing")) << said;
  EXPECT_TRUE(holds(said, "OCSP No Check")) << said;
  EXPECT_FALSE(holds(said, "TLS Web")) << said;
}

TEST_F(Ocsp, GetAnswersAsRfc5019AndCachesMayKeepIt) {
  enrolled(acme, "d");
  const std::string request = to_base64(as_bytes(request_for("d")));
  const Answer answer = plain("GET", "/ocsp/" + http::percent_encode(request));
  ASSERT_EQ(answer.status, 200) << answer.text;
  EXPECT_EQ(answer.headers.at("content-type"), "application/ocsp-response");
  EXPECT_TRUE(holds(answer.headers.at("cache-control"), "max-age="));
  EXPECT_TRUE(holds(answer.headers.at("cache-control"), "must-revalidate"));
  EXPECT_TRUE(answer.headers.contains("last-modified") && answer.headers.contains("expires"));
  // Slashes and plus signs as they are, as some clients send them; the same octets come again.
  EXPECT_EQ(plain("GET", "/ocsp/" + request).text, answer.text);
  // curl, because httplib's client waits for a body that a 304 does not have.
  EXPECT_EQ(shell("curl -s -o /dev/null -w '%{http_code}' -H 'If-None-Match: " + answer.headers.at("etag") + "' '" +
                  url() + "/" + http::percent_encode(request) + "'"),
            "304");
  EXPECT_EQ(plain("POST", "/ocsp", request_for("d")).text, answer.text);
}

TEST_F(Ocsp, NoAnswerAfterAnAcknowledgedRevocationSaysGood) {
  for (int i = 0; i < 5; ++i) {
    const std::string device = "d" + std::to_string(i);
    const json certificate = enrolled(acme, device);
    const std::string request = request_for(device);
    const std::string good = plain("POST", "/ocsp", request).text;
    EXPECT_EQ(plain("POST", "/ocsp", request).text, good);
    // Whichever way it is revoked.
    if (i % 2 == 0) {
      revoke(acme, certificate);
    } else {
      ASSERT_EQ(send({acme.admin, ""}, "DELETE", acme.path + "/devices/" + device).status, 204);
    }
    EXPECT_NE(plain("POST", "/ocsp", request).text, good);
    EXPECT_TRUE(holds(openssl_ocsp(device, "-no_nonce"), ": revoked"));
  }
}

TEST_F(Ocsp, ARevocationOfAnotherProcessShowsWithinSeconds) {
  enrolled(acme, "d");
  const std::string request = request_for("d");
  const std::string good = plain("POST", "/ocsp", request).text;
  database.execute("UPDATE muster.certificates SET status = 'revoked', revoked_at = now(), revocation_reason = 1");
  EXPECT_TRUE(test_support::eventually([&] { return plain("POST", "/ocsp", request).text != good; }));
  EXPECT_TRUE(holds(openssl_ocsp("d", "-no_nonce"), "d.leaf: revoked"));
}

// A suspended device's certificate is what it was: others who rely on it are told the truth, brokers turn it away.
TEST_F(Ocsp, SuspensionIsNoStateOfTheCertificate) {
  enrolled(acme, "d");
  ASSERT_EQ(send({acme.admin, ""}, "PATCH", acme.path + "/devices/d", R"({"status":"suspended"})").status, 200);
  EXPECT_TRUE(holds(openssl_ocsp("d"), "d.leaf: good"));
}

TEST_F(Ocsp, CertificatesThatWereNeverIssuedAreUnknownAndNotKept) {
  enrolled(acme, "d");
  const std::string said = shell("openssl ocsp -issuer " + path("d.issuer") + " -serial 0x4123456789 -url " + url() +
                                 " -CAfile " + path("device-root.pem") + " -verify_other " + path("d.chain"));
  EXPECT_TRUE(holds(said, "0x4123456789: unknown")) << said;
  shell("openssl ocsp -no_nonce -issuer " + path("d.issuer") + " -serial 0x4123456789 -reqout " + path("request.der"));
  EXPECT_EQ(plain("POST", "/ocsp", read("request.der")).headers.at("cache-control"), "no-store");
}

// Serials of one tenant asked about under another's issuer are nobody's.
TEST_F(Ocsp, AnotherTenantsSerialIsUnknownUnderThisIssuer) {
  const TestTenant beta = make_tenant("beta");
  const json theirs = enrolled(beta, "b");
  enrolled(acme, "a");
  const std::string said =
      shell("openssl ocsp -issuer " + path("a.issuer") + " -serial 0x" + theirs.value("serial", "") + " -url " + url() +
            " -CAfile " + path("device-root.pem") + " -verify_other " + path("a.chain"));
  EXPECT_TRUE(holds(said, ": unknown")) << said;
}

TEST_F(Ocsp, WhatIsNotARequestOrNotOursGetsItsStatus) {
  enrolled(acme, "d");
  EXPECT_EQ(error_status(plain("POST", "/ocsp", "").text), 1);
  EXPECT_EQ(error_status(plain("POST", "/ocsp", "not a request").text), 1);
  EXPECT_EQ(error_status(plain("GET", "/ocsp/!!!").text), 1);
  EXPECT_EQ(error_status(plain("POST", "/ocsp", request_for("d") + "x").text), 1);
  // An issuer that is none of ours: the infrastructure's server certificate names another key.
  shell("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=other -keyout /dev/null -out " +
        path("other.pem") + " && openssl ocsp -no_nonce -issuer " + path("other.pem") + " -serial 1 -reqout " +
        path("request.der"));
  EXPECT_EQ(error_status(plain("POST", "/ocsp", read("request.der")).text), 6);
}

TEST_F(Ocsp, SeveralInOneRequestUpToTenAndNoLargeBodies) {
  enrolled(acme, "d");
  std::string ten, hundred;
  for (int i = 1; i <= 100; ++i) {
    hundred += " -serial " + std::to_string(i);
    if (i <= 9) ten = hundred;
  }
  const std::string base = "openssl ocsp -issuer " + path("d.issuer") + " -cert " + path("d.leaf");
  const std::string said = shell(base + ten + " -url " + url() + " -CAfile " + path("device-root.pem") +
                                 " -verify_other " + path("d.chain"));
  EXPECT_TRUE(holds(said, "d.leaf: good") && holds(said, "9: unknown")) << said;
  shell(base + hundred + " -no_nonce -reqout " + path("request.der"));
  EXPECT_EQ(error_status(plain("POST", "/ocsp", read("request.der")).text), 1);
  EXPECT_EQ(plain("POST", "/ocsp", std::string(64 * 1024, '0')).status, 413);
}

// Made-up requests cost a bounded number of signatures a second; prepared answers go on meanwhile.
TEST_F(Ocsp, AFloodOfNoncesIsToldToTryLaterAndPreparedAnswersGoOn) {
  enrolled(acme, "d");
  const std::string prepared = request_for("d");
  const std::string good = plain("POST", "/ocsp", prepared).text;
  const std::string with_nonce = request_for("d", "-nonce");
  int later = 0;
  for (int i = 0; i < 3'000 && later == 0; ++i) later += error_status(plain("POST", "/ocsp", with_nonce).text) == 3;
  EXPECT_EQ(later, 1);
  EXPECT_EQ(plain("POST", "/ocsp", prepared).text, good);
}

}  // namespace
}  // namespace muster::api
