// SPDX-License-Identifier: Apache-2.0
#include "ingest/json_telemetry.h"

#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ingest/reasons.h"
#include "ingest/telemetry_time.h"

namespace muster::ingest {
namespace {

namespace dom = simdjson::dom;

Error refused(std::string_view reason) { return {ErrorCode::kInvalidArgument, reason, {}}; }

std::string_view reason_of(simdjson::error_code code) {
  switch (code) {
    case simdjson::UTF8_ERROR: return reasons::kNotUtf8;
    case simdjson::DEPTH_ERROR: return reasons::kTooDeep;
    case simdjson::CAPACITY: return reasons::kTooLarge;
    default: return reasons::kJsonInvalid;
  }
}

bool is_time_key(std::string_view key) { return key == "time" || key == "timestamp" || key == "ts"; }
bool is_name_key(std::string_view key) { return key == "name" || key == "n"; }
bool is_unit_key(std::string_view key) { return key == "unit" || key == "u" || key == "units"; }
bool is_value_key(std::string_view key) { return key == "value" || key == "v" || key == "vs" || key == "vb"; }
bool is_base_key(std::string_view key) { return key == "bn" || key == "bt" || key == "bu" || key == "bver"; }
bool is_scalar(const dom::element& e) { return !e.is_object() && !e.is_array() && !e.is_null(); }

// What the keys of an object say about its form. A key outside the form's set makes it an ordinary object.
struct ObjectForm {
  bool named = false;   // {"name","value","unit"?,"time"?} or a SenML record
  bool valued = false;  // {"value","unit"?,"time"?}: the name is the member that holds it
};

ObjectForm form_of(const dom::object& object) {
  bool name = false, base = false, value = false;
  for (const auto& [key, element] : object) {
    if (is_value_key(key) && is_scalar(element) && !value) {
      value = true;
    } else if (is_name_key(key) && element.is_string()) {
      name = true;
    } else if (is_base_key(key) && is_scalar(element)) {
      base = true;
    } else if (!(is_unit_key(key) && element.is_string()) &&
               !((is_time_key(key) || key == "t") && is_scalar(element))) {
      return {};
    }
  }
  return {.named = (name || base) && (value || base), .valued = value && !name && !base};
}

bool holds_only_named(const dom::array& array) {
  bool any = false;
  for (const dom::element element : array) {
    if (!element.is_object() || !form_of(element.get_object().value_unsafe()).named) return false;
    any = true;
  }
  return any;
}

// SenML's base values (RFC 8428 §4.1), in force until the next record that has them.
struct SenmlBase {
  std::string_view name;
  std::string_view unit;
  double time = 0;
};

// Reads one parsed document. Each step answers with the reason that refuses the payload, empty when it goes on.
class TelemetryReader {
 public:
  TelemetryReader(Telemetry& out, UnixMicros receive_time) : out_(out), receive_time_(receive_time) {}

  std::string_view read_document(const dom::element& root) {
    if (root.is_array()) return read_readings(root.get_array().value_unsafe(), std::nullopt);
    if (root.is_object()) return read_reading(root.get_object().value_unsafe(), std::nullopt);
    const std::size_t reading = begin_reading(std::nullopt);
    name_ = "value";
    return add_element(reading, root);
  }

 private:
  using MaybeTime = std::optional<UnixMicros>;

  std::size_t begin_reading(MaybeTime time) {
    out_.push_back({time, {}});
    name_.clear();
    return out_.size() - 1;
  }

  // `time` is for readings that have none of their own.
  std::string_view read_readings(const dom::array& array, MaybeTime time) {
    if (holds_only_named(array)) return read_named_array(array, time);
    std::optional<std::size_t> plain;  // the one reading of all members that are no objects
    std::size_t index = 0;
    for (const dom::element element : array) {
      if (out_.size() >= kMaxReadings) return reasons::kTooManyReadings;
      std::string_view reason;
      if (element.is_object()) {
        reason = read_reading(element.get_object().value_unsafe(), time);
      } else {
        if (!plain) plain = begin_reading(time);
        name_ = "value." + std::to_string(index);
        reason = add_element(*plain, element);
      }
      if (!reason.empty()) return reason;
      ++index;
    }
    return {};
  }

