// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/result.h"
#include "core/unique_fd.h"

namespace muster::http {

enum class BodyStorage { kMemory, kFile };

// Body holds a request's octets in memory or, for routes that take large ones, in an unlinked temporary file that is
// mapped for reading: what a peer may park here is bounded by disk, not by memory. Move-only, thread-compatible.
class Body {
 public:
  Body() = default;
  explicit Body(std::string text) : memory_(std::move(text)) {}
  Body(Body&& other) noexcept;
  Body& operator=(Body&& other) noexcept;
  ~Body();

  // In $TMPDIR or /tmp. Reason: internal.
  static Result<Body> in_file();

  // Not after view() of a body in a file. Reason: internal (disk full).
  Result<void> append(std::string_view octets);
  std::size_t size() const { return file_ ? file_size_ : memory_.size(); }
  // All octets; valid as long as the body lives and is not appended to. Reason: internal (the mapping failed).
  Result<std::string_view> view() const;

 private:
  void unmap();
  std::string memory_;
  UniqueFd file_;
  std::size_t file_size_ = 0;
  mutable void* mapping_ = nullptr;
};

}  // namespace muster::http
