// SPDX-License-Identifier: Apache-2.0
//
// Purpose: Result<T> is a value or an Error. No monadic chains: functions read as a straight line of early
// returns with MUSTER_TRY. These two macros are the only control-flow macros of the product.
#pragma once

#include <cstdlib>
#include <optional>
#include <utility>
#include <variant>

#include "core/error.h"

namespace muster {

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value)
      : state_(std::in_place_index<0>, std::move(value)) {
  }  // NOLINT(google-explicit-constructor): `return value;` is the idiom
  Result(Error error)
      : state_(std::in_place_index<1>, std::move(error)) {
  }  // NOLINT(google-explicit-constructor): `return Error{…};` is the idiom

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // The caller must have checked ok(); otherwise the program aborts.
  const T& value() const& { return check(), std::get<0>(state_); }
  T& value() & { return check(), std::get<0>(state_); }
  T&& value() && { return check(), std::get<0>(std::move(state_)); }
  const T& operator*() const& { return value(); }
  T& operator*() & { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  const T* operator->() const { return &value(); }
  T* operator->() { return &value(); }

  // The caller must have checked !ok(); otherwise the program aborts.
  const Error& error() const& {
    if (ok()) std::abort();
    return std::get<1>(state_);
  }
  Error&& error() && {
    if (ok()) std::abort();
    return std::get<1>(std::move(state_));
  }

 private:
  void check() const {
    if (!ok()) std::abort();
  }
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error)
      : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor): `return Error{…};` is the idiom

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const& {
    if (ok()) std::abort();
    return *error_;
  }
  Error&& error() && {
    if (ok()) std::abort();
    return std::move(*error_);
  }

 private:
  std::optional<Error> error_;
};

}  // namespace muster

#define MUSTER_CONCAT_INNER(a, b) a##b
#define MUSTER_CONCAT(a, b) MUSTER_CONCAT_INNER(a, b)

// MUSTER_TRY(auto x, f()) declares x with the value of f(), or returns f()'s error from this function.
#define MUSTER_TRY(decl, expr) MUSTER_TRY_IMPL(MUSTER_CONCAT(muster_try_, __LINE__), decl, expr)
#define MUSTER_TRY_IMPL(tmp, decl, expr)        \
  auto tmp = (expr);                            \
  if (!tmp.ok()) return std::move(tmp).error(); \
  decl = std::move(tmp).value()

// MUSTER_TRY_VOID(f()) returns f()'s error from this function, if there is one.
#define MUSTER_TRY_VOID(expr) MUSTER_TRY_VOID_IMPL(MUSTER_CONCAT(muster_try_void_, __LINE__), expr)
#define MUSTER_TRY_VOID_IMPL(tmp, expr)           \
  do {                                            \
    auto tmp = (expr);                            \
    if (!tmp.ok()) return std::move(tmp).error(); \
  } while (false)
