// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <memory>
#include <span>
#include <string>

#include "edge/identity_change.h"

namespace muster::edge {

// BaseFileWriter collects a whole state, entity by entity, in the compact form in which it will be written: some 100
// octets for a device with its certificate, whatever their names. Confined to one thread.
class BaseFileWriter {
 public:
  BaseFileWriter();
  ~BaseFileWriter();
  BaseFileWriter(BaseFileWriter&&) noexcept;
  BaseFileWriter& operator=(BaseFileWriter&&) noexcept;

  // Entities may come in any order; of several states of one entity the last counts. What is gone need not be told
  // apart from what never was: both are refused. Reason: snapshot.limit_exceeded.
  Result<void> add(const IdentityChange& entity);

  // Writes base.snapshot at `path`: temporary name, fsync, rename, fsync of the folder. To be called once.
  // Reasons: file.write_failed, snapshot.limit_exceeded (a field does not fit the format's widths).
  Result<void> write(const std::string& path, mode_t mode, const StreamPosition& position);

 private:
  class Collected;
  std::unique_ptr<Collected> collected_;
};

// All of `entities` at once.
Result<void> write_base_file(const std::string& path, mode_t mode, const StreamPosition& position,
                             std::span<const IdentityChange> entities);

}  // namespace muster::edge
