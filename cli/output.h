// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what the operator reads. Results go to standard output, everything else to standard error.
#pragma once

#include <string>
#include <string_view>

#include "core/error.h"

namespace muster::cli {

// say writes one line to standard output at once. Thread-safe: one line is one write(2).
void say(std::string_view line);

// complain writes "muster: <sentence>" to standard error and returns the exit status 1.
int complain(const std::string& sentence);
int complain(const Error& error);

// Colours when standard output is a terminal and NO_COLOR is not set; otherwise the text as it is.
std::string bold(std::string_view text);
std::string green(std::string_view text);
std::string red(std::string_view text);
std::string dim(std::string_view text);

}  // namespace muster::cli
