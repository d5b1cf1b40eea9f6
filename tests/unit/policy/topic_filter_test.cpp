// SPDX-License-Identifier: Apache-2.0
#include "core/topic_filter.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace muster {
namespace {

// Oracles. matches: plain recursion over split levels. covers: by its definition, over every name of up to five levels
// from an alphabet with a letter that no filter uses.
std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> levels(1);
  for (const char c : text) {
    if (c == '/') {
      levels.emplace_back();
    } else {
      levels.back() += c;
    }
  }
  return levels;
}

bool naive_matches(const std::vector<std::string>& filter, const std::vector<std::string>& name, std::size_t i = 0) {
  if (i == 0 && name[0].starts_with('$') && (filter[0] == "+" || filter[0] == "#")) return false;
  if (i == filter.size()) return i == name.size();
  if (filter[i] == "#") return i <= name.size();
  if (i >= name.size()) return false;
  return (filter[i] == "+" || filter[i] == name[i]) && naive_matches(filter, name, i + 1);
}

std::vector<std::string> all_names(int max_levels) {
  const std::vector<std::string> alphabet = {"a", "b", "", "$s", "fresh"};
  std::vector<std::string> names;
  std::vector<std::string> last = {""};
  for (int depth = 0; depth < max_levels; ++depth) {
    std::vector<std::string> next;
    for (const std::string& prefix : last) {
      for (const std::string& level : alphabet) next.push_back(depth == 0 ? level : prefix + "/" + level);
    }
    names.insert(names.end(), next.begin(), next.end());
    last = next;
  }
  return names;
}

std::string random_filter(std::mt19937& random) {
  static const std::vector<std::string> alphabet = {"a", "b", "", "$s", "+", "+"};
  std::string filter;
  const int levels = 1 + static_cast<int>(random() % 3);
  for (int i = 0; i < levels; ++i) {
    if (i > 0) filter += '/';
    if (i + 1 == levels && random() % 3 == 0) return filter + "#";
    filter += alphabet[random() % alphabet.size()];
  }
  return filter;
}

TEST(TopicFilter, MatchesAgreesWithNaiveOracle) {
  std::mt19937 random(20261122);
  const std::vector<std::string> names = all_names(4);
  for (int round = 0; round < 300; ++round) {
    const std::string filter = random_filter(random);
    for (const std::string& name : names) {
      ASSERT_EQ(filter_matches(filter, name), naive_matches(split(filter), split(name))) << filter << " / " << name;
    }
  }
}

TEST(TopicFilter, CoversAgreesWithItsDefinition) {
  std::mt19937 random(20261123);
  const std::vector<std::string> names = all_names(4);
  for (int round = 0; round < 2000; ++round) {
    const std::string outer = random_filter(random);
    const std::string inner = random_filter(random);
    bool every_name = true;
    for (const std::string& name : names) {
      if (filter_matches(inner, name) && !filter_matches(outer, name)) every_name = false;
    }
    ASSERT_EQ(filter_covers(outer, inner), every_name) << "outer " << outer << " inner " << inner;
  }
}

TEST(TopicFilter, WildcardInFirstLevelDoesNotReachDollarTopics) {
  EXPECT_FALSE(filter_matches("#", "$SYS/broker/version"));
  EXPECT_FALSE(filter_matches("+/broker/version", "$SYS/broker/version"));
  EXPECT_TRUE(filter_matches("$SYS/#", "$SYS/broker/version"));
  EXPECT_FALSE(filter_covers("#", "$SYS/#"));
}

TEST(TopicFilter, MultiLevelWildcardMatchesItsParent) {
  EXPECT_TRUE(filter_matches("a/#", "a"));
  EXPECT_FALSE(filter_matches("a/+/#", "a"));
}

TEST(TopicFilter, ValidityFollowsTheStandardAndOurLimits) {
  EXPECT_TRUE(is_valid_topic_name("acme/d1/telemetry"));
  EXPECT_FALSE(is_valid_topic_name(""));
  EXPECT_FALSE(is_valid_topic_name("a/+"));
  EXPECT_FALSE(is_valid_topic_name(std::string_view("a\0b", 3)));
  EXPECT_FALSE(is_valid_topic_name("\xff"));
  EXPECT_FALSE(is_valid_topic_name(std::string(kMaxTopicLength + 1, 'a')));
  EXPECT_FALSE(is_valid_topic_name(std::string(kMaxTopicLevels, '/')));
  EXPECT_TRUE(is_valid_topic_filter("#"));
  EXPECT_TRUE(is_valid_topic_filter("+/+/#"));
  EXPECT_FALSE(is_valid_topic_filter("#/a"));
  EXPECT_FALSE(is_valid_topic_filter("a/b#"));
  EXPECT_FALSE(is_valid_topic_filter("a+/b"));
  EXPECT_FALSE(is_valid_topic_filter("$share/g/a"));
}

TEST(TopicFilter, ShareIsStrippedOnlyInItsExactForm) {
  EXPECT_EQ(strip_share("$share/g/a/#"), "a/#");
  EXPECT_EQ(strip_share("$sharex/g/a"), "$sharex/g/a");
  EXPECT_EQ(strip_share("a"), "a");
  for (const char* broken : {"$share", "$share/", "$share/g", "$share/g/", "$share//a", "$share/+/a", "$share/g#/a"}) {
    EXPECT_EQ(strip_share(broken), std::nullopt) << broken;
  }
}

}  // namespace
}  // namespace muster
