// SPDX-License-Identifier: Apache-2.0
#include <openssl/bn.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <string_view>
#include <vector>

#include "core/encoding.h"
#include "x509/openssl_ptr.h"
#include "x509/public_key.h"
#include "x509/public_numbers.h"
#include "x509/reasons.h"

namespace muster::x509 {

namespace {

constexpr unsigned kLargestTrialFactor = 1u << 12;  // about a quarter of a millisecond for 4096 bits
constexpr unsigned kLargestRocaPrime = 167;
constexpr int kFermatRounds = 100;

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

// floor(sqrt(n)) by Newton's method from above; nullptr: out of memory.
BignumPtr square_root(const BIGNUM* n, BN_CTX* context) {
  BignumPtr root{BN_new()}, next{BN_new()};
  if (!root || !next || BN_set_bit(root.get(), (BN_num_bits(n) + 1) / 2) != 1) return nullptr;
  for (;;) {
    if (BN_div(next.get(), nullptr, n, root.get(), context) != 1 || BN_add(next.get(), next.get(), root.get()) != 1 ||
        BN_rshift1(next.get(), next.get()) != 1) {
      return nullptr;
    }
    if (BN_cmp(next.get(), root.get()) >= 0) return root;
    std::swap(root, next);
  }
}

// Few numbers are squares modulo all of these: one in a hundred.
bool may_be_square(const BIGNUM* n) {
  for (const BN_ULONG modulus : {64u, 63u, 65u, 11u}) {
    const BN_ULONG remainder = BN_mod_word(n, modulus);
    bool residue = false;
    for (BN_ULONG x = 0; x < modulus && !residue; ++x) residue = x * x % modulus == remainder;
    if (!residue) return false;
  }
  return true;
}

bool is_square(const BIGNUM* n, BN_CTX* context) {
  if (!may_be_square(n)) return false;
  const BignumPtr root = square_root(n, context);
  const BignumPtr square{BN_new()};
  return root && square && BN_sqr(square.get(), root.get(), context) == 1 && BN_cmp(square.get(), n) == 0;
}

// Two primes that lie close together: a*a - n is a square for an a not far above sqrt(n) (CVE-2022-26320; a hundred
// rounds as the CA/Browser Forum's Baseline Requirements have it, section 6.1.1.3).
Result<bool> has_close_factors(const BIGNUM* n) {
  const BnCtxPtr context{BN_CTX_new()};
  const BignumPtr a = context ? square_root(n, context.get()) : nullptr;
  const BignumPtr difference{BN_new()};
  const auto fault = [] { return internal_error(take_openssl_error()); };
  if (!a || !difference) return fault();
  if (is_square(n, context.get())) return true;
  for (int round = 0; round < kFermatRounds; ++round) {
    if (BN_add_word(a.get(), 1) != 1 || BN_sqr(difference.get(), a.get(), context.get()) != 1 ||
        BN_sub(difference.get(), difference.get(), n) != 1) {
      return fault();
    }
    if (is_square(difference.get(), context.get())) return true;
  }
  return false;
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

// Encodings of the points whose order divides 8, as they are and with y + p, without the sign bit. Under such a key
// signatures can be made without a private half, and verifiers that follow RFC 8032 §5.1.7, OpenSSL among them, take
// them.
constexpr std::array<std::string_view, 7> kSmallOrder{
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"};

bool has_small_order(BytesView point) {
  Bytes y(point.begin(), point.end());
  y.back() &= 0x7F;
  return std::ranges::find(kSmallOrder, to_hex(y)) != kSmallOrder.end();
}

}  // namespace

Result<void> check_key_strength(BytesView spki) {
  const Error weak_key{ErrorCode::kInvalidArgument, reasons::kKeyWeak, {}};
  if (const auto point = ed25519_point(spki)) return has_small_order(*point) ? weak_key : Result<void>{};
  const auto modulus = rsa_modulus(spki);
  if (!modulus) return {};
  const BignumPtr number{BN_bin2bn(modulus->data(), static_cast<int>(modulus->size()), nullptr)};
  if (!number) return internal_error(take_openssl_error());
  bool weak = is_weak_modulus(number.get());
  if (!weak) {
    MUSTER_TRY(weak, has_close_factors(number.get()));
  }
  return weak ? weak_key : Result<void>{};
}

}  // namespace muster::x509
