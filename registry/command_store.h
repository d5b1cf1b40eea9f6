// SPDX-License-Identifier: Apache-2.0
//
// Purpose: commands to devices. A command waits until the device answers it or it expires; to each newest session of
// the device it is handed at least once (registry/session_store.h). Scope: the tenant's, unless said otherwise.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "core/bytes.h"
#include "core/id.h"
#include "core/time.h"
#include "db/transaction.h"
#include "registry/page.h"

namespace muster::registry {

inline constexpr std::size_t kMaxCommandPayload = 65'536;
inline constexpr std::size_t kMaxOpenCommands = 100;  // of one device

enum class CommandStatus : std::uint8_t { kPending, kSent, kAnswered, kExpired };
std::string_view to_string(CommandStatus status);

struct Command {
  RawId id;
  DeviceId device_id;
  std::string name;
  std::string content_type;
  std::size_t payload_octets = 0;
  std::string created_by;
  UtcTime created_at{};
  UtcTime expires_at{};
  std::optional<UtcTime> sent_at;
  std::int64_t sent_count = 0;
  std::optional<UtcTime> answered_at;
  CommandStatus status = CommandStatus::kPending;
};

struct NewCommand {
  DeviceId device_id;
  std::string name;  // [A-Za-z0-9][A-Za-z0-9._-]{0,63}; a level of the topic. Reason: command.name_invalid
  std::string content_type;
  Bytes payload;
  std::string created_by;
  std::int64_t expires_in_seconds = 0;
};

// Stores the command and, where the device has a session, the order for the edge of it. Locks the device's session row,
// so that a session that moves at this moment gets it, too. Reasons: command.name_invalid, command.too_many_open.
Result<Command> create_command(db::Transaction& tx, const TenantId& tenant, const NewCommand& command);
Result<Command> get_command(db::Transaction& tx, const TenantId& tenant, const DeviceId& device, const RawId& id);
// Oldest first.
Result<Page<Command>> list_commands(db::Transaction& tx, const TenantId& tenant, const DeviceId& device,
                                    const PageRequest& page);

struct CommandReport {
  TenantId tenant_id;
  DeviceId device_id;
  RawId command_id;
};
// What brokers say of commands; those of tenants outside `tenants` (empty: all) are left out. Scope: system.
Result<void> note_commands_sent(db::Transaction& tx, std::span<const TenantId> tenants,
                                std::span<const CommandReport> reports);
Result<void> note_commands_answered(db::Transaction& tx, std::span<const TenantId> tenants,
                                    std::span<const CommandReport> reports);
// Forgets commands that expired before `before`. Scope: system.
Result<std::size_t> prune_commands(db::Transaction& tx, UtcTime before);

}  // namespace muster::registry
