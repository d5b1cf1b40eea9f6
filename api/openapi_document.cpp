// SPDX-License-Identifier: Apache-2.0
#include "api/openapi_document.h"

namespace muster::api {
namespace {

// Written by CMake from docs/openapi.yaml.
constexpr const char* kDocument =
#include "api/openapi_text.inc"
    ;

}  // namespace

const std::string& openapi_document() {
  static const std::string document{kDocument};
  return document;
}

}  // namespace muster::api
