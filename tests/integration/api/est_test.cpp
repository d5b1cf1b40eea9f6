// SPDX-License-Identifier: Apache-2.0
//
// EST and claims over HTTPS, spoken to as devices, factories and thieves do.
#include <thread>

#include "core/encoding.h"
#include "enroll/trust_anchor.h"
#include "integration/api/api_lab.h"
#include "registry/certificate_store.h"
#include "x509/certificate.h"

namespace muster::api {
namespace {

class Est : public ApiLab {
 protected:
  struct Credential {
    std::string authorization;
    std::string certificate;  // NAME of NAME.pem and NAME.key
  };
  static Credential bearer(const std::string& token) { return {"Bearer " + token, ""}; }
  static Credential basic(const std::string& user, const std::string& password) {
    return {"Basic " + to_base64(as_bytes(user + ":" + password)), ""};
  }

  // `target` begins with the tenant; with a '/', it is the whole path.
  Result<http::ClientResponse> try_est(const Credential& by, const std::string& target, const std::string& body,
                                       const std::string& type = "application/pkcs10") {
    http::ClientConfig config;
    config.base_url = "https://127.0.0.1:" + std::to_string(server->rest_port());
    config.ca_file = path("root.pem");
    if (!by.certificate.empty()) {
      config.client_certificate_file = path(by.certificate + ".pem");
      config.client_key_file = path(by.certificate + ".key");
    }
    MUSTER_TRY(http::Client client, http::Client::create(config));
    http::ClientRequest request;
    request.method = body.empty() ? "GET" : "POST";
    request.target = target.front() == '/' ? target : "/.well-known/est/" + target;
    request.body = body;
    request.content_type = type;
    if (!by.authorization.empty()) request.headers.emplace("Authorization", by.authorization);
    return client.send(request);
  }
  Answer est(const Credential& by, const std::string& target, const std::string& body = "",
             const std::string& type = "application/pkcs10") {
    const auto response = try_est(by, target, body, type);
    EXPECT_TRUE(response.ok()) << target << ": " << to_log_text(response.error());
    if (!response.ok()) return {};
    return {response->status, response->headers, response->body};
  }

