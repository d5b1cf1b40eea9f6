// SPDX-License-Identifier: Apache-2.0
#include "core/encoding.h"

#include <gtest/gtest.h>

#include "core/crc32c.h"
#include "core/id.h"
#include "core/time.h"

namespace muster {
namespace {

TEST(Base64, GivesTheVectorsOfRfc4648) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : vectors) {
    EXPECT_EQ(to_base64(as_bytes(plain)), coded);
    EXPECT_EQ(as_text(from_base64(coded).value()), plain);
  }
}

TEST(Base64, RefusesMissingPaddingTrailingBitsAndGarbage) {
  for (const char* text : {"Zg", "Zg=", "Zh==", "Z", "Zm9v!", "Zg==Zg==", "====", "="}) {
    EXPECT_FALSE(from_base64(text).ok()) << text;
  }
  EXPECT_EQ(as_text(from_base64("Zm9v\r\nYmFy\n").value()), "foobar");
}

TEST(JsonString, IsAlwaysValidUtf8) {
  std::string out;
  append_json_string(out, "a\"\\\n\x01\xff\xc3\xa4");
  EXPECT_EQ(out, "\"a\\\"\\\\\\n\\u0001\\ufffd\xc3\xa4\"");
}

TEST(Utf8, RefusesSurrogatesAndOverlongForms) {
  for (const char* text : {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe0\x80\x80", "\x80", "\xc3"}) {
    EXPECT_FALSE(is_utf8(text));
  }
  EXPECT_TRUE(is_utf8("\xf0\x9f\x98\x80 ok"));
}

TEST(Crc32c, GivesTheVectorsOfRfc3720) {
  EXPECT_EQ(crc32c(Bytes(32, 0x00)), 0x8A9136AAU);
  EXPECT_EQ(crc32c(Bytes(32, 0xFF)), 0x62A8AB43U);
  const Bytes both(64, 0xFF);
  EXPECT_EQ(crc32c(BytesView{both}.subspan(20), crc32c(BytesView{both}.first(20))), crc32c(both));
}

TEST(RawId, ReadsOnlyItsOwnForm) {
  const RawId id = random_raw_id();
  EXPECT_EQ(parse_raw_id(to_uuid_text(id)).value(), id);
  for (const char* text : {"", "00000000-0000-0000-0000-00000000000", "00000000-0000-0000-0000-00000000000A",
                           "000000000000-0000-0000-0000-00000000", "{0000000-0000-0000-0000-000000000000}"}) {
    EXPECT_FALSE(parse_raw_id(text).ok()) << text;
  }
}

TEST(Rfc3339, RoundTripsAndReadsOffsets) {
  const UtcTime t = parse_rfc3339("2026-11-22T17:30:05Z").value();
  EXPECT_EQ(to_rfc3339(t), "2026-11-22T17:30:05Z");
  EXPECT_EQ(parse_rfc3339("2026-11-22T18:30:05.25+01:00").value(), t);
  for (const char* text : {"2026-02-30T00:00:00Z", "2026-11-22", "2026-11-22T17:30:05", "2026-11-22T17:30:05Zx", ""}) {
    EXPECT_FALSE(parse_rfc3339(text).ok()) << text;
  }
}

}  // namespace
}  // namespace muster
