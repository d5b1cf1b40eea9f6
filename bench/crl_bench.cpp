// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the two sides of bench/crl, each in a process of its own. `alone N`: encoding and signing a CRL of N entries
// that lie in memory. `rebuild DATABASE KEK TRUST_DOMAIN ISSUER`: what a server does when shard 0 of that issuer is
// due: look, read the entries, encode, sign, store. Both print {"seconds":…,"octets":…}.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "ca/crl_builder.h"
#include "ca/key_ring.h"
#include "ca/key_store_config.h"
#include "ca/signer.h"
#include "core/clock.h"
#include "core/random.h"
#include "db/connection_pool.h"
#include "enroll/registration_authority.h"

namespace {

using namespace muster;

template <typename T>
T must(Result<T> result) {
  if (result.ok()) return std::move(result).value();
  std::fprintf(stderr, "%s\n", to_log_text(result.error()).c_str());
  std::exit(1);
}

void must(const Result<void>& result) {
  if (result.ok()) return;
  std::fprintf(stderr, "%s\n", to_log_text(result.error()).c_str());
  std::exit(1);
}

class Stopwatch {
 public:
  void print(std::size_t octets) const {
    const double spent = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    std::printf("{\"seconds\":%.6f,\"octets\":%zu}\n", spent, octets);
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

int alone(std::size_t count) {
  std::vector<Bytes> serials;
  for (std::size_t i = 0; i < count; ++i) serials.push_back(ca::random_serial());
  ca::Signer signer{ca::KeyStoreConfig{must(ca::KeyEncryptionKey::from_bytes(random_bytes(32)))}, "bench"};
  ca::IssuerIdentity issuer;
  issuer.id = IssuerId::random();
  issuer.name = ca::subject_name("bench");
  issuer.subject_key_id = random_bytes(20);
  issuer.plain_url = "http://127.0.0.1:8080";
  must(signer.generate({TenantId{}, issuer.id, issuer.name}, x509::KeyKind::kP256));
  const UtcTime now = SystemClock{}.now();
  const Stopwatch watch;
  ca::CrlBuilder builder;
  for (std::size_t i = 0; i < count; ++i) must(builder.add(serials[i], now - std::chrono::seconds(i % 86'400), 1));
  const Bytes tbs = builder.finish({issuer, 0, 1, now, now + std::chrono::days(7)});
  const Bytes crl = must(ca::assemble_signed(tbs, must(signer.sign_crl({TenantId{}, issuer.id, tbs}))));
  watch.print(crl.size());
  return 0;
}

int rebuild(const std::string& url, const std::string& kek, const std::string& trust_domain,
            const std::string& issuer) {
  db::PoolConfig pool_config;
  pool_config.url = url;
  const auto pool = must(db::ConnectionPool::create(pool_config));
  const SystemClock clock;
  MetricsRegistry metrics;
  enroll::RegistrationAuthorityConfig config;
  config.trust_domain = trust_domain;
  const auto authority = must(enroll::RegistrationAuthority::create(
      config, ca::KeyStoreConfig{must(ca::KeyRing::load(kek))}, *pool, clock, metrics));
  must(authority->initialise_deployment());
  const Stopwatch watch;
  const auto crl = must(authority->crl(must(IssuerId::parse(issuer)), 0));
  watch.print(crl->der.size());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "alone" && argc == 3) return alone(std::strtoul(argv[2], nullptr, 10));
  if (mode == "rebuild" && argc == 6) return rebuild(argv[2], argv[3], argv[4], argv[5]);
  std::fprintf(stderr, "usage: crl_bench alone N | rebuild DATABASE KEK TRUST_DOMAIN ISSUER\n");
  return 2;
}
