// SPDX-License-Identifier: Apache-2.0
#include "edge/session_news.h"

#include <algorithm>
#include <filesystem>

#include "edge/sealed_file.h"
#include "edge/wire.h"

namespace muster::edge {
namespace {

constexpr std::string_view kMagic = "MUSTERNW";
constexpr std::uint32_t kVersion = 1;
constexpr std::string_view kPrefix = "sessions-";
constexpr std::string_view kSuffix = ".news";

}  // namespace

std::string sessions_folder(const std::string& wal_folder) { return wal_folder + "/sessions"; }

std::string news_name(std::uint64_t number) { return numbered_name(kPrefix, number, kSuffix); }

std::vector<std::string> list_news(const std::string& folder, std::size_t limit) {
  std::vector<std::string> paths;
  std::error_code error;
  std::filesystem::directory_iterator entry{folder, error};
  for (; !error && entry != std::filesystem::directory_iterator{}; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (parse_numbered_name(kPrefix, name, kSuffix)) paths.push_back(entry->path().string());
  }
  std::ranges::sort(paths);
  if (paths.size() > limit) paths.resize(limit);
  return paths;
}

Bytes encode_news(const SessionNews& news) {
  Bytes out;
  WireWriter w{out};
  w.octets(as_bytes(kMagic));
  w.u32(kVersion);
  w.octets(news.incarnation.octets());
  w.count16(news.entries.size());
  for (const SessionNewsEntry& entry : news.entries) {
    w.u8(static_cast<std::uint8_t>(entry.kind));
    w.octets(entry.tenant_id.octets());
    w.octets(entry.device_id.octets());
    w.octets(entry.subject.octets);
    w.i64(entry.began);
  }
  seal(out);
  return out;
}

Result<SessionNews> decode_news(BytesView file) {
  const Error broken{ErrorCode::kCorrupt, "snapshot.corrupt", "news of sessions are broken"};
  MUSTER_TRY(const BytesView body, unseal(file));
  WireReader in{body};
  const auto magic = in.array<8>();
  if (as_text(magic) != kMagic || in.u32() != kVersion) return broken;
  SessionNews news;
  news.incarnation = IncarnationId{RawId{in.array<16>()}};
  for (std::uint16_t left = in.u16(); left > 0 && in.ok(); --left) {
    SessionNewsEntry entry;
    const std::uint8_t kind = in.u8();
    if (kind < 1 || kind > 3) return broken;
    entry.kind = static_cast<SessionNewsKind>(kind);
    entry.tenant_id = TenantId{RawId{in.array<16>()}};
    entry.device_id = DeviceId{RawId{in.array<16>()}};
    entry.subject = RawId{in.array<16>()};
    entry.began = in.i64();
    news.entries.push_back(entry);
  }
  if (!in.ok() || !in.rest().empty() || news.entries.size() > kMaxNewsEntries) return broken;
  return news;
}

}  // namespace muster::edge