  void openssl(const std::string& arguments) {
    test_support::SpawnOptions options;
    options.command = {"sh", "-c", "umask 077 && cd '" + folder.path().string() + "' && openssl " + arguments};
    options.output_file = path("openssl.log");
    EXPECT_TRUE(test_support::run(options).success()) << arguments << "\n" << read("openssl.log");
  }
  // The base64 body of a request for `subject`, with its key in NAME.key.
  std::string est_csr(const std::string& name, const std::string& subject, const std::string& more = "") {
    openssl("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout " + name + ".key -outform DER -out " +
            name + ".der -subj '" + subject + "' " + more);
    return to_base64(as_bytes(read(name + ".der")));
  }
  // Writes the certificate of a certs-only answer to NAME.pem and returns how many there are.
  std::size_t take_certificates(const Answer& answer, const std::string& name) {
    const auto der = from_base64(answer.text);
    EXPECT_TRUE(der.ok()) << answer.text;
    if (!der.ok()) return 0;
    write("answer.p7", std::string(as_text(*der)));
    openssl("pkcs7 -inform DER -in answer.p7 -print_certs -out " + name + ".p7pem");
    std::string pem = read(name + ".p7pem");
    std::string blocks;
    std::size_t count = 0;
    for (std::size_t at = pem.find("-----BEGIN"); at != std::string::npos; at = pem.find("-----BEGIN", at + 1)) {
      const std::size_t end = pem.find("-----END CERTIFICATE-----", at);
      blocks += pem.substr(at, end - at) + "-----END CERTIFICATE-----\n";
      ++count;
    }
    write(name + ".pem", blocks);
    return count;
  }
  std::string make_claim(const TestTenant& tenant, json terms) {
    const Answer made = send({tenant.admin, ""}, "POST", tenant.path + "/claims", terms.dump());
    EXPECT_EQ(made.status, 201) << made.text;
    return made.body().value("claim", "");
  }
  void settings(const TestTenant& tenant, json values) {
    values.emplace("labels", json::array());
    const Answer put = send({tenant.admin, ""}, "PUT", tenant.path + "/est-settings", values.dump());
    EXPECT_EQ(put.status, 200) << put.text;
  }
  // Its time passed a second ago, as far as the registry knows.
  void expire(const std::string& device) {
    database.execute(
        "UPDATE muster.certificates SET not_after = now() - interval '1 second' WHERE device_id ="
        " (SELECT id FROM muster.devices WHERE name = '" +
        device + "')");
  }
};

TEST_F(Est, ADeviceGoesFromAClaimToItsSecondCertificate) {
  const TestTenant acme = make_tenant("acme");
  const Answer cas = est({}, "acme/cacerts");
  ASSERT_EQ(cas.status, 200) << cas.text;
  EXPECT_EQ(cas.headers.at("content-type"), "application/pkcs7-mime");
  EXPECT_EQ(take_certificates(cas, "cas"), 4U);  // issuing CA, intermediate, root; root of the servers
  const Answer attributes = est({}, "acme/csrattrs");
  EXPECT_EQ(attributes.headers.at("content-type"), "application/csrattrs");
  EXPECT_EQ(attributes.text, "MCEwFQYHKoZIzj0CATEKBggqhkjOPQMBBwYIKoZIzj0EAwI=\n");

  const std::string claim = make_claim(acme, {{"devices", {"pump-1"}}, {"create", true}});
  EXPECT_EQ(claim.rfind("mcl_", 0), 0U);
  const Answer first = est(basic("pump-1", claim), "acme/simpleenroll", est_csr("pump-1", "/CN=pump-1"));
  ASSERT_EQ(first.status, 200) << first.text;
  EXPECT_EQ(first.headers.at("content-type"), "application/pkcs7-mime; smime-type=certs-only");
  EXPECT_EQ(first.headers.count("muster-renewal-start"), 1U);
  EXPECT_EQ(take_certificates(first, "pump-1"), 1U);
  openssl("verify -x509_strict -purpose sslclient -CAfile cas.pem -untrusted cas.pem pump-1.pem");

  const Answer second = est({"", "pump-1"}, "acme/simplereenroll", est_csr("next", "/CN=pump-1"));
  ASSERT_EQ(second.status, 200) << second.text;
  EXPECT_EQ(take_certificates(second, "next"), 1U);
  EXPECT_EQ(send({"", "next"}, "GET", acme.path + "/devices/pump-1").status, 200);
  EXPECT_EQ(est(bearer(claim), "acme/simpleenroll", est_csr("again", "/CN=pump-1")).reason(), "claim.refused");
  // The secret itself is nowhere.
  EXPECT_EQ(database.execute("SELECT count(*) FROM muster.claims WHERE claims::text LIKE '%" + claim + "%'"), "0");
  EXPECT_EQ(database.execute("SELECT count(*) FROM muster.audit_events WHERE detail::text LIKE '%mcl_%'"), "0");
}

TEST_F(Est, BodiesOfAllKindsOfClientsAreRead) {
  const TestTenant acme = make_tenant("acme");
  const auto enrol = [&](const std::string& body, const std::string& type = "application/pkcs10") {
    return est(bearer(acme.factory), "acme/simpleenroll", body, type);
  };
  const auto wrap = [](const std::string& text, std::size_t columns, const std::string& line_end) {
    std::string out;
    for (std::size_t at = 0; at < text.size(); at += columns) out += text.substr(at, columns) + line_end;
    return out;
  };
  EXPECT_EQ(enrol(est_csr("a", "/CN=a")).status, 200);
  EXPECT_EQ(enrol(wrap(est_csr("b", "/CN=b"), 64, "\n")).status, 200);
  EXPECT_EQ(enrol(wrap(est_csr("c", "/CN=c"), 76, "\r\n"), "Application/PKCS10; charset=us-ascii").status, 200);
  est_csr("d", "/CN=d");
  openssl("req -inform DER -in d.der -out d.csr");
  EXPECT_EQ(enrol(read("d.csr")).status, 200);

  const std::string good = est_csr("e", "/CN=e");
  EXPECT_EQ(enrol(good, "application/json").status, 415);
  EXPECT_EQ(enrol(good + "!").reason(), "est.body_malformed");
  EXPECT_EQ(enrol(read("d.csr") + read("d.csr")).reason(), "est.body_malformed");
  const std::string twice = read("e.der") + read("e.der");
  EXPECT_EQ(enrol(to_base64(as_bytes(twice))).reason(), "csr.malformed");
  EXPECT_EQ(enrol("AAAA").reason(), "csr.malformed");
  EXPECT_EQ(enrol("\n").reason(), "est.body_malformed");
  EXPECT_EQ(enrol(std::string(1u << 20, 'A')).status, 413);
  EXPECT_EQ(enrol(est_csr("f", "/O=nobody")).reason(), "est.device_unnamed");
  EXPECT_EQ(enrol(est_csr("g", "/CN=a\\/b")).reason(), "device.name_invalid");
  EXPECT_EQ(enrol(est_csr("h", "/CN=x/CN=y")).reason(), "est.device_unnamed");
  EXPECT_EQ(database.execute("SELECT count(*) FROM muster.devices"), "4");
}

TEST_F(Est, WhoSendsNothingOrNonsenseIsAskedForCredentials) {
  const TestTenant acme = make_tenant("acme");
  const std::string csr = est_csr("x", "/CN=x");
  const Answer anonymous = est({}, "acme/simpleenroll", csr);
  EXPECT_EQ(anonymous.status, 401);
  EXPECT_EQ(anonymous.headers.count("www-authenticate"), 1U);
  EXPECT_EQ(est({}, "acme/simplereenroll", csr).status, 401);
  EXPECT_EQ(est(bearer(acme.admin), "acme/simplereenroll", csr).status, 401) << "re-enrolment is by certificate";
  for (const std::string& header :
       {std::string("Basic"), std::string("Basic !!"), "Basic " + to_base64(as_bytes("no colon")),
        "Basic " + to_base64(as_bytes("a\xFF:b")), "Basic " + to_base64(as_bytes(std::string_view("a\0b:c", 5))),
        std::string("Digest x"), std::string("Bearer mst_x")}) {
    EXPECT_EQ(est({header, ""}, "acme/simpleenroll", csr).status, 401) << header;
  }
  for (const std::string& secret : {std::string("mcl_"), "mcl_" + std::string(43, 'A'), std::string(200, 'm')}) {
    const Answer refused = est(basic("x", secret), "acme/simpleenroll", csr);
    EXPECT_EQ(refused.status, 403) << secret;
    EXPECT_EQ(refused.reason(), "claim.refused");
  }
  EXPECT_EQ(est(bearer(make_token(registry::TokenRole::kAuditor, acme.id)), "acme/simpleenroll", csr).status, 403);
  EXPECT_EQ(est({}, "nobody/cacerts").status, 404);
  EXPECT_EQ(est({}, "acme/nolabel/cacerts").reason(), "est.label_unknown");
  EXPECT_EQ(est(bearer(acme.admin), "acme/fullcmc", csr).reason(), "est.fullcmc_unsupported");
}

TEST_F(Est, AClaimIsRefusedAlikeWhateverIsWrong) {
  const TestTenant acme = make_tenant("acme");
  const TestTenant beta = make_tenant("beta");
  const std::string of_beta = make_claim(beta, {{"devices", {"d1"}}, {"create", true}});
  const std::string far = make_claim(acme, {{"devices", {"d1"}}, {"create", true}, {"networks", {"192.0.2.0/24"}}});
  const std::string uncreated = make_claim(acme, {{"devices", {"d1"}}});
  const std::string late = make_claim(acme, {{"devices", {"d1"}}, {"create", true}, {"description", "late"}});
  database.execute("UPDATE muster.claims SET expires_at = now() - interval '1 second' WHERE description = 'late'");
  std::set<std::string> answers;
  for (const std::string& claim : {of_beta, far, uncreated, late, std::string("mcl_") + std::string(43, 'x')}) {
    const Answer refused = est(basic("d1", claim), "acme/simpleenroll", est_csr("d1", "/CN=d1"));
    EXPECT_EQ(refused.status, 403) << refused.text;
    json body = refused.body();
    body.erase("request_id");
    answers.insert(body.dump());
  }
  EXPECT_EQ(answers.size(), 1U) << *answers.begin() << *answers.rbegin();
  EXPECT_EQ(database.execute("SELECT count(*) FROM muster.devices"), "0");
  EXPECT_EQ(database.execute("SELECT string_agg(detail->>'reason', ',' ORDER BY detail->>'reason') FROM"
                             " muster.audit_events WHERE outcome = 'refused'"),
            "claim.device_unknown,claim.expired,claim.network_not_covered");
}

TEST_F(Est, AClaimDoesNothingButEnrol) {
  const TestTenant acme = make_tenant("acme");
  enrol(acme, "d0");
  const std::string claim = make_claim(acme, {{"device_pattern", "*"}, {"create", true}, {"max_uses", 9}});
  for (const std::string& target :
       {std::string("/v1/tenants"), acme.path, acme.path + "/devices", acme.path + "/certificates",
        acme.path + "/claims", acme.path + "/issuers", acme.path + "/est-settings", std::string("/v1/audit")}) {
    EXPECT_EQ(send({claim, ""}, "GET", target).status, 403) << target;
  }
  EXPECT_EQ(send({claim, ""}, "POST", acme.path + "/devices", json{{"name", "x"}}.dump()).status, 403);
  EXPECT_EQ(send({claim, ""}, "POST", acme.path + "/batches", "{}").status, 403);
  // Enrolling over REST is the same right.
  const std::string body = json{{"csr", make_csr("d1")}}.dump();
  EXPECT_EQ(send({claim, ""}, "POST", acme.path + "/devices/d1/certificates", body).status, 201);
  const Answer taken =
      send({claim, ""}, "POST", acme.path + "/devices/d0/certificates", json{{"csr", make_csr("thief")}}.dump());
  EXPECT_EQ(taken.reason(), "claim.refused") << "a fielded device is not taken over";
}

TEST_F(Est, AHostileDeviceCannotBecomeAnother) {
  const TestTenant acme = make_tenant("acme");
  const TestTenant beta = make_tenant("beta");
  enrol(acme, "evil");
  enrol(acme, "victim");
  const Credential evil{"", "evil"};
  const auto reenrol = [&](const std::string& tenant, const std::string& subject, const std::string& more = "") {
    return est(evil, tenant + "/simplereenroll", est_csr("next", subject, more)).reason();
  };
  EXPECT_EQ(reenrol("acme", "/CN=victim"), "est.names_differ");
  EXPECT_EQ(reenrol("acme", "/CN=evil/O=acme"), "est.names_differ");
  const std::string uri = "spiffe://acme.muster.internal/device/";
  EXPECT_EQ(reenrol("acme", "/CN=evil", "-addext subjectAltName=URI:" + uri + "victim"), "est.names_differ");
  EXPECT_EQ(reenrol("acme", "/CN=evil", "-addext subjectAltName=URI:" + uri + "evil"), "");
  EXPECT_EQ(reenrol("acme", "/"), "");
  EXPECT_EQ(reenrol("beta", "/CN=evil"), "tenant.not_found");
  EXPECT_EQ(est(evil, "acme/simpleenroll", est_csr("next", "/CN=victim")).reason(), "est.names_differ");
  EXPECT_EQ(database.execute("SELECT count(*) FROM muster.certificates AS c JOIN muster.devices AS d ON d.id ="
                             " c.device_id WHERE d.name = 'victim'"),
            "1");
}

TEST_F(Est, AHostileFactoryMakesNoClaimsAndTakesNoFieldedDevice) {
  const TestTenant acme = make_tenant("acme");
  enrol(acme, "fielded");
  ASSERT_EQ(send({acme.admin, ""}, "POST", acme.path + "/devices", json{{"name", "reserved"}}.dump()).status, 201);
  const auto by_factory = [&](const std::string& device) {
    return est(bearer(acme.factory), "acme/simpleenroll", est_csr(device + "-x", "/CN=" + device)).reason();
  };
  EXPECT_EQ(by_factory("fielded"), "enroll.factory_first_certificate_only");
  EXPECT_EQ(by_factory("reserved"), "enroll.device_not_allowed");
  const std::string claim = json{{"device_pattern", "*"}}.dump();
  EXPECT_EQ(send({acme.factory, ""}, "POST", acme.path + "/claims", claim).status, 403);
  EXPECT_EQ(send({acme.factory, ""}, "GET", acme.path + "/claims").status, 403);
  EXPECT_EQ(send({make_token(registry::TokenRole::kAuditor, acme.id), ""}, "POST", acme.path + "/claims", claim).status,
            403);
}

TEST_F(Est, OneClaimTwentyThievesOneCertificate) {
  const TestTenant acme = make_tenant("acme");
  const std::string claim = make_claim(acme, {{"device_pattern", "t*"}, {"create", true}});
  std::vector<std::string> bodies(20);
  for (std::size_t i = 0; i < bodies.size(); ++i) bodies[i] = est_csr("t", "/CN=t" + std::to_string(i));
  std::vector<int> statuses(bodies.size());
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      threads.emplace_back([&, i] {
        const auto response = try_est(basic("t", claim), "acme/simpleenroll", bodies[i]);
        statuses[i] = response.ok() ? response->status : 0;
      });
    }
  }
  EXPECT_EQ(std::count(statuses.begin(), statuses.end(), 200), 1);
  EXPECT_EQ(std::count(statuses.begin(), statuses.end(), 403), 19);
  EXPECT_EQ(database.execute("SELECT count(*) FROM muster.certificates"), "1");
}

