// SPDX-License-Identifier: Apache-2.0
#include <openssl/bn.h>

#include <array>
#include <bitset>
#include <vector>

#include "x509/der_reader.h"
#include "x509/oids.h"
#include "x509/openssl_ptr.h"
#include "x509/public_key.h"
#include "x509/reasons.h"

namespace muster::x509 {

namespace {

constexpr unsigned kLargestTrialFactor = 1u << 12;  // about a quarter of a millisecond for 4096 bits
constexpr unsigned kLargestRocaPrime = 167;

std::vector<unsigned> odd_primes_below(unsigned limit) {
  std::vector<unsigned> primes;
  for (unsigned n = 3; n < limit; n += 2) {
    bool prime = true;
    for (const unsigned p : primes) {
      if (p * p > n) break;
      if (n % p == 0) {
        prime = false;
        break;
      }
    }
    if (prime) primes.push_back(n);
  }
  return primes;
}

// ROCA moduli are powers of 65537 modulo each small prime (Nemec et al., CCS 2017 §2.2): a random modulus is so for
// all of these primes with a chance below 2^-80.
class RocaFingerprint {
 public:
  explicit RocaFingerprint(const std::vector<unsigned>& primes) {
    for (const unsigned p : primes) {
      if (p > kLargestRocaPrime) break;
      std::bitset<kLargestRocaPrime + 1> residues;
      for (unsigned power = 1 % p; !residues.test(power); power = power * (65537 % p) % p) residues.set(power);
      residues_.push_back(residues);
    }
  }
  std::size_t prime_count() const { return residues_.size(); }
  bool holds(std::size_t prime_index, unsigned remainder) const { return residues_[prime_index].test(remainder); }

 private:
  std::vector<std::bitset<kLargestRocaPrime + 1>> residues_;
};

std::optional<BytesView> rsa_modulus(BytesView spki) {
  DerReaderView outer{spki};
  auto body = outer.enter(tag::kSequence);
  if (!body) return std::nullopt;
  auto algorithm = body->enter(tag::kSequence);
  const auto oid = algorithm ? algorithm->read(tag::kOid) : std::nullopt;
  if (!oid || !oid::equals(oid->contents, oid::kRsaEncryption)) return std::nullopt;
  const auto key = body->read_octet_bits();
  if (!key) return std::nullopt;
  DerReaderView bits{*key};
  auto numbers = bits.enter(tag::kSequence);
  return numbers ? numbers->read_integer() : std::nullopt;
}

bool is_weak_modulus(const BIGNUM* modulus) {
  static const std::vector<unsigned> kPrimes = odd_primes_below(kLargestTrialFactor);
  static const RocaFingerprint kRoca{kPrimes};
  if (BN_is_odd(modulus) == 0) return true;
  bool roca = true;
  for (std::size_t i = 0; i < kPrimes.size(); ++i) {
    const BN_ULONG remainder = BN_mod_word(modulus, kPrimes[i]);
    if (remainder == 0) return true;
    if (i < kRoca.prime_count()) roca = roca && kRoca.holds(i, static_cast<unsigned>(remainder));
  }
  return roca;
}

}  // namespace

Result<void> check_key_strength(BytesView spki) {
  const auto modulus = rsa_modulus(spki);
  if (!modulus) return {};
  const BignumPtr number{BN_bin2bn(modulus->data(), static_cast<int>(modulus->size()), nullptr)};
  if (!number) return internal_error(take_openssl_error());
  if (is_weak_modulus(number.get())) return Error{ErrorCode::kInvalidArgument, reasons::kKeyWeak, {}};
  return {};
}

}  // namespace muster::x509
