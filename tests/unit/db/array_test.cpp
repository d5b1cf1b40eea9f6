// SPDX-License-Identifier: Apache-2.0
#include "db/array.h"

#include <gtest/gtest.h>

#include "core/encoding.h"

namespace muster::db {
namespace {

// Expected octets: what PostgreSQL's array_send writes, e.g. SELECT array_send(ARRAY[1,-1]::int8[]).
TEST(Array, IsWrittenAsArraySendWritesIt) {
  Array numbers(ElementType::kInt64);
  numbers.add(std::int64_t{1});
  numbers.add(std::int64_t{-1});
  Array texts(ElementType::kText);
  texts.add_text("ab");
  texts.add_null();

  EXPECT_EQ(to_hex(numbers.encoded()),
            "0000000100000000000000140000000200000001"
            "000000080000000000000001"
            "00000008ffffffffffffffff");
  EXPECT_EQ(to_hex(texts.encoded()),
            "0000000100000000000000190000000200000001"
            "000000026162"
            "ffffffff");
}

TEST(Array, HasNoDimensionWhileEmpty) {
  EXPECT_EQ(to_hex(Array(ElementType::kUuid).encoded()), "000000000000000000000b86");
}

TEST(Array, WritesTimesSinceTheYear2000) {
  Array times(ElementType::kTimestamp);
  times.add(parse_rfc3339("2000-01-01T00:00:01Z").value());

  EXPECT_EQ(to_hex(times.encoded().subspan(20)), "0000000800000000000f4240");
  EXPECT_EQ(from_database_micros(to_database_micros(-5)), -5);
}

}  // namespace
}  // namespace muster::db
