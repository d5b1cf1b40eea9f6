// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/encoding.h"
#include "registry/device_store.h"
#include "registry/reasons.h"

namespace muster::registry {

namespace {

constexpr std::size_t kMaxName = 63;

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

bool is_name(std::string_view text) {
  if (text.empty() || text.size() > kMaxName || !is_alphanumeric(text[0])) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return is_alphanumeric(c) || c == '.' || c == '_' || c == '-'; });
}

// A value stands in for one level of a Topic Filter (${label.NAME}), so it can hold nothing that MQTT gives a meaning.
bool is_value(std::string_view text) {
  if (text.size() > kMaxLabelValue || !is_utf8(text)) return false;
  return std::none_of(text.begin(), text.end(), [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet < 0x20 || octet == 0x7f || c == '/' || c == '+' || c == '#';
  });
}

Error label_error(const std::string& detail) { return {ErrorCode::kInvalidArgument, kLabelInvalid, detail}; }

}  // namespace

Result<Labels> normalise_labels(Labels labels) {
  if (labels.size() > kMaxLabels) return label_error("too many labels");
  std::sort(labels.begin(), labels.end());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (!is_name(labels[i].first) || !is_value(labels[i].second)) return label_error("name or value not allowed");
    if (i > 0 && labels[i].first == labels[i - 1].first) return label_error("a label is given twice");
  }
  return labels;
}

Result<std::vector<std::string>> normalise_groups(std::vector<std::string> groups) {
  std::sort(groups.begin(), groups.end());
  groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
  if (groups.size() > kMaxGroups || !std::all_of(groups.begin(), groups.end(), is_name)) {
    return Error{ErrorCode::kInvalidArgument, kGroupInvalid, ""};
  }
  return groups;
}

}  // namespace muster::registry
