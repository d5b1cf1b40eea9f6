// SPDX-License-Identifier: Apache-2.0
#include "core/short_text.h"

#include <gtest/gtest.h>

#include <string>

namespace muster {
namespace {

TEST(EqualText, ComparesEveryOctetOfEverySize) {
  for (std::size_t size = 0; size < 70; ++size) {
    const std::string text(size, 'x');
    EXPECT_TRUE(equal_text(text, std::string(size, 'x'))) << size;
    EXPECT_FALSE(equal_text(text, std::string(size + 1, 'x'))) << size;
    for (std::size_t at = 0; at < size; ++at) {
      std::string other = text;
      other[at] = 'y';
      EXPECT_FALSE(equal_text(text, other)) << size << " " << at;
    }
  }
}

}  // namespace
}  // namespace muster
