// SPDX-License-Identifier: Apache-2.0
#include "cli/component_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>

#include "cli/output.h"
#include "cli/reasons.h"
#include "core/clock.h"

namespace muster::cli {
namespace {

constexpr std::size_t kRotateAt = 16u << 20;
constexpr std::size_t kLongestLine = 64u << 10;

std::string local_time() {
  const std::time_t now = std::chrono::system_clock::to_time_t(SystemClock().now());
  std::tm parts{};
  localtime_r(&now, &parts);
  std::array<char, 16> text{};
  std::strftime(text.data(), text.size(), "%H:%M:%S", &parts);
  return text.data();
}

std::string prefix(const std::string& component) {
  std::string name = component;
  name.resize(std::max<std::size_t>(name.size(), 9), ' ');
  return dim(local_time()) + " " + name + " ";
}

// A terminal must not obey what a device or a database put into a log line.
std::string printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return text;
}

std::string render_json(const std::string& component, const nlohmann::ordered_json& event, Verbosity verbosity) {
  const std::string level = event.value("level", "info");
  const bool loud = level == "warning" || level == "error";
  if (level == "debug" || (!loud && verbosity == Verbosity::kWarnings)) return {};
  std::string out = event.value("message", "");
  for (const auto& [key, value] : event.items()) {
    if (key == "time" || key == "level" || key == "component" || key == "message") continue;
    out += " " + dim(key + "=") + printable(value.is_string() ? value.get<std::string>() : value.dump());
  }
  if (level == "error") return prefix(component) + red("error ") + out;
  if (level == "warning") return prefix(component) + bold("warning ") + out;
  return prefix(component) + out;
}

// PostgreSQL and mosquitto write text. What they say while they start and stop is expected and stays in the file.
bool is_trouble(const std::string& line) {
  for (const char* expected :
       {"starting up", "shutting down", "administrator command", "Client ", "should not be run as root"}) {
    if (line.find(expected) != std::string::npos) return false;
  }
  for (const char* trouble : {"FATAL:", "PANIC:", "Error: ", "Warning: ", "error: "}) {
    if (line.find(trouble) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

std::string render_log_line(const std::string& component, const std::string& line, Verbosity verbosity) {
  const std::size_t brace = line.find('{');
  if (brace != std::string::npos && line.back() == '}') {
    const auto event = nlohmann::ordered_json::parse(line.substr(brace), nullptr, false);
    if (event.is_object() && event.contains("message") && event["message"].is_string()) {
      return render_json(component, event, verbosity);
    }
  }
  return is_trouble(line) ? prefix(component) + printable(line) : std::string();
}

Result<ComponentLog> ComponentLog::open(const std::string& folder, const std::string& component, Verbosity verbosity) {
  ComponentLog log;
  log.path_ = folder + "/" + component + ".log";
  log.component_ = component;
  log.verbosity_ = verbosity;
  struct stat found {};
  if (stat(log.path_.c_str(), &found) == 0) log.size_ = static_cast<std::size_t>(found.st_size);
  log.file_ = UniqueFd(::open(log.path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!log.file_) {
    return Error{ErrorCode::kFailedPrecondition, kFolderUnusable, log.path_ + ": " + std::strerror(errno)};
  }
  return log;
}

void ComponentLog::take(std::string_view output) {
  partial_ += output;
  std::size_t start = 0;
  for (std::size_t end = 0; (end = partial_.find('\n', start)) != std::string::npos; start = end + 1) {
    handle_line(partial_.substr(start, end - start));
  }
  partial_.erase(0, start);
  if (partial_.size() > kLongestLine) {
    handle_line(partial_);
    partial_.clear();
  }
}

void ComponentLog::handle_line(const std::string& line) {
  if (line.empty()) return;
  last_line_ = line;
  if (size_ > kRotateAt) {
    std::rename(path_.c_str(), (path_ + ".1").c_str());
    file_ = UniqueFd(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    size_ = 0;
  }
  const std::string out = line + "\n";
  // A full disk must not stop the supervisor: the line is still shown.
  if (::write(file_.get(), out.data(), out.size()) > 0) size_ += out.size();
  const std::string shown = render_log_line(component_, line, verbosity_);
  if (!shown.empty()) say(shown);
}

}  // namespace muster::cli
