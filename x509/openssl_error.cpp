// SPDX-License-Identifier: Apache-2.0
#include <openssl/err.h>

#include "x509/openssl_ptr.h"

namespace muster::x509 {

std::string take_openssl_error() {
  std::string text;
  while (const unsigned long code = ERR_get_error()) {
    char line[256];
    ERR_error_string_n(code, line, sizeof line);
    if (!text.empty()) text += "; ";
    text += line;
  }
  return text.empty() ? "no OpenSSL error recorded" : text;
}

}  // namespace muster::x509