TEST_F(Est, AnExpiredCertificateRenewsAndNothingElse) {
  const TestTenant acme = make_tenant("acme");
  enrol(acme, "old");
  expire("old");
  const Credential old{"", "old"};
  EXPECT_FALSE(try_est(old, "acme/simplereenroll", est_csr("next", "/CN=old")).ok()) << "not even a handshake";
  settings(acme, {{"reenroll_after_expiry_seconds", 7200}});
  EXPECT_EQ(send({"", "old"}, "GET", acme.path + "/devices/old").status, 401);
  EXPECT_EQ(est(old, "acme/simpleenroll", est_csr("next", "/CN=old")).status, 401);
  const std::string body = json{{"csr", make_csr("next")}}.dump();
  EXPECT_EQ(send({"", "old"}, "POST", acme.path + "/devices/old/certificates", body).status, 401);
  EXPECT_EQ(est(old, "acme/simplereenroll", est_csr("next", "/CN=old")).status, 200);
  EXPECT_FALSE(try_est(old, "acme/simplereenroll", est_csr("next", "/CN=old")).ok()) << "it has a newer one";
}

TEST_F(Est, AClaimCertificateMayOnlyEnrol) {
  const TestTenant acme = make_tenant("acme");
  const TestTenant beta = make_tenant("beta");
  openssl(
      "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout claim.key -out claim.pem -days 1 -subj"
      " /CN=claim -addext extendedKeyUsage=clientAuth -addext basicConstraints=critical,CA:FALSE");
  const Credential holder{"", "claim"};
  EXPECT_FALSE(try_est(holder, "acme/cacerts", "").ok()) << "unknown certificates end the handshake";
  json terms{{"device_pattern", "d*"}, {"create", true}, {"max_uses", 2}, {"certificate", read("claim.pem")}};
  const Answer made = send({acme.admin, ""}, "POST", acme.path + "/claims", terms.dump());
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_FALSE(made.body().contains("claim"));
  EXPECT_EQ(send({acme.admin, ""}, "POST", acme.path + "/claims", terms.dump()).reason(), "claim.exists");

  EXPECT_EQ(est(holder, "acme/simpleenroll", est_csr("d1", "/CN=d1")).status, 200);
  EXPECT_EQ(est(holder, "acme/simpleenroll", est_csr("e1", "/CN=e1")).reason(), "claim.refused");
  EXPECT_EQ(est(holder, "acme/simplereenroll", est_csr("d1b", "/CN=d1")).status, 401);
  EXPECT_EQ(est(holder, "beta/simpleenroll", est_csr("d2", "/CN=d2")).status, 401);
  EXPECT_EQ(send({"", "claim"}, "GET", acme.path + "/devices").status, 401);
  EXPECT_EQ(
      send({"", "claim"}, "POST", acme.path + "/devices/d3/certificates", json{{"csr", make_csr("d3")}}.dump()).status,
      401);
  const std::string id = made.body().value("id", "");
  EXPECT_EQ(send({acme.admin, ""}, "DELETE", acme.path + "/claims/" + id).status, 204);
  EXPECT_FALSE(try_est(holder, "acme/simpleenroll", est_csr("d4", "/CN=d4")).ok());

  const json device = enrol(acme, "fielded");
  terms["certificate"] = device.value("certificate", "");
  EXPECT_EQ(send({beta.admin, ""}, "POST", beta.path + "/claims", terms.dump()).reason(), "claim.certificate_unusable");
  terms["certificate"] = authority->device_root_pem().value();
  EXPECT_EQ(send({beta.admin, ""}, "POST", beta.path + "/claims", terms.dump()).reason(), "claim.certificate_unusable");
}

