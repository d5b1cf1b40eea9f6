// SPDX-License-Identifier: Apache-2.0
//
// Purpose: PostgreSQL's binary COPY format (its documentation, COPY, "Binary Format"): network byte order throughout.
#pragma once

#include <cstdint>
#include <optional>

#include "core/bytes.h"

namespace muster::ingest {

// CopyWriter appends rows to a buffer, which must outlive it. Each row must have the number of fields that begin_row
// named.
class CopyWriter {
 public:
  static CopyWriter start(Bytes& out);  // writes the header
  static CopyWriter resume(Bytes& out) { return CopyWriter{out}; }
  void begin_row(std::int16_t fields);
  void add_int16(std::int16_t value);
  void add_int32(std::int32_t value);
  void add_int64(std::int64_t value);
  // add_octets returns where the field's octets stand, valid until the next call.
  std::uint8_t* add_octets(BytesView octets);
  void end();

 private:
  explicit CopyWriter(Bytes& out) : out_(out) {}
  std::uint8_t* grow(std::size_t size);
  Bytes& out_;
};

// CopyRowReader reads the fields of one message of COPY TO STDOUT, header included where it is the first. Strict: a
// field of another width is nullopt.
class CopyRowReader {
 public:
  explicit CopyRowReader(BytesView message);
  // The number of fields; -1 at the trailer, -2 where the message is broken.
  int field_count() const { return field_count_; }
  std::optional<std::int64_t> take_int64();
  std::optional<BytesView> take_octets();

 private:
  BytesView rest_;
  int field_count_ = -2;
};

}  // namespace muster::ingest
