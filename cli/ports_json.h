// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "cli/deployment_folder.h"

namespace muster::cli {

// The keys of run/ports.json.
inline constexpr std::array<std::pair<const char*, std::uint16_t Ports::*>, 7> kPortNames{{
    {"rest", &Ports::rest},
    {"edges", &Ports::edges},
    {"console", &Ports::console},
    {"plain", &Ports::plain},
    {"mqtt", &Ports::mqtt},
    {"edge_metrics", &Ports::edge_metrics},
    {"worker_metrics", &Ports::worker_metrics},
}};

}  // namespace muster::cli
