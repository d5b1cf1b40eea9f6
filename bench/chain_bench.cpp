// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the two sides of bench/chain, each in a process of its own, for about SECONDS on one thread.
// `verify SECONDS`: one ECDSA P-256 verification with SHA-256 over as many octets as a leaf's TBSCertificate has, by a
// key that was loaded before. `chain SECONDS`: what the broker plugin does with a device's chain, leaf, issuing CA and
// intermediate as a device presents them: parse, find the issuer among the loaded anchors, verify, read the name.
// Both print {"per_second":…}.
#include <openssl/evp.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/identity.h"
#include "integration/auth_plugin/device_pki.h"
#include "x509/certificate.h"
#include "x509/device_chain.h"
#include "x509/trust_anchor.h"

namespace {

using namespace muster;
using test_support::Credential;
using test_support::make_certificate;

constexpr int kAtOnce = 200;

template <typename T>
T must(Result<T> result) {
  if (result.ok()) return std::move(result).value();
  std::fprintf(stderr, "%s\n", to_log_text(result.error()).c_str());
  std::exit(1);
}

template <typename Work>
void measure(double seconds, Work&& work) {
  const auto start = std::chrono::steady_clock::now();
  double spent = 0;
  long done = 0;
  while (spent < seconds) {
    for (int i = 0; i < kAtOnce; ++i) work();
    done += kAtOnce;
    spent = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  std::printf("{\"per_second\":%.1f}\n", static_cast<double>(done) / spent);
}

struct Fleet {
  Credential root = make_certificate({.common_name = "root", .extended_key_usage = "", .ca = true});
  Credential intermediate = make_certificate({.common_name = "platform", .extended_key_usage = "", .ca = true}, &root);
  Credential issuing = make_certificate({.common_name = "issuing", .ca = true}, &intermediate);
  Credential device =
      make_certificate({.common_name = "d1", .uri = "spiffe://acme.muster.internal/device/d1"}, &issuing);
};

void verify_once(const Fleet& fleet, double seconds) {
  const Bytes der = fleet.device.der();
  const auto leaf = must(x509::Certificate::parse_der(der));
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  measure(seconds, [&] {
    const bool good = EVP_DigestVerifyInit(context, nullptr, EVP_sha256(), nullptr, fleet.issuing.key.get()) == 1 &&
                      EVP_DigestVerify(context, leaf.signature().data(), leaf.signature().size(), leaf.tbs().data(),
                                       leaf.tbs().size()) == 1;
    if (!good) std::exit(1);
  });
  EVP_MD_CTX_free(context);
}

void verify_chain(const Fleet& fleet, double seconds) {
  const Bytes leaf_der = fleet.device.der();
  const std::vector<Bytes> others = {fleet.issuing.der(), fleet.intermediate.der()};
  const std::vector<x509::TrustAnchor> anchors = {must(x509::TrustAnchor::parse_der(others[0]))};
  const TrustDomain trust_domain = must(TrustDomain::parse("muster.internal"));
  const SystemClock clock;
  measure(seconds, [&] {
    const auto leaf = must(x509::Certificate::parse_der(leaf_der));
    std::vector<x509::Certificate> presented;
    for (const Bytes& der : others) presented.push_back(must(x509::Certificate::parse_der(der)));
    const auto chain =
        must(x509::verify_device_chain(x509::ParsedDeviceChain{leaf, presented, anchors, trust_domain, clock.now()}));
    if (chain.principal.device.text() != "d1") std::exit(1);
  });
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc == 3 ? argv[1] : "";
  if (mode != "verify" && mode != "chain") {
    std::fprintf(stderr, "usage: chain_bench verify|chain SECONDS\n");
    return 2;
  }
  const Fleet fleet;
  const double seconds = std::strtod(argv[2], nullptr);
  mode == "verify" ? verify_once(fleet, seconds) : verify_chain(fleet, seconds);
  return 0;
}
