// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "core/bytes.h"
#include "core/id.h"
#include "core/time.h"

namespace muster::db {

// ElementType names PostgreSQL's type of an array's elements by its fixed OID (pg_type.dat).
enum class ElementType : std::uint32_t {
  kBytes = 17,
  kInt64 = 20,
  kInt32 = 23,
  kText = 25,
  kTimestamp = 1184,
  kUuid = 2950,
};

// Array builds a one-dimensional array in PostgreSQL's binary form (array_recv), for INSERT … SELECT unnest: nothing is
// quoted, so nothing can be quoted wrongly, and certificates are not blown up to hexadecimal.
class Array {
 public:
  explicit Array(ElementType type);
  void add(BytesView bytes);  // kBytes
  void add_text(std::string_view text);
  void add(std::int64_t number);  // kInt64, kInt32
  void add(UtcTime time);         // kTimestamp
  template <typename Tag>
  void add(const Id<Tag>& id) {  // kUuid
    add(id.octets());
  }
  template <typename Tag>
  void add_nullable(const Id<Tag>& id) {  // nil becomes NULL
    if (id.is_nil()) {
      add_null();
    } else {
      add(id);
    }
  }
  void add_null();
  std::size_t size() const { return count_; }
  BytesView encoded() const { return encoded_; }

 private:
  void begin_element(std::uint32_t length);
  ElementType type_;
  std::uint32_t count_ = 0;
  Bytes encoded_;
};

// Microseconds since 2000-01-01, PostgreSQL's timestamptz.
std::int64_t to_database_micros(UnixMicros micros);
UnixMicros from_database_micros(std::int64_t micros);
UnixMicros to_micros(UtcTime time);

}  // namespace muster::db
