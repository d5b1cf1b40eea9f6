// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "core/bytes.h"

namespace muster::edge {

// WalFileSystem is what the WAL's writer asks of the disk. Each call returns 0, or the errno of its failure.
// Thread-safe.
class WalFileSystem {
 public:
  virtual ~WalFileSystem() = default;
  // pwrite(2); `written` may be less than asked for.
  virtual int write(int fd, BytesView bytes, off_t offset, std::size_t& written);
  virtual int data_sync(int fd);
  // Reserves space, so that later writes and syncs do not have to.
  virtual int allocate(int fd, std::uint64_t bytes);
  // Octets that an ordinary user may still write below `folder`.
  virtual std::uint64_t free_bytes(const std::string& folder);

  static WalFileSystem& real();
};

}  // namespace muster::edge
