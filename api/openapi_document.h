// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace muster::api {

// openapi_document returns docs/openapi.yaml as it was when the program was built.
const std::string& openapi_document();

}  // namespace muster::api
