// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace muster::edge {

// The samples of a further broker's metrics file, each with the label broker="<number>", so that one page can show
// several brokers. Comment lines are left out: the first broker's say the same.
std::string samples_of_broker(std::string_view text, std::size_t number);

}  // namespace muster::edge