// A device comes with a certificate of its maker's CA, which the tenant has proved to be its own.
TEST_F(Est, AnInitialDeviceIdentityEnrolsItsDeviceAndNoOther) {
  const TestTenant acme = make_tenant("acme");
  const TestTenant beta = make_tenant("beta");
  openssl(
      "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout maker.key -out maker.pem -days 2 -subj"
      " /CN=Maker -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign");
  const auto certify = [&](const std::string& name, const std::string& subject) {
    write("leaf.ext", "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n");
    openssl("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout " + name + ".key -out " + name +
            ".csr -subj '/CN=" + subject + "' && openssl x509 -req -in " + name +
            ".csr -CA maker.pem -CAkey maker.key -days 1 -extfile leaf.ext -out " + name + ".pem");
  };
  certify("born", "sn-1");
  certify("stranger", "sn-2");
  EXPECT_FALSE(try_est({"", "born"}, "acme/simpleenroll", est_csr("x", "/CN=sn-1")).ok());

  enroll::Caller by;
  by.role = enroll::CallerRole::kTenantAdmin;
  by.tenant = acme.id;
  by.token = TokenId::random();
  const enroll::TrustAnchors anchors{*authority};
  enroll::NewTrustAnchor wanted;
  wanted.certificates_pem = read("maker.pem");
  wanted.expired_crl = registry::ExpiredCrlRule::kLastKnownGood;
  const auto made = anchors.create(by, acme.id, wanted);
  ASSERT_TRUE(made.ok()) << to_log_text(made.error());
  certify("proof", made->code);
  const auto proved = anchors.verify(by, acme.id, made->row.id, read("proof.pem"));
  ASSERT_TRUE(proved.ok()) << to_log_text(proved.error());
  EXPECT_FALSE(try_est({"", "born"}, "acme/simpleenroll", est_csr("x", "/CN=sn-1")).ok()) << "not registered";
  ASSERT_TRUE(anchors.bind(by, acme.id, made->row.id, "sn-1", enroll::CreateDevice::kYes).ok());

  const Credential born{"", "born"};
  EXPECT_EQ(est(born, "acme/simpleenroll", est_csr("x", "/CN=sn-9")).reason(), "est.names_differ");
  EXPECT_EQ(est(born, "beta/simpleenroll", est_csr("x", "/CN=sn-1")).status, 401);
  EXPECT_EQ(est(born, "acme/simplereenroll", est_csr("x", "/CN=sn-1")).status, 401);
  EXPECT_EQ(send({"", "born"}, "GET", acme.path + "/devices/sn-1").status, 401) << "over REST it is nobody";
  const Answer first = est(born, "acme/simpleenroll", est_csr("sn-1", "/CN=sn-1"));
  ASSERT_EQ(first.status, 200) << first.text;
  EXPECT_EQ(take_certificates(first, "sn-1"), 1U);
  EXPECT_EQ(send({"", "sn-1"}, "GET", acme.path + "/devices/sn-1").status, 200);
  EXPECT_FALSE(try_est({"", "stranger"}, "acme/simpleenroll", est_csr("x", "/CN=sn-2")).ok());
  ASSERT_TRUE(anchors.unbind(by, acme.id, made->row.id, "sn-1").ok());
  EXPECT_FALSE(try_est(born, "acme/simpleenroll", est_csr("y", "/CN=sn-1")).ok());
}

