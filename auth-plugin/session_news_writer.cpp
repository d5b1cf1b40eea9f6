// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/session_news_writer.h"

#include <sys/stat.h>
#include <unistd.h>

#include <limits>

#include "auth-plugin/signal_mask.h"
#include "edge/posted_file.h"

namespace muster::auth_plugin {
namespace {

// The folder's group is the WAL folder's (set-group-id), so that an edge of another user may remove what it sent.
constexpr mode_t kFolderMode = 02770;
constexpr mode_t kFileMode = 0640;
constexpr std::chrono::milliseconds kRetry{100};  // while the edge takes nothing, or the disk is full

}  // namespace

SessionNewsWriter::SessionNewsWriter(std::string folder, IncarnationId incarnation, Counter& dropped)
    : folder_(std::move(folder)), incarnation_(incarnation), dropped_(dropped) {
  for (const std::string& old : edge::list_news(folder_, std::numeric_limits<std::size_t>::max())) {
    unlink(old.c_str());
  }
  const SignalMask blocked;
  thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
}

SessionNewsWriter::~SessionNewsWriter() = default;

void SessionNewsWriter::began(const TenantId& tenant, const DeviceId& device, const ConnectionId& connection,
                              std::int64_t boottime) {
  {
    const std::lock_guard lock{mutex_};
    began_[connection] = {edge::SessionNewsKind::kBegan, tenant, device, connection.raw(), boottime};
  }
  arrived_.notify_one();
}

void SessionNewsWriter::ended(const ConnectionId& connection) {
  const std::lock_guard lock{mutex_};
  began_.erase(connection);
}

void SessionNewsWriter::report(edge::SessionNewsKind kind, const TenantId& tenant, const DeviceId& device,
                               const RawId& command) {
  {
    const std::lock_guard lock{mutex_};
    if (reports_.size() >= kMaxReports) return dropped_.add();
    reports_.push_back({kind, tenant, device, command, 0});
  }
  arrived_.notify_one();
}

void SessionNewsWriter::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock{mutex_};
      if (!arrived_.wait(lock, stop, [this] { return !began_.empty() || !reports_.empty(); })) return;
    }
    const bool has_room = edge::list_news(folder_, edge::kMaxWaitingNews).size() < edge::kMaxWaitingNews;
    auto entries = has_room ? take() : std::vector<edge::SessionNewsEntry>{};
    if (has_room && (entries.empty() || write(entries))) continue;
    put_back(std::move(entries));
    std::unique_lock lock{mutex_};
    arrived_.wait_for(lock, stop, kRetry, [] { return false; });
  }
}

std::vector<edge::SessionNewsEntry> SessionNewsWriter::take() {
  std::vector<edge::SessionNewsEntry> entries;
  const std::lock_guard lock{mutex_};
  while (!began_.empty() && entries.size() < edge::kMaxNewsEntries) {
    entries.push_back(began_.begin()->second);
    began_.erase(began_.begin());
  }
  while (!reports_.empty() && entries.size() < edge::kMaxNewsEntries) {
    entries.push_back(reports_.front());
    reports_.pop_front();
  }
  return entries;
}

// A session that ended meanwhile is told of all the same: it is older than any that follows it.
void SessionNewsWriter::put_back(std::vector<edge::SessionNewsEntry> entries) {
  const std::lock_guard lock{mutex_};
  for (auto& entry : entries) {
    if (entry.kind == edge::SessionNewsKind::kBegan) {
      began_[ConnectionId{entry.subject}] = entry;
    } else {
      reports_.push_front(entry);
    }
  }
}

bool SessionNewsWriter::write(const std::vector<edge::SessionNewsEntry>& entries) {
  if (mkdir(folder_.c_str(), 0770) == 0 && chmod(folder_.c_str(), kFolderMode) != 0) return false;
  const Bytes file = edge::encode_news({incarnation_, entries});
  return edge::post_file(folder_ + "/" + edge::news_name(++number_), file, kFileMode).ok();
}

}  // namespace muster::auth_plugin
