// SPDX-License-Identifier: Apache-2.0
//
// Purpose: strict TOML. Every key must be asked for: one that nobody asks for is an error, so a misspelt key never
// silently means its default.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/result.h"

namespace muster::cli {

// ConfigFile is one file while it is read. Ask for every key, then call finish(), which names the first fault.
// Paths in a file are relative to the file's folder.
class ConfigFile {
 public:
  // Reasons: file.missing, file.unreadable, config.invalid.
  static Result<ConfigFile> load(const std::string& path);
  ConfigFile(ConfigFile&&) noexcept;
  ~ConfigFile();

  // `key` is "name" or "table.name".
  void required(const std::string& key, std::string& target);
  void optional(const std::string& key, std::string& target);
  void required_path(const std::string& key, std::string& target);
  void optional_path(const std::string& key, std::string& target);
  // `least` and `most` are inclusive.
  void optional(const std::string& key, std::int64_t& target, std::int64_t least, std::int64_t most);
  void optional(const std::string& key, bool& target);
  // "[[key]]": how many there are. Their fields are "key[0].name" …
  std::size_t tables(const std::string& key);

  // Reasons: config.invalid (missing key, wrong type, out of range), config.unknown_key.
  Result<void> finish();

 private:
  struct State;
  explicit ConfigFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// "127.0.0.1:8443" or "[::1]:8443".
struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};
// Reason: config.invalid, naming `key`.
Result<HostPort> parse_host_port(const std::string& key, const std::string& text);

}  // namespace muster::cli
