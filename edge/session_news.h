// SPDX-License-Identifier: Apache-2.0
//
// Purpose: what the broker plugin tells the edge of sessions, in small files of the folder `sessions` of the WAL
// folder: which began, which commands were handed to a device and which it answered. The edge takes them to the server
// and removes them. Written under a temporary name and renamed; not synced, since no session outlives its host.
// Grammar: docs/formats/sessions.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/id.h"
#include "core/result.h"

namespace muster::edge {

inline constexpr std::size_t kMaxNewsEntries = 500;  // in one file
inline constexpr std::size_t kMaxNewsBytes = 64U << 10;
inline constexpr std::size_t kMaxWaitingNews = 64;  // files in the folder: then the plugin keeps the rest in memory

enum class SessionNewsKind : std::uint8_t {
  kBegan = 1,     // `subject` is the connection's id
  kSent = 2,      // `subject` is the command's id
  kAnswered = 3,  // `subject` is the command's id
};

struct SessionNewsEntry {
  SessionNewsKind kind = SessionNewsKind::kBegan;
  TenantId tenant_id;
  DeviceId device_id;
  RawId subject;
  std::int64_t began = 0;  // kBegan: CLOCK_BOOTTIME in nanoseconds, which all processes of a host share
  friend bool operator==(const SessionNewsEntry&, const SessionNewsEntry&) = default;
};

struct SessionNews {
  IncarnationId incarnation;
  std::vector<SessionNewsEntry> entries;
  friend bool operator==(const SessionNews&, const SessionNews&) = default;
};

std::string sessions_folder(const std::string& wal_folder);
// "sessions-<20 digits>.news"; numbers are in order within one plugin.
std::string news_name(std::uint64_t number);
// Paths of the files in a folder in order of their numbers, at most `limit`; none where there is no such folder.
std::vector<std::string> list_news(const std::string& folder, std::size_t limit);

Bytes encode_news(const SessionNews& news);
// Reason: snapshot.corrupt.
Result<SessionNews> decode_news(BytesView file);

}  // namespace muster::edge
