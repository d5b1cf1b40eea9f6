// SPDX-License-Identifier: Apache-2.0
//
// Purpose: work that others wait for ends with a Result, also where memory runs out: whoever waits would wait for ever.
#pragma once

#include <exception>
#include <string>
#include <type_traits>
#include <utility>

#include "core/result.h"

namespace muster {

// copy_error copies what many are told; without the detail where there is no memory for that.
inline Error copy_error(const Error& error) noexcept {
  try {
    return error;
  } catch (...) {
    return Error{error.code, error.reason, {}};
  }
}

// no_throw runs `work` (→ Result<T>); what it throws becomes an internal error.
template <typename Work>
std::invoke_result_t<Work&> no_throw(Work&& work) noexcept {
  std::string detail;
  try {
    return work();
  } catch (const std::exception& exception) {
    // An empty string allocates nothing; neither does what follows when this fails.
    try {
      detail = exception.what();
    } catch (...) {
    }
  } catch (...) {
  }
  return internal_error(std::move(detail));
}

}  // namespace muster
