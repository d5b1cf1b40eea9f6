// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstddef>
#include <functional>
#include <utility>

namespace muster {

// StrongType gives a value a name that the compiler checks: two of them with different tags do not mix, and
// there is no conversion back but value().
template <typename Tag, typename T>
class StrongType {
 public:
  StrongType() = default;
  explicit constexpr StrongType(T value) : value_(std::move(value)) {}
  constexpr const T& value() const { return value_; }
  friend constexpr auto operator<=>(const StrongType&, const StrongType&) = default;
  friend constexpr bool operator==(const StrongType&, const StrongType&) = default;

 private:
  T value_{};
};

}  // namespace muster

template <typename Tag, typename T>
struct std::hash<muster::StrongType<Tag, T>> {
  std::size_t operator()(const muster::StrongType<Tag, T>& x) const noexcept { return std::hash<T>{}(x.value()); }
};
