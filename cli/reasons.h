// SPDX-License-Identifier: Apache-2.0
//
// Purpose: the reasons of the command line's own errors. They reach operators and scripts, not REST clients.
#pragma once

#include <string_view>

namespace muster::cli {

inline constexpr std::string_view kConfigInvalid = "config.invalid";  // file, key and fix are in the detail
inline constexpr std::string_view kConfigUnknownKey = "config.unknown_key";
inline constexpr std::string_view kChildStartFailed = "child.start_failed";
inline constexpr std::string_view kChildNotReady = "child.not_ready";  // it did not answer in time
inline constexpr std::string_view kFolderUnusable = "folder.unusable";
inline constexpr std::string_view kFolderLocked = "folder.locked";  // another `muster up` runs there
inline constexpr std::string_view kPortTaken = "port.taken";        // one of ports.json belongs to somebody else now
inline constexpr std::string_view kProgramMissing = "program.missing";
inline constexpr std::string_view kServerRefused = "server.refused";  // the server's own reason is in the detail
inline constexpr std::string_view kAnswerMalformed = "server.answer_malformed";
inline constexpr std::string_view kKeyUnusable = "key.unusable";
inline constexpr std::string_view kMqttConnectFailed = "mqtt.connect_failed";
inline constexpr std::string_view kMqttRefused = "mqtt.refused";  // CONNACK or SUBACK said no
inline constexpr std::string_view kMqttConnectionLost = "mqtt.connection_lost";
inline constexpr std::string_view kTourStepFailed = "tour.step_failed";

inline constexpr std::string_view kLogVerificationFailed = "log.verification_failed";

}  // namespace muster::cli
