// SPDX-License-Identifier: Apache-2.0
#include "ca/checkpoint.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "ca/reasons.h"
#include "core/encoding.h"
#include "x509/openssl_ptr.h"
#include "x509/sha256.h"

namespace muster::ca {
namespace {

constexpr std::uint8_t kEd25519 = 1;  // signed-note: signature type
constexpr std::size_t kKeyIdSize = 4;
constexpr std::size_t kPublicSize = 32;
constexpr std::size_t kSignatureSize = 64;
constexpr std::string_view kDash = "\u2014 ";

// signed-note: the first four octets of SHA-256(name | newline | type | key).
Bytes key_id(std::string_view origin, BytesView public_key) {
  Bytes input = to_bytes(origin);
  input.push_back('\n');
  input.push_back(kEd25519);
  input.insert(input.end(), public_key.begin(), public_key.end());
  const Sha256 hash = x509::sha256(input);
  return {hash.begin(), hash.begin() + kKeyIdSize};
}

Sha256 hmac(BytesView key, BytesView message) {
  Sha256 code{};
  unsigned size = code.size();
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), message.data(), message.size(), code.data(),
           &size) == nullptr) {
    std::abort();  // out of memory
  }
  return code;
}

bool is_signed(BytesView public_key, std::string_view text, BytesView signature) {
  const x509::EvpPkeyPtr key{
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, public_key.data(), public_key.size())};
  const x509::EvpMdCtxPtr context{EVP_MD_CTX_new()};
  const BytesView message = as_bytes(text);
  return key && context && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size()) == 1;
}

// Takes one line off the front of `text`.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

Error invalid(const char* why) { return {ErrorCode::kInvalidArgument, reasons::kCheckpointInvalid, why}; }

}  // namespace

std::string checkpoint_text(std::string_view origin, const TreeHead& head) {
  return std::string(origin) + "\n" + std::to_string(head.size) + "\n" + to_base64(head.root) + "\n";
}

std::string signed_checkpoint(std::string_view origin, const TreeHead& head, BytesView public_key,
                              BytesView signature) {
  Bytes blob = key_id(origin, public_key);
  blob.insert(blob.end(), signature.begin(), signature.end());
  return checkpoint_text(origin, head) + "\n" + std::string(kDash) + std::string(origin) + " " + to_base64(blob) + "\n";
}

std::string verifier_key(std::string_view origin, BytesView public_key) {
  Bytes typed{kEd25519};
  typed.insert(typed.end(), public_key.begin(), public_key.end());
  return std::string(origin) + "+" + to_hex(key_id(origin, public_key)) + "+" + to_base64(typed);
}

Result<VerifierKey> parse_verifier_key(std::string_view text) {
  const Error refused{ErrorCode::kInvalidArgument, reasons::kLogKeyInvalid, "NAME+ID+KEY, as GET /v1/log shows it"};
  const std::size_t first = text.find('+');
  const std::size_t second = first == std::string_view::npos ? first : text.find('+', first + 1);
  if (second == std::string_view::npos || first == 0) return refused;
  auto octets = from_base64(text.substr(second + 1));
  if (!octets.ok() || octets->size() != 1 + kPublicSize || octets->front() != kEd25519) return refused;
  VerifierKey key{std::string(text.substr(0, first)), Bytes(octets->begin() + 1, octets->end())};
  if (to_hex(key_id(key.origin, key.public_key)) != text.substr(first + 1, second - first - 1)) return refused;
  return key;
}

Result<TreeHead> open_checkpoint(const VerifierKey& key, std::string_view note) {
  const std::size_t split = note.find("\n\n");
  if (split == std::string_view::npos) return invalid("not a signed note");
  const std::string_view text = note.substr(0, split + 1);
  std::string_view signatures = note.substr(split + 2);
  bool found = false;
  while (!signatures.empty() && !found) {
    std::string_view line = take_line(signatures);
    const std::string start = std::string(kDash) + key.origin + " ";
    if (!line.starts_with(start)) continue;
    const auto blob = from_base64(line.substr(start.size()));
    if (!blob.ok() || blob->size() != kKeyIdSize + kSignatureSize) continue;
    const BytesView view{*blob};
    found = std::ranges::equal(view.first(kKeyIdSize), key_id(key.origin, key.public_key)) &&
            is_signed(key.public_key, text, view.subspan(kKeyIdSize));
  }
  if (!found) return invalid("no signature of the log's key");
  std::string_view rest = text;
  if (take_line(rest) != key.origin) return invalid("another origin");
  const std::string_view size_text = take_line(rest);
  TreeHead head;
  const auto [end, error] = std::from_chars(size_text.data(), size_text.data() + size_text.size(), head.size);
  if (error != std::errc{} || end != size_text.data() + size_text.size()) return invalid("size");
  const auto root = from_base64(take_line(rest));
  if (!root.ok() || root->size() != head.root.size()) return invalid("root");
  std::ranges::copy(*root, head.root.begin());
  return head;
}

Sha256 log_entry(const Sha256& blinding, const LoggedCertificate& certificate) {
  Bytes message;
  for (const BytesView part :
       {BytesView{certificate.tenant.octets()}, BytesView{certificate.issuer.octets()}, BytesView{certificate.id}}) {
    message.insert(message.end(), part.begin(), part.end());
  }
  return hmac(blinding, message);
}

Sha256 log_blinding(const Sha256& seed, std::uint64_t index) {
  std::array<std::uint8_t, 8> message{};
  for (std::size_t i = 0; i < message.size(); ++i) message[i] = static_cast<std::uint8_t>(index >> (56 - 8 * i));
  return hmac(seed, message);
}

}  // namespace muster::ca