  std::string_view read_named_array(const dom::array& array, MaybeTime time) {
    const std::size_t reading = begin_reading(time);
    SenmlBase base;
    for (const dom::element element : array) {
      const auto reason = add_named(reading, element.get_object().value_unsafe(), base);
      if (!reason.empty()) return reason;
    }
    return {};
  }

  std::string_view read_reading(const dom::object& object, MaybeTime time) {
    const std::size_t reading = begin_reading(time);
    SenmlBase base;
    if (form_of(object).named) return add_named(reading, object, base);
    std::string_view time_key;
    if (const auto reason = find_time(object, out_[reading].time, time_key); !reason.empty()) return reason;
    for (const auto& [key, element] : object) {
      if (!time_key.empty() && key == time_key) continue;
      std::string_view reason;
      if ((key == "readings" || key == "measurements") && element.is_array()) {
        reason = read_readings(element.get_array().value_unsafe(), out_[reading].time);
        name_.clear();
      } else {
        reason = add_member(reading, key, element);
      }
      if (!reason.empty()) return reason;
    }
    return {};
  }

  // The first member that holds a time. `key` stays empty where there is none; a number that is no time since 1970
  // stays a measurement.
  static std::string_view find_time(const dom::object& object, MaybeTime& time, std::string_view& key) {
    for (const auto& [name, element] : object) {
      if (!is_time_key(name)) continue;
      MaybeTime found;
      if (element.is_string()) {
        found = telemetry_time(element.get_string().value_unsafe());
        if (!found) return reasons::kTimeInvalid;
      } else if (element.is_number()) {
        found = telemetry_time(element.get_double().value_unsafe());
      }
      if (!found) continue;
      time = found;
      key = name;
      return {};
    }
    return {};
  }

  // A member of an ordinary object: its key joins the dotted name while its value is read.
  std::string_view add_member(std::size_t reading, std::string_view key, const dom::element& element) {
    const std::size_t length = name_.size();
    if (length != 0) name_ += '.';
    name_ += key;
    const std::string_view reason = key.empty() ? reasons::kNameInvalid : add_element(reading, element);
    name_.resize(length);
    return reason;
  }

  std::string_view add_element(std::size_t reading, const dom::element& element) {
    if (element.is_null()) return {};
    if (element.is_object()) return add_object(reading, element.get_object().value_unsafe());
    if (!element.is_array()) return add_scalar(reading, element, {}, std::nullopt);
    const dom::array array = element.get_array().value_unsafe();
    std::size_t index = 0;
    for (const dom::element member : array) {
      if (const auto reason = add_member(reading, std::to_string(index++), member); !reason.empty()) return reason;
    }
    return {};
  }

  std::string_view add_object(std::size_t reading, const dom::object& object) {
    if (form_of(object).valued) {
      SenmlBase base;
      return add_named(reading, object, base);
    }
    for (const auto& [key, element] : object) {
      if (const auto reason = add_member(reading, key, element); !reason.empty()) return reason;
    }
    return {};
  }

  // A named or valued object: one measurement, or only base values for the records after it.
  std::string_view add_named(std::size_t reading, const dom::object& object, SenmlBase& base) {
    std::string_view name, unit;
    double relative = 0;
    MaybeTime time;
    const dom::element* value = nullptr;
    dom::element held;
    for (const auto& [key, element] : object) {
      if (is_value_key(key)) {
        held = element;
        value = &held;
      } else if (is_name_key(key)) {
        name = element.get_string().value_unsafe();
      } else if (is_unit_key(key)) {
        unit = element.get_string().value_unsafe();
      } else if (const auto reason = take_time_or_base(key, element, base, time, relative); !reason.empty()) {
        return reason;
      }
    }
    if (value == nullptr) return {};
    if (!time) time = senml_time(base.time + relative);
    const std::size_t length = name_.size();
    name_.append(base.name).append(name);
    const auto reason = add_scalar(reading, *value, unit.empty() ? base.unit : unit, time);
    name_.resize(length);
    return reason;
  }

  static std::string_view take_time_or_base(std::string_view key, const dom::element& element, SenmlBase& base,
                                            MaybeTime& time, double& relative) {
    if (key == "bn" || key == "bu") {
      if (!element.is_string()) return reasons::kNameInvalid;
      (key == "bn" ? base.name : base.unit) = element.get_string().value_unsafe();
    } else if (key == "bt" || key == "t") {
      if (!element.is_number()) return reasons::kTimeInvalid;
      (key == "bt" ? base.time : relative) = element.get_double().value_unsafe();
    } else if (is_time_key(key)) {
      if (element.is_string()) time = telemetry_time(element.get_string().value_unsafe());
      if (element.is_number()) time = telemetry_time(element.get_double().value_unsafe());
      if (!time) return reasons::kTimeInvalid;
    }
    return {};
  }

