// SPDX-License-Identifier: Apache-2.0
#include "ca/pkcs11_objects.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "ca/der_writer.h"
#include "ca/reasons.h"
#include "ca/signature_algorithm.h"
#include "x509/der_reader.h"
#include "x509/oids.h"
#include "x509/openssl_ptr.h"

namespace muster::ca {

namespace oid = x509::oid;
namespace tag = x509::tag;
using x509::KeyAlgorithm;
using x509::KeyKind;
using Session = Pkcs11Token::Session;

namespace {

constexpr CK_ULONG kMaxAttribute = 4096;  // octets
constexpr std::size_t kMaxSignature = 1024;
constexpr std::size_t kMostKeys = 100'000;  // of one token, for listing them
constexpr std::size_t kEd25519Octets = 32;

Error mismatch() { return {ErrorCode::kCorrupt, reasons::kKeyMismatch, {}}; }

// Attributes is a template that views what it is given; that must outlive it.
class AttributesView {
 public:
  AttributesView& add(CK_ATTRIBUTE_TYPE type, BytesView value) {
    list_.push_back({type, const_cast<std::uint8_t*>(value.data()), value.size()});
    return *this;
  }
  AttributesView& add(CK_ATTRIBUTE_TYPE type, const CK_ULONG& value) {
    list_.push_back({type, const_cast<CK_ULONG*>(&value), sizeof value});
    return *this;
  }
  AttributesView& add_true(CK_ATTRIBUTE_TYPE type) { return add_flag(type, kTrue); }
  AttributesView& add_false(CK_ATTRIBUTE_TYPE type) { return add_flag(type, kFalse); }
  CK_ATTRIBUTE* data() { return list_.data(); }
  CK_ULONG size() const { return list_.size(); }

