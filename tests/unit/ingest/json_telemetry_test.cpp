// SPDX-License-Identifier: Apache-2.0
#include "ingest/json_telemetry.h"

#include <gtest/gtest.h>

#include <sstream>

#include "ingest/reasons.h"

namespace muster::ingest {
namespace {

constexpr UnixMicros kReceived = 1'700'000'000'000'000;

std::string to_text(const MeasuredValue& value) {
  std::ostringstream out;
  out << std::boolalpha;
  std::visit([&out](const auto& v) { out << v; }, value);
  return out.str();
}

// "name=value[unit]@time name=value; name=value": readings by ';', a reading's time in front as "@time ".
std::string summary(std::string_view json) {
  JsonTelemetryDecoder decoder;
  const auto telemetry = decoder.decode(as_bytes(json), kReceived);
  if (!telemetry.ok()) return std::string{telemetry.error().reason};
  std::string text;
  for (const Reading& reading : **telemetry) {
    if (!text.empty()) text += "; ";
    std::string line;
    if (reading.time) line += "@" + std::to_string(*reading.time);
    for (const Measurement& m : reading.measurements) {
      if (!line.empty()) line += ' ';
      line += m.name + "=" + to_text(m.value);
      if (!m.unit.empty()) line += "[" + std::string{m.unit} + "]";
      if (m.time) line += "@" + std::to_string(*m.time);
    }
    text += line;
  }
  return text;
}

struct Case {
  const char* name;
  const char* json;
  const char* expected;
};

class JsonTelemetry : public testing::TestWithParam<Case> {};

TEST_P(JsonTelemetry, Decodes) { EXPECT_EQ(summary(GetParam().json), GetParam().expected) << GetParam().json; }

INSTANTIATE_TEST_SUITE_P(
    Forms, JsonTelemetry,
    testing::Values(
        Case{"FlatObject", R"({"t":21.5,"on":true,"mode":"eco","n":-3})", "t=21.5 on=true mode=eco n=-3"},
        Case{"NestedNamesAreDotted", R"({"wifi":{"rssi":-60,"ap":{"ch":6}}})", "wifi.rssi=-60 wifi.ap.ch=6"},
        Case{"ArraysInsideAreNumbered", R"({"temps":[1,2],"cells":[{"v":3.1}]})", "temps.0=1 temps.1=2 cells.0=3.1"},
        Case{"NullIsSkipped", R"({"a":null,"b":1})", "b=1"},
        Case{"ArrayOfReadings", R"([{"a":1},{"a":2}])", "a=1; a=2"},
        Case{"ReadingsMember", R"({"readings":[{"a":1},{"a":2}]})", "a=1; a=2"},
        Case{"ReadingsTakeTheOuterTime", R"({"ts":1700000000,"readings":[{"a":1},{"ts":1700000001,"a":2}]})",
             "@1700000000000000 a=1; @1700000001000000 a=2"},
        Case{"MembersBesideReadingsAreAReading", R"({"fw":"1.2","readings":[{"a":1}]})", "fw=1.2; a=1"},
        Case{"PlainNumber", "21.5", "value=21.5"}, Case{"PlainBool", "true", "value=true"},
        Case{"PlainString", R"("open")", "value=open"}, Case{"PlainArray", "[1,2]", "value.0=1 value.1=2"},
        Case{"Named", R"({"name":"t","value":21.5,"unit":"Cel"})", "t=21.5[Cel]"},
        Case{"NamedInAnArray", R"([{"name":"a","value":1},{"name":"b","value":2}])", "a=1 b=2"},
        Case{"ValueWithUnit", R"({"t":{"value":21.5,"unit":"Cel"},"h":40})", "t=21.5[Cel] h=40"},
        Case{"ANameBesideOtherMembersIsAMeasurement", R"({"name":"hall","t":1})", "name=hall t=1"},
        Case{"Senml", R"([{"bn":"dev:","bt":1700000000,"bu":"A","n":"i","u":"V","v":120.1},{"n":"j","t":-5,"v":1.2}])",
             "dev:i=120.1[V]@1700000000000000 dev:j=1.2[A]@1699999995000000"},
        Case{"SenmlRelativeToNow", R"([{"n":"a","v":1,"t":-60}])", "a=1@1699999940000000"},
        Case{"SenmlTextAndBool", R"([{"n":"a","vs":"x"},{"n":"b","vb":false}])", "a=x b=false"},
        Case{"Integers64", R"({"a":9223372036854775807,"b":18446744073709551615})",
             "a=9223372036854775807 b=18446744073709551615"}),
    [](const auto& c) { return std::string{c.param.name}; });

INSTANTIATE_TEST_SUITE_P(
    Times, JsonTelemetry,
    testing::Values(
        Case{"Rfc3339", R"({"time":"2023-11-14T22:13:20Z","a":1})", "@1700000000000000 a=1"},
        Case{"Rfc3339WithFraction", R"({"timestamp":"2023-11-14T22:13:20.5+00:00","a":1})", "@1700000000500000 a=1"},
        Case{"Rfc3339WithOffset", R"({"ts":"2023-11-14T23:13:20.000001+01:00","a":1})", "@1700000000000001 a=1"},
        Case{"Seconds", R"({"ts":1700000000,"a":1})", "@1700000000000000 a=1"},
        Case{"SecondsWithFraction", R"({"ts":1700000000.25,"a":1})", "@1700000000250000 a=1"},
        Case{"Milliseconds", R"({"ts":1700000000123,"a":1})", "@1700000000123000 a=1"},
        Case{"Microseconds", R"({"ts":1700000000123456,"a":1})", "@1700000000123456 a=1"},
        Case{"Nanoseconds", R"({"ts":1700000000000000000,"a":1})", "@1700000000000000 a=1"},
        Case{"NumberInAString", R"({"ts":"1700000000","a":1})", "@1700000000000000 a=1"},
        Case{"SmallNumberIsAMeasurement", R"({"time":12,"a":1})", "time=12 a=1"},
        Case{"OfANamedMeasurement", R"([{"name":"a","value":1,"time":"2023-11-14T22:13:20Z"}])",
             "a=1@1700000000000000"},
        Case{"NotATime", R"({"time":"yesterday","a":1})", "decode.time_invalid"},
        Case{"ThirteenthMonth", R"({"time":"2023-13-14T22:13:20Z","a":1})", "decode.time_invalid"}),
    [](const auto& c) { return std::string{c.param.name}; });

INSTANTIATE_TEST_SUITE_P(Refusals, JsonTelemetry,
                         testing::Values(Case{"Empty", "", "decode.json_invalid"},
                                         Case{"NaN", R"({"a":NaN})", "decode.json_invalid"},
                                         Case{"Infinity", R"({"a":Infinity})", "decode.json_invalid"},
                                         Case{"TrailingOctets", R"({"a":1}x)", "decode.json_invalid"},
                                         Case{"Text", "offline", "decode.json_invalid"},
                                         Case{"NotUtf8", "{\"a\":\"\xff\"}", "decode.not_utf8"},
                                         Case{"EmptyObject", "{}", "decode.no_measurements"},
                                         Case{"OnlyNull", "null", "decode.no_measurements"},
                                         Case{"OnlyATime", R"({"ts":1700000000})", "decode.no_measurements"},
                                         Case{"EmptyName", R"({"":1})", "decode.name_invalid"},
                                         Case{"ControlCharacterInAName", R"({"a\u0007":1})", "decode.name_invalid"}),
                         [](const auto& c) { return std::string{c.param.name}; });

std::string repeated(std::string_view text, std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}

TEST(JsonTelemetryLimits, ANumberBeyondADoubleIsRefused) {
  const std::string reason = summary(R"({"a":1e999})");
  EXPECT_TRUE(reason == reasons::kNumberInvalid || reason == reasons::kJsonInvalid) << reason;
}

TEST(JsonTelemetryLimits, Depth) {
  EXPECT_EQ(summary(repeated("[", 100) + "1" + repeated("]", 100)), reasons::kTooDeep);
  EXPECT_EQ(summary(repeated("[", 100'000) + repeated("]", 100'000)), reasons::kTooDeep);
  EXPECT_EQ(summary(repeated("[", 100'000)), reasons::kJsonInvalid);
}

TEST(JsonTelemetryLimits, TextLength) {
  EXPECT_EQ(summary("{\"a\":\"" + std::string(kMaxTextOctets, 'x') + "\"}").size(), kMaxTextOctets + 2);
  EXPECT_EQ(summary("{\"a\":\"" + std::string(kMaxTextOctets + 1, 'x') + "\"}"), reasons::kStringTooLong);
}

TEST(JsonTelemetryLimits, NameLengthDotsIncluded) {
  const std::string name(kMaxNameOctets - 2, 'x');
  EXPECT_EQ(summary("{\"" + name + "\":{\"y\":1}}"), name + ".y=1");
  EXPECT_EQ(summary("{\"" + name + "\":{\"yy\":1}}"), reasons::kNameInvalid);
}

TEST(JsonTelemetryLimits, Counts) {
  EXPECT_EQ(summary("[" + repeated("{\"a\":1},", kMaxReadings) + "{\"a\":1}]"), reasons::kTooManyReadings);
  EXPECT_EQ(summary("{\"a\":[" + repeated("1,", kMaxMeasurements) + "1]}"), reasons::kTooManyMeasurements);
}

TEST(JsonTelemetryLimits, PayloadSize) {
  EXPECT_EQ(summary(std::string(kMaxPayloadOctets + 1, ' ')), reasons::kTooLarge);
}

TEST(JsonTelemetryDecoder, GoesOnAfterARefusal) {
  JsonTelemetryDecoder decoder;
  EXPECT_FALSE(decoder.decode(as_bytes("{"), 0).ok());
  const std::string large = "{\"a\":\"" + std::string(4000, 'x') + "\"}";
  EXPECT_TRUE(decoder.decode(as_bytes(large), 0).ok());
  EXPECT_TRUE(decoder.decode(as_bytes("{\"a\":1}"), 0).ok());
}

}  // namespace
}  // namespace muster::ingest
