// SPDX-License-Identifier: Apache-2.0
#include "api/json_reader.h"

#include <gtest/gtest.h>

#include "api/json_writer.h"
#include "api/reasons.h"

namespace muster::api {
namespace {

TEST(JsonReader, ReadsFieldsByNameAndType) {
  auto body = JsonReader::parse(R"({"name":"a","on":true,"n":7,"list":["x"],"map":{"k":"v"},"none":null})");
  ASSERT_TRUE(body.ok());

  EXPECT_EQ(body->required_string("name"), "a");
  EXPECT_EQ(body->optional_bool("on"), true);
  EXPECT_EQ(body->required_integer("n"), 7);
  EXPECT_EQ(body->optional_strings("list", 3)->front(), "x");
  EXPECT_EQ(body->optional_string_map("map", 3)->front().second, "v");
  EXPECT_TRUE(body->nullable_string("none").has_value());
  EXPECT_FALSE(body->nullable_string("none")->has_value());
  EXPECT_TRUE(body->finish().ok());
}

TEST(JsonReader, RefusesAFieldThatNobodyAskedFor) {
  auto body = JsonReader::parse(R"({"name":"a","nmae":"b"})");

  body->required_string("name");

  EXPECT_EQ(body->finish().error().reason, reasons::kFieldUnknown);
}

TEST(JsonReader, WhereFieldsAreLetPassAWrongOneIsStillRefused) {
  auto body = JsonReader::parse(R"({"name":7,"more":"b"})");

  body->required_string("name");

  EXPECT_EQ(body->finish_loosely().error().reason, reasons::kFieldInvalid);
}

// RFC 8259 §4 leaves it open; what matters is that everybody who reads a body here reads the same.
TEST(JsonReader, OfARepeatedNameTheLastValueCounts) {
  auto body = JsonReader::parse(R"({"name":"a","map":{"k":"1","k":"2"},"name":"b","\u006eame":"c"})");

  EXPECT_EQ(body->required_string("name"), "c");
  EXPECT_EQ(body->optional_string_map("map", 1)->front().second, "2");
  EXPECT_TRUE(body->finish().ok());
}

struct BadField {
  std::string_view name;
  std::string_view text;
};

class JsonReaderBadField : public testing::TestWithParam<BadField> {};

TEST_P(JsonReaderBadField, IsFieldInvalid) {
  auto body = JsonReader::parse(GetParam().text);
  ASSERT_TRUE(body.ok());

  body->required_string("name");
  body->optional_integer("count");
  body->optional_strings("list", 1);

  ASSERT_FALSE(body->finish().ok());
  EXPECT_EQ(body->finish().error().reason, reasons::kFieldInvalid);
}

INSTANTIATE_TEST_SUITE_P(All, JsonReaderBadField,
                         testing::Values(BadField{"Missing", R"({})"}, BadField{"Null", R"({"name":null})"},
                                         BadField{"Number", R"({"name":1})"}, BadField{"Nul", R"({"name":"a\u0000b"})"},
                                         BadField{"Fraction", R"({"name":"a","count":1.5})"},
                                         BadField{"HugeInteger", R"({"name":"a","count":18446744073709551615})"},
                                         BadField{"ListTooLong", R"({"name":"a","list":["1","2"]})"},
                                         BadField{"ListOfNumbers", R"({"name":"a","list":[1]})"}),
                         [](const auto& field) { return std::string{field.param.name}; });

TEST(JsonReader, RefusesWhatIsNotStrictJson) {
  const std::string nul{"{\"a\":1}\0", 8};
  for (const std::string& text : {std::string{""}, std::string{"{"}, std::string{"{'a':1}"}, std::string{"{}x"},
                                  std::string{"\xEF\xBB\xBF{}"}, std::string{"{\"a\":\"\xff\"}"}, nul}) {
    const auto parsed = JsonReader::parse(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().reason, reasons::kJsonMalformed) << text;
  }
}

TEST(JsonReader, TakesSixtyFourLevelsAndNotOneMore) {
  const auto nested = [](std::size_t levels) {
    return "{\"a\":" + std::string(levels - 1, '[') + std::string(levels - 1, ']') + "}";
  };

  EXPECT_TRUE(JsonReader::parse(nested(kMaxJsonDepth)).ok());
  EXPECT_FALSE(JsonReader::parse(nested(kMaxJsonDepth + 1)).ok());
  EXPECT_FALSE(JsonReader::parse(nested(1'000'000)).ok());
}

TEST(JsonReader, BracketsInStringsAreNoLevels) {
  EXPECT_TRUE(JsonReader::parse("{\"a\":\"" + std::string(1'000, '[') + "\\\"[[\"}").ok());
}

TEST(JsonWriter, WritesCommasAndEscapes) {
  JsonWriter out;
  out.object([&] {
    out.field("a", "q\"\n").field("n", 3).nullable("x", "").key("l").array([&] { out.value(1).value(true); });
    out.key("o").object([] {});
    out.field("z", std::uint64_t{18446744073709551615U});
  });

  EXPECT_EQ(out.text(), "{\"a\":\"q\\\"\\n\",\"n\":3,\"x\":null,\"l\":[1,true],\"o\":{},\"z\":18446744073709551615}");
}

}  // namespace
}  // namespace muster::api
