// SPDX-License-Identifier: Apache-2.0
#include "ingest/event_writer.h"

#include <algorithm>
#include <charconv>
#include <chrono>

#include "core/encoding.h"

namespace muster::ingest {
namespace {

bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; });
}

void put_digits(char* at, int width, unsigned value) {
  for (int i = width - 1; i >= 0; --i, value /= 10) at[i] = static_cast<char>('0' + value % 10);
}

template <typename Number>
void add_number(std::string& out, Number number) {
  char text[32];  // shortest form that reads back as the same number: at most 24 characters
  const auto end = std::to_chars(text, text + sizeof text, number).ptr;
  out.append(text, end);
}

}  // namespace

std::string_view EventWriter::write(const RecordView& source, std::size_t index, const Reading& reading) {
  const UnixMicros time = reading.time.value_or(source.receive_time);
  out_.assign(R"({"specversion":"1.0","id":")");
  add_id(source.incarnation.raw());
  out_ += '/';
  add_number(out_, source.sequence);
  out_ += '/';
  add_number(out_, index);
  out_ += R"(","source":)";
  // Names are plain ASCII by core/identity.h, but the record came from an edge: it is quoted all the same.
  add_text(std::string{source.tenant}.append("/").append(source.device));
  out_ += R"(,"type":"muster.measurements.v1","time":")";
  add_time(time);
  out_ += R"(","datacontenttype":"application/json","tenantid":")";
  add_id(source.tenant_id.raw());
  out_ += R"(","deviceid":")";
  add_id(source.device_id.raw());
  out_.append(R"(","mappingversion":")").append(kBuiltinMapping).append(R"(","data":{"topic":)");
  add_text(source.topic);
  out_ += R"(,"measurements":[)";
  for (const Measurement& measurement : reading.measurements) add_measurement(measurement, time);
  out_.back() = ']';  // over the last comma
  out_ += "}}";
  return out_;
}

void EventWriter::add_measurement(const Measurement& measurement, UnixMicros time) {
  out_ += R"({"name":)";
  add_text(measurement.name);
  out_ += R"(,"value":)";
  add_value(measurement.value);
  if (!measurement.unit.empty()) {
    out_ += R"(,"unit":)";
    add_text(measurement.unit);
  }
  out_ += R"(,"time":")";
  add_time(measurement.time.value_or(time));
  out_ += R"("},)";
}

void EventWriter::add_text(std::string_view text) {
  if (!is_plain(text)) return append_json_string(out_, text);
  out_ += '"';
  out_ += text;
  out_ += '"';
}

void EventWriter::add_value(const MeasuredValue& value) {
  if (const auto* text = std::get_if<std::string_view>(&value)) return add_text(*text);
  if (const auto* truth = std::get_if<bool>(&value)) {
    out_ += *truth ? "true" : "false";
  } else if (const auto* number = std::get_if<double>(&value)) {
    add_number(out_, *number);
  } else if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    add_number(out_, *integer);
  } else {
    add_number(out_, std::get<std::uint64_t>(value));
  }
}

// As core's to_rfc3339_micros, which goes through printf: here this is most of the time an event takes.
void EventWriter::add_time(UnixMicros micros) {
  using namespace std::chrono;
  const sys_time<microseconds> point{microseconds{micros}};
  const auto day = floor<days>(point);
  const year_month_day date{day};
  const auto of_day = static_cast<std::uint64_t>((point - day).count());
  const auto seconds = static_cast<unsigned>(of_day / 1'000'000);
  char text[] = "0000-00-00T00:00:00.000000Z";
  put_digits(text, 4, static_cast<unsigned>(static_cast<int>(date.year())));
  put_digits(text + 5, 2, static_cast<unsigned>(date.month()));
  put_digits(text + 8, 2, static_cast<unsigned>(date.day()));
  put_digits(text + 11, 2, seconds / 3600);
  put_digits(text + 14, 2, seconds / 60 % 60);
  put_digits(text + 17, 2, seconds % 60);
  put_digits(text + 20, 6, static_cast<unsigned>(of_day % 1'000'000));
  out_.append(text, sizeof text - 1);
}

void EventWriter::add_id(const RawId& id) {
  static constexpr char digits[] = "0123456789abcdef";
  char text[36];
  std::size_t at = 0;
  for (std::size_t i = 0; i < id.octets.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text[at++] = '-';
    text[at++] = digits[id.octets[i] >> 4];
    text[at++] = digits[id.octets[i] & 15];
  }
  out_.append(text, sizeof text);
}

}  // namespace muster::ingest