TEST_F(Est, KeysAreMadeHereOnlyWhereTheTenantWants) {
  const TestTenant acme = make_tenant("acme");
  const std::string csr = est_csr("dummy", "/CN=tiny");
  EXPECT_EQ(est(bearer(acme.factory), "acme/serverkeygen", csr).reason(), "est.serverkeygen_off");
  settings(acme, {{"serverkeygen", true}});
  const Answer made = est(bearer(acme.factory), "acme/serverkeygen", csr);
  ASSERT_EQ(made.status, 200) << made.text;
  const std::string& type = made.headers.at("content-type");
  ASSERT_EQ(type.rfind("multipart/mixed; boundary=", 0), 0U);
  const std::string boundary = "--" + type.substr(26);
  const auto part = [&](const std::string& content_type) {
    const std::size_t head = made.text.find("Content-Type: " + content_type);
    const std::size_t start = made.text.find("\r\n\r\n", head) + 4;
    return made.text.substr(start, made.text.find("\r\n" + boundary, start) - start);
  };
  write("tiny.p8", std::string(as_text(from_base64(part("application/pkcs8")).value())));
  EXPECT_EQ(take_certificates({200, {}, part("application/pkcs7-mime; smime-type=certs-only")}, "tiny"), 1U);
  openssl("pkcs8 -inform DER -nocrypt -in tiny.p8 -out tiny.key");
  EXPECT_EQ(send({"", "tiny"}, "GET", acme.path + "/devices/tiny").status, 200);
  EXPECT_NE(made.text.find(boundary + "--\r\n"), std::string::npos);
}

