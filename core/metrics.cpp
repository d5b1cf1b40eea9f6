// SPDX-License-Identifier: Apache-2.0
#include "core/metrics.h"

#include <cstdio>

namespace muster {
namespace {

std::string render_labels(const MetricLabels& labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    text += text.empty() ? "{" : ",";
    text += name + "=\"";
    for (const char c : value) {
      if (c == '\\' || c == '"') text += '\\';
      if (c == '\n') {
        text += "\\n";
      } else {
        text += c;
      }
    }
    text += '"';
  }
  return text.empty() ? text : text + "}";
}

}  // namespace

Counter& MetricsRegistry::counter(std::string_view name, std::string_view help, const MetricLabels& labels) {
  const std::lock_guard lock{mutex_};
  Family& family = families_[std::string{name}];
  family.help = help;
  auto& slot = family.counters[render_labels(labels)];
  if (!slot) slot = std::make_unique<Counter>();
  return *slot;
}

Gauge& MetricsRegistry::gauge(std::string_view name, std::string_view help, const MetricLabels& labels) {
  const std::lock_guard lock{mutex_};
  Family& family = families_[std::string{name}];
  family.help = help;
  auto& slot = family.gauges[render_labels(labels)];
  if (!slot) slot = std::make_unique<Gauge>();
  return *slot;
}

std::string MetricsRegistry::render() const {
  const std::lock_guard lock{mutex_};
  std::string out;
  for (const auto& [name, family] : families_) {
    out += "# HELP " + name + " " + family.help + "\n# TYPE " + name +
           (family.counters.empty() ? " gauge\n" : " counter\n");
    for (const auto& [labels, counter] : family.counters) {
      out += name + labels + " " + std::to_string(counter->value()) + "\n";
    }
    for (const auto& [labels, gauge] : family.gauges) {
      char number[40];
      std::snprintf(number, sizeof number, "%.17g", gauge->value());
      out += name + labels + " " + number + "\n";
    }
  }
  return out;
}

}  // namespace muster
