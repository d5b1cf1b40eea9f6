// SPDX-License-Identifier: Apache-2.0
#include "core/topic_filter.h"

#include "core/encoding.h"

namespace muster {
namespace {

constexpr std::string_view kSharePrefix = "$share/";

bool has_control_character(std::string_view text) {
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet == 0x7f) return true;
  }
  return false;
}

bool has_valid_size_and_text(std::string_view text) {
  if (text.empty() || text.size() > kMaxTopicLength) return false;
  int levels = 1;
  for (const char c : text) levels += c == '/';
  return levels <= kMaxTopicLevels && !has_control_character(text) && is_utf8(text);
}

// Walks the levels of a topic. "a//b" has three, "" has one: an empty level is a level.
class LevelCursor {
 public:
  explicit LevelCursor(std::string_view text) : rest_(text) { advance(); }
  bool at_end() const { return ended_; }
  std::string_view level() const { return level_; }
  void advance() {
    if (exhausted_) {
      ended_ = true;
      return;
    }
    const std::size_t slash = rest_.find('/');
    level_ = rest_.substr(0, slash);
    exhausted_ = slash == std::string_view::npos;
    if (!exhausted_) rest_.remove_prefix(slash + 1);
  }

 private:
  std::string_view rest_;
  std::string_view level_;
  bool exhausted_ = false;
  bool ended_ = false;
};

bool starts_with_wildcard(std::string_view filter) { return filter.starts_with('+') || filter.starts_with('#'); }

}  // namespace

bool is_valid_topic_name(std::string_view name) {
  return has_valid_size_and_text(name) && name.find_first_of("+#") == std::string_view::npos;
}

bool is_valid_topic_filter(std::string_view filter) {
  if (!has_valid_size_and_text(filter)) return false;
  if (filter == "$share" || filter.starts_with(kSharePrefix)) return false;
  bool rest_seen = false;
  for (LevelCursor cursor(filter); !cursor.at_end(); cursor.advance()) {
    if (rest_seen) return false;
    const std::string_view level = cursor.level();
    rest_seen = level == "#";
    if (level.size() > 1 && level.find_first_of("+#") != std::string_view::npos) return false;
  }
  return true;
}

std::optional<std::string_view> strip_share(std::string_view filter) {
  if (filter == "$share") return std::nullopt;
  if (!filter.starts_with(kSharePrefix)) return filter;
  const std::string_view rest = filter.substr(kSharePrefix.size());
  const std::size_t slash = rest.find('/');
  if (slash == 0 || slash == std::string_view::npos || slash + 1 == rest.size()) return std::nullopt;
  if (rest.substr(0, slash).find_first_of("+#") != std::string_view::npos) return std::nullopt;
  return rest.substr(slash + 1);
}

bool filter_matches(std::string_view filter, std::string_view name) {
  if (name.starts_with('$') && starts_with_wildcard(filter)) return false;
  LevelCursor wanted(filter);
  LevelCursor given(name);
  while (!wanted.at_end()) {
    if (wanted.level() == "#") return true;  // also where the name ended: "a/#" matches "a" [MQTT5 4.7.1.2]
    if (given.at_end()) return false;
    if (wanted.level() != "+" && wanted.level() != given.level()) return false;
    wanted.advance();
    given.advance();
  }
  return given.at_end();
}

bool filter_covers(std::string_view outer, std::string_view inner) {
  if (inner.starts_with('$') && starts_with_wildcard(outer)) return false;
  // A name has at least one level, so these two mean the same; deeper down "a/#" also matches "a" and "a/+/#" does not.
  if (inner == "#") return outer == "#" || outer == "+/#";
  LevelCursor wide(outer);
  LevelCursor narrow(inner);
  while (!wide.at_end()) {
    if (wide.level() == "#") return true;
    if (narrow.at_end() || narrow.level() == "#") return false;
    if (wide.level() != "+" && wide.level() != narrow.level()) return false;
    wide.advance();
    narrow.advance();
  }
  return narrow.at_end();
}

}  // namespace muster
