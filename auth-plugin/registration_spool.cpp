// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/registration_spool.h"

#include <sys/stat.h>

#include "auth-plugin/signal_mask.h"
#include "core/file.h"
#include "x509/sha256.h"

namespace muster::auth_plugin {
namespace {

// The folder's group is the WAL folder's (set-group-id), so that an edge of another user may remove what it sent.
constexpr mode_t kFolderMode = 02770;
constexpr mode_t kFileMode = 0640;

}  // namespace

RegistrationSpool::RegistrationSpool(std::string folder, Counter& written, Counter& dropped)
    : folder_(std::move(folder)), written_(written), dropped_(dropped) {
  const SignalMask blocked;
  thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
}

RegistrationSpool::~RegistrationSpool() = default;

void RegistrationSpool::offer(edge::RegistrationReport report) {
  if (report.chain.empty() || report.chain.size() > edge::kMaxReportChain) return;
  const Time now = std::chrono::steady_clock::now();
  const Sha256 leaf = x509::sha256(report.chain.front());
  if (const auto known = recent_.find(leaf); known != recent_.end() && now - known->second < kQuiet) return;
  if (recent_.size() >= kMaxRecent) std::erase_if(recent_, [&](const auto& e) { return now - e.second >= kQuiet; });
  if (recent_.size() >= kMaxRecent) return dropped_.add();
  recent_[leaf] = now;
  {
    const std::lock_guard lock{mutex_};
    if (queue_.size() >= kMaxQueued) return dropped_.add();
    queue_.push_back(std::move(report));
  }
  arrived_.notify_one();
}

void RegistrationSpool::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    edge::RegistrationReport report;
    {
      std::unique_lock lock{mutex_};
      if (!arrived_.wait(lock, stop, [this] { return !queue_.empty(); })) return;
      report = std::move(queue_.front());
      queue_.pop_front();
    }
    (write(report) ? written_ : dropped_).add();
  }
}

bool RegistrationSpool::write(const edge::RegistrationReport& report) const {
  if (mkdir(folder_.c_str(), 0770) == 0 && chmod(folder_.c_str(), kFolderMode) != 0) return false;
  if (edge::list_reports(folder_, edge::kMaxWaitingReports).size() >= edge::kMaxWaitingReports) return false;
  const Bytes file = edge::encode_report(report);
  if (file.size() > edge::kMaxReportBytes) return false;
  const std::string path = folder_ + "/" + edge::report_name(x509::sha256(report.chain.front()));
  return write_file_durably(path, file, kFileMode).ok();
}

}  // namespace muster::auth_plugin
