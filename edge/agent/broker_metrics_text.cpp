// SPDX-License-Identifier: Apache-2.0
#include "edge/agent/broker_metrics_text.h"

#include <algorithm>

namespace muster::edge {

std::string samples_of_broker(std::string_view text, std::size_t number) {
  const std::string label = "broker=\"" + std::to_string(number) + "\"";
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t name_end = line.find_first_of("{ ");
    if (line.empty() || line.front() == '#' || name_end == std::string_view::npos) continue;
    const bool has_labels = line[name_end] == '{';
    out.append(line.substr(0, name_end)).append("{").append(label);
    out.append(has_labels ? "," : "}").append(line.substr(name_end + (has_labels ? 1 : 0))).append("\n");
  }
  return out;
}

}  // namespace muster::edge
