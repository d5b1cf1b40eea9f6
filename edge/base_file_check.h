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
  Result<void> check_version() const;
  Result<void> find_sections();
  Result<void> take_layout();
  bool take_packed(base_format::SectionKind kind, std::size_t row_size, unsigned skip,
                   std::span<const std::uint32_t> buckets, PackedTable& table) const;
  Result<void> check_small_tables() const;
  bool entries_are_sound() const;
  bool issuers_belong_to_their_tenants() const;
  Result<void> check_rows() const;
  bool is_string(base_format::PoolOffset offset) const;
  const base_format::Section& section(base_format::SectionKind kind) const;
  template <typename Entry>
  bool take(base_format::SectionKind kind, std::span<const Entry>& table) const;

  BaseFile& base_;
  base_format::Header header_{};
  std::array<base_format::Section, base_format::kSectionKinds + 1> sections_{};  // by kind; kind 0: not there
};

}  // namespace muster::edge
