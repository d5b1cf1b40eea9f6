// SPDX-License-Identifier: Apache-2.0
//
// Who a certificate says that its holder is. The first octet chooses: even, the rest is a certificate; odd, it is a
// URI. Oracles: (1) a principal that was read, written again, is the URI octet by octet, and holds nothing that means
// something in a topic or a path; (2) OpenSSL, which shares no code with our reader, sees the same names; (3) a device
// id by the rules for tenants' own PKI stands in the certificate literally, once.
#include <openssl/x509v3.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/identity.h"
#include "x509/certificate.h"
#include "x509/external_identity.h"

namespace {

using muster::DeviceIdSource;
using muster::x509::Certificate;

const muster::TrustDomain& trust_domain() {
  static const auto domain = muster::TrustDomain::parse("muster.local").value();
  return domain;
}

void look_at_uri(std::string_view uri) {
  const auto principal = muster::parse_device_uri(uri, trust_domain());
  if (!principal.ok()) return;
  if (muster::device_uri(*principal, trust_domain()) != uri) std::abort();
  const std::string text = principal->text();
  if (text.find_first_of("+#$%@:?\\ \n\r\t") != std::string::npos || text.find('\0') != std::string::npos) std::abort();
  if (std::string_view(text).find('/') != text.rfind('/') || !muster::Principal::parse(text).ok()) std::abort();
}

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using X509Ptr = std::unique_ptr<X509, Deleter<&X509_free>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, Deleter<&GENERAL_NAMES_free>>;

// Alternative names of one kind as OpenSSL reads them; nullopt where it does not read the certificate.
struct OtherView {
  bool read = false;
  int all = 0;  // alternative names of any kind
  std::vector<std::string> uris, dns;
};

OtherView ask_openssl(muster::BytesView der) {
  OtherView view;
  const unsigned char* at = der.data();
  const X509Ptr certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (!certificate) return view;
  int critical = 0;
  const NamesPtr names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, &critical, nullptr)));
  if (!names) return view;  // none, several, or not readable
  view.read = true;
  view.all = sk_GENERAL_NAME_num(names.get());
  for (int i = 0; i < view.all; ++i) {
    int kind = 0;
    const void* value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &kind);
    if (kind != GEN_URI && kind != GEN_DNS) continue;
    const auto* text = static_cast<const ASN1_STRING*>(value);
    auto& into = kind == GEN_URI ? view.uris : view.dns;
    into.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                      static_cast<std::size_t>(ASN1_STRING_length(text)));
  }
  return view;
}

void look_at_certificate(muster::BytesView der) {
  const auto certificate = Certificate::parse_der(der);
  if (!certificate.ok()) return;
  const OtherView other = ask_openssl(der);
  const auto uri = certificate->only_uri_san();
  if (uri) look_at_uri(*uri);
  if (uri && other.read && (other.all != 1 || other.uris.size() != 1 || other.uris.front() != *uri)) std::abort();
  for (const auto source :
       {DeviceIdSource::kUriSan, DeviceIdSource::kDnsSan, DeviceIdSource::kCommonName, DeviceIdSource::kSerialNumber}) {
    for (const std::string prefix : {"", "urn:"}) {
      const auto device = muster::x509::read_device_id(*certificate, {source, prefix});
      if (!device.ok()) continue;
      const std::string literal = prefix + device->text();
      if (muster::as_text(der).find(literal) == std::string_view::npos) std::abort();
      if (!other.read) continue;
      const bool is_uri = source == DeviceIdSource::kUriSan;
      const auto& seen = is_uri ? other.uris : other.dns;
      const bool is_alternative = is_uri || source == DeviceIdSource::kDnsSan;
      if (is_alternative && (seen.size() != 1 || seen.front() != literal)) std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const muster::BytesView rest{data + 1, size - 1};
  if (data[0] % 2 == 0) {
    look_at_certificate(rest);
  } else {
    look_at_uri(muster::as_text(rest));
  }
  return 0;
}