TEST_F(Est, ALabelChoosesTheFormOfLines) {
  const TestTenant acme = make_tenant("acme");
  const auto longest_line = [](const std::string& text) {
    std::size_t longest = 0;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      longest = std::max(longest, end - at);
      at = end + 1;
    }
    return longest;
  };
  settings(acme, {{"labels", {{{"name", "plc"}, {"unwrapped", true}}}}});
  EXPECT_EQ(longest_line(est({}, "acme/cacerts").text), 64U);
  const Answer unwrapped = est({}, "acme/plc/cacerts");
  EXPECT_EQ(unwrapped.text.find('\n'), std::string::npos);
  EXPECT_EQ(est(bearer(acme.factory), "acme/plc/simpleenroll", est_csr("p", "/CN=p")).status, 200);
  // strongSwan's pki asks like this and cannot read line breaks.
  EXPECT_EQ(est({}, "/acme/.well-known/est/cacerts").text, unwrapped.text);
  EXPECT_EQ(est({}, "/acme/.well-known/est/simpleenroll", est_csr("q", "/CN=q")).status, 401);
  settings(acme, {{"unwrapped", true}});
  EXPECT_EQ(est({}, "acme/cacerts").text, unwrapped.text);
}

TEST_F(Est, ClaimsAndSettingsAreReadStrictly) {
  const TestTenant acme = make_tenant("acme");
  const auto refused = [&](const json& terms) {
    return send({acme.admin, ""}, "POST", acme.path + "/claims", terms.dump()).reason();
  };
  EXPECT_EQ(refused(json::object()), "request.field_invalid") << "a claim says for whom it is";
  EXPECT_EQ(refused({{"devices", {"a"}}, {"device_pattern", "*"}}), "request.field_invalid");
  EXPECT_EQ(refused({{"device_pattern", "a?b"}}), "request.field_invalid");
  EXPECT_EQ(refused({{"device_pattern", "*"}, {"reissue", true}}), "request.field_invalid");
  EXPECT_EQ(refused({{"devices", {"a/b"}}}), "device.name_invalid");
  EXPECT_EQ(refused({{"devices", {std::string("a\0b", 3)}}}), "request.field_invalid");
  EXPECT_EQ(refused({{"devices", {"a"}}, {"description", std::string("a\0b", 3)}}), "request.field_invalid");
  EXPECT_EQ(refused({{"devices", {"a"}}, {"networks", {"10.0.0.1/8"}}}), "claim.network_invalid");
  EXPECT_EQ(refused({{"devices", {"a"}}, {"group", "a b"}}), "device.group_invalid");
  EXPECT_EQ(refused({{"devices", {"a"}}, {"profile", "A B"}}), "request.field_invalid");
  EXPECT_EQ(refused({{"devices", {"a"}}, {"max_uses", 0}}), "request.field_invalid");
  EXPECT_EQ(refused({{"devices", {"a"}}, {"expires_in_seconds", 999'999'999'999}}), "request.field_invalid");
  EXPECT_EQ(refused({{"devices", {"a"}}, {"certificate", "x"}}), "certificate.pem_invalid");
  EXPECT_EQ(refused({{"devices", {"a"}}, {"uses", 0}}), "request.field_unknown");
  const std::string not_utf8 = "{\"devices\":[\"a\"],\"description\":\"\xFF\"}";
  EXPECT_EQ(send({acme.admin, ""}, "POST", acme.path + "/claims", not_utf8).reason(), "request.json_malformed");
  const auto put = [&](const json& body) {
    return send({acme.admin, ""}, "PUT", acme.path + "/est-settings", body.dump()).reason();
  };
  EXPECT_EQ(put({{"labels", json::array()}, {"reenroll_after_expiry_seconds", -1}}), "request.field_invalid");
  EXPECT_EQ(put({{"labels", {{{"name", "A"}}}}}), "request.field_invalid");
  EXPECT_EQ(put({{"labels", {{{"name", "a"}}, {{"name", "a"}}}}}), "request.field_invalid");
  EXPECT_EQ(send({acme.factory, ""}, "PUT", acme.path + "/est-settings", "{}").status, 403);
  EXPECT_EQ(send({acme.admin, ""}, "GET", acme.path + "/claims").body()["items"].size(), 0U);
}

}  // namespace
}  // namespace muster::api
