// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "edge/base_file.h"

namespace muster::edge {

// BaseFileCheck verifies a mapped base file and fills the tables of its BaseFile. Nothing of the file is used before
// the check that covers it has passed.
class BaseFileCheck {
 public:
  explicit BaseFileCheck(BaseFile& base) : base_(base) {}
  // Reasons: snapshot.corrupt, snapshot.version_unsupported.
  Result<void> run();

 private:
  Result<void> check_header();
  Result<void> find_sections();
  Result<void> check_small_tables() const;
  Result<void> check_devices() const;
  Result<void> check_certificates() const;
  bool in_pool(std::uint32_t offset, std::uint32_t length) const;
  template <typename Entry>
  bool take(base_format::SectionKind kind, std::span<const Entry>& table) const;

  BaseFile& base_;
  base_format::Header header_{};
  std::array<base_format::Section, base_format::kSectionKinds + 1> sections_{};  // by kind; kind 0: not there
};

}  // namespace muster::edge
