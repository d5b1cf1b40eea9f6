// SPDX-License-Identifier: Apache-2.0
//
// Purpose: refuses to run inside a broker whose configuration would let somebody around the plugin. mosquitto gives a
// plugin no configuration API, so its file is read again. Each rule stands in docs of the broker's behaviour: what a
// setting breaks is said in the sentence that the operator sees.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/result.h"

namespace muster::auth_plugin {

// check_broker_config judges the text of mosquitto.conf. The detail of the Error names the line and the fix.
// Reason: broker_config.unsafe.
Result<void> check_broker_config(std::string_view text);

// check_broker_command_line refuses a broker started with another file than `config_path`, or with `-p`, which opens a
// plain listener that no file mentions. `arguments` are the process's own. Reason: broker_config.unsafe.
Result<void> check_broker_command_line(std::span<const std::string> arguments, const std::string& config_path);

// check_running_broker does both for this process. Also: broker_config.unreadable.
Result<void> check_running_broker(const std::string& config_path);

}  // namespace muster::auth_plugin
