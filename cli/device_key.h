// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/result.h"

namespace muster::cli {

// KeyAndRequest is what a device makes for itself: the key never leaves it, only the request does.
struct KeyAndRequest {
  std::string key_pem;      // P-256, PKCS#8
  std::string request_pem;  // PKCS#10, signed with the key; the common name is for people only
};

// make_key_and_request makes a fresh P-256 key and a certificate request. Reason: key.unusable.
Result<KeyAndRequest> make_key_and_request(const std::string& common_name);

// make_request makes a request for an existing private key. Reason: key.unusable.
Result<std::string> make_request(const std::string& key_pem, const std::string& common_name);

struct Lookalike {
  std::string authority_pem;
  std::string certificate_pem;
  std::string key_pem;
};
// make_lookalike makes a CA of our own with the subject of `issuer_pem`, and a device certificate under it with the
// names of `device_certificate_pem`: what anybody who has seen the certificates can make. For the tour. Reason:
// key.unusable.
Result<Lookalike> make_lookalike(const std::string& issuer_pem, const std::string& device_certificate_pem);

// not_after returns the end of the first certificate of `pem`, as seconds since the Unix epoch. Reason: key.unusable.
Result<long> certificate_not_after(const std::string& pem);

}  // namespace muster::cli
