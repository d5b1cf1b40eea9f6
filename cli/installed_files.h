// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/result.h"

namespace muster::cli {

// Files that come with the program: beside it in a build folder, under share/ and lib/ when it is installed, the
// migrations otherwise in the source tree it was built from. Reason: program.missing.
Result<std::string> find_broker_plugin();
Result<std::string> find_migrations_folder();
std::string own_program();

}  // namespace muster::cli
