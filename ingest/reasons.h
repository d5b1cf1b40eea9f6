// SPDX-License-Identifier: Apache-2.0
//
// Purpose: every reason that this module returns, with its meaning.
#pragma once

#include <string_view>

namespace muster::ingest::reasons {

// The log: what became of a call.
inline constexpr std::string_view kUnavailable = "log.unavailable";             // no answer in time; repeating is safe
inline constexpr std::string_view kPermissionDenied = "log.permission_denied";  // this role, incarnation or tenant
inline constexpr std::string_view kRefused = "log.refused";                // against the engine's rules: never retried
inline constexpr std::string_view kEpochOver = "log.epoch_over";           // the number of partitions changed meanwhile
inline constexpr std::string_view kFenced = "log.fenced";                  // another member leased the partition since
inline constexpr std::string_view kCursorInvalid = "log.cursor_invalid";   // unknown partition or beyond its ends
inline constexpr std::string_view kBatchTooLarge = "log.batch_too_large";  // over kMaxAppendEntries or kMaxAppendOctets
inline constexpr std::string_view kBatchInvalid = "log.batch_invalid";     // order, incarnation or a record's size
inline constexpr std::string_view kConfigInvalid = "log.config_invalid";   // detail names the key
inline constexpr std::string_view kBusy = "log.busy";                      // all of the reader's connections are in use
inline constexpr std::string_view kGroupNameInvalid = "group.name_invalid";
inline constexpr std::string_view kGroupLimitReached = "group.limit_reached";
inline constexpr std::string_view kWorkerConfigInvalid = "worker.config_invalid";  // detail names the key

// Dead letters: why a payload could not be decoded. They stand in the record's header "reason".
inline constexpr std::string_view kRecordMalformed = "decode.record_malformed";  // not a record v1
inline constexpr std::string_view kNotUtf8 = "decode.not_utf8";
inline constexpr std::string_view kJsonInvalid = "decode.json_invalid";
inline constexpr std::string_view kTooDeep = "decode.too_deep";
inline constexpr std::string_view kTooLarge = "decode.too_large";
inline constexpr std::string_view kTooManyHeaders = "decode.too_many_headers";
inline constexpr std::string_view kOutputTooLarge =
    "decode.output_too_large";  // its readings would repeat long headers
inline constexpr std::string_view kTooManyMeasurements = "decode.too_many_measurements";
inline constexpr std::string_view kTooManyReadings = "decode.too_many_readings";
inline constexpr std::string_view kStringTooLong = "decode.string_too_long";
inline constexpr std::string_view kNameInvalid = "decode.name_invalid";      // empty, too long or control characters
inline constexpr std::string_view kNumberInvalid = "decode.number_invalid";  // beyond a double
inline constexpr std::string_view kTimeInvalid = "decode.time_invalid";
inline constexpr std::string_view kNoMeasurements = "decode.no_measurements";

}  // namespace muster::ingest::reasons