  // RFC 8428 §4.5.3: below 2^28 the sum is relative to now, which is when the broker received it.
  MaybeTime senml_time(double sum) const {
    if (sum == 0) return std::nullopt;
    if (const auto time = telemetry_time(sum)) return time;
    if (std::fabs(sum) >= 268'435'456) return std::nullopt;
    // The receive time came from an edge: it may be any number.
    UnixMicros time = 0;
    if (__builtin_add_overflow(receive_time_, static_cast<UnixMicros>(sum * 1e6), &time)) return std::nullopt;
    return time;
  }

  std::string_view add_scalar(std::size_t reading, const dom::element& element, std::string_view unit, MaybeTime time) {
    if (++count_ > kMaxMeasurements) return reasons::kTooManyMeasurements;
    if (!is_name(name_) || unit.size() > kMaxNameOctets) return reasons::kNameInvalid;
    MeasuredValue value;
    switch (element.type()) {
      case dom::element_type::INT64: value = element.get_int64().value_unsafe(); break;
      case dom::element_type::UINT64: value = element.get_uint64().value_unsafe(); break;
      case dom::element_type::DOUBLE: value = element.get_double().value_unsafe(); break;
      case dom::element_type::BOOL: value = element.get_bool().value_unsafe(); break;
      case dom::element_type::STRING: value = element.get_string().value_unsafe(); break;
      default: return reasons::kJsonInvalid;
    }
    if (const auto* number = std::get_if<double>(&value); number != nullptr && !std::isfinite(*number)) {
      return reasons::kNumberInvalid;
    }
    if (const auto* text = std::get_if<std::string_view>(&value); text != nullptr && text->size() > kMaxTextOctets) {
      return reasons::kStringTooLong;
    }
    out_[reading].measurements.push_back({name_, value, unit, time});
    return {};
  }

  static bool is_name(std::string_view name) {
    if (name.empty() || name.size() > kMaxNameOctets) return false;
    for (const char c : name) {
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
    }
    return true;
  }

  Telemetry& out_;
  const UnixMicros receive_time_;
  std::string name_;  // of the member being read, dotted
  std::size_t count_ = 0;
};

}  // namespace

struct JsonTelemetryDecoder::State {
  dom::parser parser{kMaxPayloadOctets};
  Bytes padded;
  Telemetry telemetry;
};

JsonTelemetryDecoder::JsonTelemetryDecoder() : state_(std::make_unique<State>()) {}
JsonTelemetryDecoder::~JsonTelemetryDecoder() = default;

Result<const Telemetry*> JsonTelemetryDecoder::decode(BytesView payload, UnixMicros receive_time) {
  if (payload.size() > kMaxPayloadOctets) return refused(reasons::kTooLarge);
  if (payload.empty()) return refused(reasons::kJsonInvalid);
  State& state = *state_;
  // simdjson reads a little beyond the end.
  const std::size_t room = payload.size() + simdjson::SIMDJSON_PADDING;
  if (state.padded.size() < room) state.padded.resize(room);
  std::memcpy(state.padded.data(), payload.data(), payload.size());
  std::memset(state.padded.data() + payload.size(), 0, simdjson::SIMDJSON_PADDING);
  if (state.parser.max_depth() != kMaxJsonDepth || state.parser.capacity() < payload.size()) {
    if (state.parser.allocate(std::max<std::size_t>(payload.size(), 4096), kMaxJsonDepth) != simdjson::SUCCESS) {
      return refused(reasons::kTooLarge);
    }
  }
  dom::element root;
  if (const auto code = state.parser.parse(state.padded.data(), payload.size(), false).get(root); code) {
    return refused(reason_of(code));
  }
  state.telemetry.clear();
  const auto reason = TelemetryReader{state.telemetry, receive_time}.read_document(root);
  if (!reason.empty()) return refused(reason);
  std::erase_if(state.telemetry, [](const Reading& reading) { return reading.measurements.empty(); });
  if (state.telemetry.empty()) return refused(reasons::kNoMeasurements);
  return &state.telemetry;
}

}  // namespace muster::ingest
