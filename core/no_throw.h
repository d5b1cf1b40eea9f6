// SPDX-License-Identifier: Apache-2.0
//
// Purpose: work that others wait for ends with a Result, also where memory runs out: whoever waits would wait for ever.
#pragma once

#include <exception>
#include <type_traits>

#include "core/result.h"

namespace muster {

// no_throw runs `work` (→ Result<T>); what it throws becomes an internal error.
template <typename Work>
std::invoke_result_t<Work&> no_throw(Work&& work) {
  try {
    return work();
  } catch (const std::exception& exception) {
    return internal_error(exception.what());
  } catch (...) {
    return internal_error("an exception");
  }
}

}  // namespace muster