 private:
  static constexpr CK_BBOOL kTrue = CK_TRUE;
  static constexpr CK_BBOOL kFalse = CK_FALSE;
  AttributesView& add_flag(CK_ATTRIBUTE_TYPE type, const CK_BBOOL& value) {
    list_.push_back({type, const_cast<CK_BBOOL*>(&value), sizeof value});
    return *this;
  }
  std::vector<CK_ATTRIBUTE> list_;
};

Bytes curve_parameters(KeyAlgorithm algorithm) {
  DerWriter writer;
  writer.oid(algorithm == KeyAlgorithm::kP256   ? BytesView{oid::kP256}
             : algorithm == KeyAlgorithm::kP384 ? BytesView{oid::kP384}
                                                : BytesView{oid::kEd25519});
  return writer.take();
}

// nullopt: PKCS#11 2.40 has no such mechanism.
std::optional<CK_MECHANISM_TYPE> generating_mechanism(KeyAlgorithm algorithm) {
  switch (algorithm) {
    case KeyAlgorithm::kP256:
    case KeyAlgorithm::kP384: return CKM_EC_KEY_PAIR_GEN;
    case KeyAlgorithm::kEd25519: return CKM_EC_EDWARDS_KEY_PAIR_GEN;
    case KeyAlgorithm::kRsa: return CKM_RSA_PKCS_KEY_PAIR_GEN;
    case KeyAlgorithm::kMlDsa44:
    case KeyAlgorithm::kMlDsa65:
    case KeyAlgorithm::kMlDsa87: break;
  }
  return std::nullopt;
}

Result<void> require_mechanism(Session& session, KeyKind kind) {
  const auto mechanism = generating_mechanism(x509::algorithm_of(kind));
  const Error missing = x509::algorithm_unavailable(x509::to_string(kind), "the token");
  if (!mechanism) return missing;
  CK_MECHANISM_INFO info{};
  const CK_RV code = session.functions().C_GetMechanismInfo(session.slot(), *mechanism, &info);
  if (code == CKR_MECHANISM_INVALID) return missing;
  MUSTER_TRY_VOID(session.check("C_GetMechanismInfo", code));
  const CK_ULONG bits = x509::rsa_bits(kind);
  if (bits != 0 && (bits < info.ulMinKeySize || bits > info.ulMaxKeySize)) return missing;
  return {};
}

Result<Bytes> read_attribute(Session& session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  CK_ATTRIBUTE attribute{type, nullptr, 0};
  MUSTER_TRY_VOID(session.check("C_GetAttributeValue",
                                session.functions().C_GetAttributeValue(session.handle(), object, &attribute, 1)));
  if (attribute.ulValueLen > kMaxAttribute) return mismatch();
  Bytes value(attribute.ulValueLen);
  attribute.pValue = value.data();
  MUSTER_TRY_VOID(session.check("C_GetAttributeValue",
                                session.functions().C_GetAttributeValue(session.handle(), object, &attribute, 1)));
  if (attribute.ulValueLen > value.size()) return mismatch();
  value.resize(attribute.ulValueLen);
  return value;
}

Result<bool> read_flag(Session& session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  MUSTER_TRY(const Bytes value, read_attribute(session, object, type));
  return value.size() == sizeof(CK_BBOOL) && value[0] == CK_TRUE;
}

Result<CK_ULONG> read_number(Session& session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  MUSTER_TRY(const Bytes value, read_attribute(session, object, type));
  CK_ULONG number = 0;
  if (value.size() != sizeof number) return mismatch();
  std::ranges::copy(value, reinterpret_cast<std::uint8_t*>(&number));
  return number;
}

// At most two: more than one is as good as many.
Result<std::vector<CK_OBJECT_HANDLE>> find_objects(Session& session, CK_OBJECT_CLASS object_class,
                                                   const TokenKeyName& name) {
  AttributesView wanted;
  wanted.add(CKA_CLASS, object_class).add(CKA_ID, name.id).add(CKA_LABEL, as_bytes(name.label)).add_true(CKA_TOKEN);
  const CK_FUNCTION_LIST& f = session.functions();
  MUSTER_TRY_VOID(
      session.check("C_FindObjectsInit", f.C_FindObjectsInit(session.handle(), wanted.data(), wanted.size())));
  std::vector<CK_OBJECT_HANDLE> found(2);
  CK_ULONG count = 0;
  const CK_RV code = f.C_FindObjects(session.handle(), found.data(), found.size(), &count);
  f.C_FindObjectsFinal(session.handle());
  MUSTER_TRY_VOID(session.check("C_FindObjects", code));
  found.resize(count);
  return found;
}

Result<CK_OBJECT_HANDLE> find_one(Session& session, CK_OBJECT_CLASS object_class, const TokenKeyName& name) {
  MUSTER_TRY(const auto found, find_objects(session, object_class, name));
  if (found.size() == 1) return found.front();
  return Error{ErrorCode::kFailedPrecondition, reasons::kKeyNotFound,
               found.empty() ? "not in the token" : "several of that id"};
}

// CKA_EC_POINT is the point in an OCTET STRING [PKCS11-2.40-MECH 2.3.3]; some tokens give it bare.
Bytes unwrap_point(const Bytes& value, std::size_t size) {
  if (value.size() == size) return value;
  x509::DerReaderView reader{value};
  const auto inner = reader.read(tag::kOctetString);
  if (!inner || !reader.at_end() || inner->contents.size() != size) return {};
  return Bytes(inner->contents.begin(), inner->contents.end());
}

Bytes write_spki(BytesView algorithm, BytesView parameters, BytesView key) {
  DerWriter writer;
  writer.constructed(tag::kSequence, [&] {
    writer.constructed(tag::kSequence, [&] {
      writer.oid(algorithm);
      writer.raw(parameters);
    });
    writer.bit_string(key);
  });
  return writer.take();
}

Result<Bytes> read_ec_spki(Session& session, CK_OBJECT_HANDLE public_half, CK_ULONG key_type) {
  MUSTER_TRY(const Bytes parameters, read_attribute(session, public_half, CKA_EC_PARAMS));
  MUSTER_TRY(const Bytes value, read_attribute(session, public_half, CKA_EC_POINT));
  const bool edwards = key_type == CKK_EC_EDWARDS;
  for (const KeyAlgorithm algorithm : {KeyAlgorithm::kP256, KeyAlgorithm::kP384, KeyAlgorithm::kEd25519}) {
    if (parameters != curve_parameters(algorithm) || edwards != (algorithm == KeyAlgorithm::kEd25519)) continue;
    const std::size_t size = edwards ? kEd25519Octets : algorithm == KeyAlgorithm::kP256 ? 65 : 97;
    const Bytes point = unwrap_point(value, size);
    if (point.empty()) return mismatch();
    return edwards ? write_spki(oid::kEd25519, {}, point) : write_spki(oid::kEcPublicKey, parameters, point);
  }
  return mismatch();
}

Result<Bytes> read_rsa_spki(Session& session, CK_OBJECT_HANDLE public_half) {
  static constexpr std::uint8_t kNull[] = {0x05, 0x00};
  MUSTER_TRY(const Bytes modulus, read_attribute(session, public_half, CKA_MODULUS));
  MUSTER_TRY(const Bytes exponent, read_attribute(session, public_half, CKA_PUBLIC_EXPONENT));
  DerWriter key;
  key.constructed(tag::kSequence, [&] {
    key.unsigned_integer(modulus);
    key.unsigned_integer(exponent);
  });
  return write_spki(oid::kRsaEncryption, kNull, key.bytes());
}

Result<Bytes> digest_of(KeyAlgorithm algorithm, BytesView message) {
  Bytes digest(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  if (EVP_Digest(message.data(), message.size(), digest.data(), &size, signature_digest(algorithm), nullptr) != 1) {
    return Error{ErrorCode::kInternal, reasons::kSignerUnavailable, x509::take_openssl_error()};
  }
  digest.resize(size);
  return digest;
}

// What the mechanism takes. Hashing is done here: a CRL of megabytes does not travel to the token.
Result<Bytes> signing_input(KeyAlgorithm algorithm, BytesView message) {
  static constexpr std::uint8_t kSha256Info[] = {0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                                 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
  if (algorithm == KeyAlgorithm::kEd25519) return Bytes(message.begin(), message.end());
  MUSTER_TRY(Bytes digest, digest_of(algorithm, message));
  // CKM_RSA_PKCS pads a DigestInfo [RFC8017 9.2]
  if (algorithm == KeyAlgorithm::kRsa) digest.insert(digest.begin(), std::begin(kSha256Info), std::end(kSha256Info));
  return digest;
}

Result<Bytes> signature_value(KeyAlgorithm algorithm, Bytes raw) {
  if (algorithm == KeyAlgorithm::kRsa || algorithm == KeyAlgorithm::kEd25519) return raw;
  if (raw.empty() || raw.size() % 2 != 0) {
    return Error{ErrorCode::kInternal, reasons::kSignerUnavailable, "an ECDSA signature of odd length"};
  }
  const BytesView both{raw};
  DerWriter writer;
  writer.constructed(tag::kSequence, [&] {
    writer.unsigned_integer(both.first(raw.size() / 2));
    writer.unsigned_integer(both.subspan(raw.size() / 2));
  });
  return writer.take();
}

CK_MECHANISM_TYPE signing_mechanism(KeyAlgorithm algorithm) {
  if (algorithm == KeyAlgorithm::kRsa) return CKM_RSA_PKCS;
  return algorithm == KeyAlgorithm::kEd25519 ? CKM_EDDSA : CKM_ECDSA;
}

}  // namespace

Result<TokenKeyPair> generate_pair(Session& session, const TokenKeyName& name, KeyKind kind) {
  static constexpr std::uint8_t kF4[] = {0x01, 0x00, 0x01};
  MUSTER_TRY_VOID(require_mechanism(session, kind));
  const KeyAlgorithm algorithm = x509::algorithm_of(kind);
  const CK_ULONG bits = x509::rsa_bits(kind);
  const Bytes curve = curve_parameters(algorithm);
  AttributesView verifying;
  verifying.add(CKA_ID, name.id).add(CKA_LABEL, as_bytes(name.label)).add_true(CKA_TOKEN).add_true(CKA_VERIFY);
  if (algorithm == KeyAlgorithm::kRsa) {
    verifying.add(CKA_MODULUS_BITS, bits).add(CKA_PUBLIC_EXPONENT, kF4);
  } else {
    verifying.add(CKA_EC_PARAMS, curve);
  }
  AttributesView signing;
  signing.add(CKA_ID, name.id).add(CKA_LABEL, as_bytes(name.label)).add_true(CKA_TOKEN).add_true(CKA_PRIVATE);
  signing.add_true(CKA_SENSITIVE).add_false(CKA_EXTRACTABLE).add_true(CKA_SIGN);
  CK_MECHANISM mechanism{*generating_mechanism(algorithm), nullptr, 0};
  TokenKeyPair pair;
  MUSTER_TRY_VOID(session.check(
      "C_GenerateKeyPair",
      session.functions().C_GenerateKeyPair(session.handle(), &mechanism, verifying.data(), verifying.size(),
                                            signing.data(), signing.size(), &pair.public_half, &pair.private_half)));
  return pair;
}

Result<TokenKeyPair> find_pair(Session& session, const TokenKeyName& name) {
  TokenKeyPair pair;
  MUSTER_TRY(pair.private_half, find_one(session, CKO_PRIVATE_KEY, name));
  MUSTER_TRY(pair.public_half, find_one(session, CKO_PUBLIC_KEY, name));
  return pair;
}

Result<void> require_captive(Session& session, CK_OBJECT_HANDLE private_half) {
  MUSTER_TRY(const bool sensitive, read_flag(session, private_half, CKA_SENSITIVE));
  MUSTER_TRY(const bool extractable, read_flag(session, private_half, CKA_EXTRACTABLE));
  if (sensitive && !extractable) return {};
  return Error{ErrorCode::kFailedPrecondition, reasons::kKeyExtractable, {}};
}

Result<Bytes> read_spki(Session& session, CK_OBJECT_HANDLE public_half) {
  MUSTER_TRY(const CK_ULONG key_type, read_number(session, public_half, CKA_KEY_TYPE));
  if (key_type == CKK_RSA) return read_rsa_spki(session, public_half);
  if (key_type == CKK_EC || key_type == CKK_EC_EDWARDS) return read_ec_spki(session, public_half, key_type);
  return mismatch();
}

Result<std::vector<TokenKeyName>> list_keys(Session& session, std::string_view label_prefix) {
  AttributesView wanted;
  const CK_OBJECT_CLASS private_key = CKO_PRIVATE_KEY;
  wanted.add(CKA_CLASS, private_key).add_true(CKA_TOKEN);
  const CK_FUNCTION_LIST& f = session.functions();
  MUSTER_TRY_VOID(
      session.check("C_FindObjectsInit", f.C_FindObjectsInit(session.handle(), wanted.data(), wanted.size())));
  std::vector<CK_OBJECT_HANDLE> handles;
  std::array<CK_OBJECT_HANDLE, 256> some{};
  CK_RV code = CKR_OK;
  for (CK_ULONG count = 1; code == CKR_OK && count > 0 && handles.size() < kMostKeys;) {
    code = f.C_FindObjects(session.handle(), some.data(), some.size(), &count);
    if (code == CKR_OK) handles.insert(handles.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(count));
  }
  f.C_FindObjectsFinal(session.handle());
  MUSTER_TRY_VOID(session.check("C_FindObjects", code));
  std::vector<TokenKeyName> names;
  for (const CK_OBJECT_HANDLE handle : handles) {
    MUSTER_TRY(const Bytes label, read_attribute(session, handle, CKA_LABEL));
    if (!as_text(label).starts_with(label_prefix)) continue;
    MUSTER_TRY(Bytes id, read_attribute(session, handle, CKA_ID));
    names.push_back({std::move(id), std::string(as_text(label))});
  }
  return names;
}

Result<void> destroy_pair(Session& session, const TokenKeyName& name) {
  for (const CK_OBJECT_CLASS object_class : {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY}) {
    MUSTER_TRY(const auto found, find_objects(session, object_class, name));
    for (const CK_OBJECT_HANDLE object : found) {
      MUSTER_TRY_VOID(session.check("C_DestroyObject", session.functions().C_DestroyObject(session.handle(), object)));
    }
  }
  return {};
}

Result<Bytes> sign_with_token(Session& session, CK_OBJECT_HANDLE private_half, KeyAlgorithm algorithm,
                              BytesView message) {
  MUSTER_TRY(Bytes input, signing_input(algorithm, message));
  CK_MECHANISM mechanism{signing_mechanism(algorithm), nullptr, 0};
  const CK_FUNCTION_LIST& f = session.functions();
  MUSTER_TRY_VOID(session.check("C_SignInit", f.C_SignInit(session.handle(), &mechanism, private_half)));
  Bytes signature(kMaxSignature);
  CK_ULONG size = signature.size();
  MUSTER_TRY_VOID(
      session.check("C_Sign", f.C_Sign(session.handle(), input.data(), input.size(), signature.data(), &size)));
  signature.resize(size);
  return signature_value(algorithm, std::move(signature));
}

}  // namespace muster::ca
