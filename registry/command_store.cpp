// SPDX-License-Identifier: Apache-2.0
#include "registry/command_store.h"

#include <algorithm>

#include "db/array.h"
#include "db/statement.h"
#include "registry/cursor.h"
#include "registry/name_lookup.h"
#include "registry/reasons.h"

namespace muster::registry {

namespace {

constexpr EnumNames<CommandStatus, 4> kStatusNames{{{CommandStatus::kPending, "pending"},
                                                    {CommandStatus::kSent, "sent"},
                                                    {CommandStatus::kAnswered, "answered"},
                                                    {CommandStatus::kExpired, "expired"}}};

const std::string kColumns =
    "c.id, c.device_id, c.name, c.content_type, octet_length(c.payload), c.created_by, c.created_at, c.expires_at,"
    " c.sent_at, c.sent_count, c.answered_at, CASE WHEN c.answered_at IS NOT NULL THEN 'answered'"
    " WHEN c.expires_at <= clock_timestamp() THEN 'expired' WHEN c.sent_at IS NOT NULL THEN 'sent' ELSE 'pending' END";
// Whoever makes a command and whoever moves the session wait for each other here.
const db::Statement kLockSession{
    "lock_device_session",
    "INSERT INTO muster.device_sessions AS s (tenant_id, device_id) VALUES ($1::uuid, $2::uuid)"
    " ON CONFLICT ON CONSTRAINT device_sessions_pk DO UPDATE SET device_id = excluded.device_id"
    " RETURNING s.edge_id, s.connection_id"};
const db::Statement kInsert{
    "insert_command",
    "INSERT INTO muster.device_commands AS c (tenant_id, device_id, name, content_type, payload, created_by,"
    " expires_at) SELECT $1::uuid, $2::uuid, $3, $4, $5::bytea, $6, clock_timestamp() + make_interval(secs => $7)"
    " WHERE (SELECT count(*) FROM muster.device_commands AS o WHERE o.tenant_id = $1::uuid AND o.device_id = $2::uuid"
    "  AND o.answered_at IS NULL AND o.expires_at > clock_timestamp()) < $8::bigint RETURNING " +
        kColumns};
const db::Statement kOrder{"order_command",
                           "SELECT muster.order_commands($1::uuid, $2::uuid, $3::uuid, $4::uuid, $5::uuid)"};
const db::Statement kWake{"wake_edge", "SELECT muster.wake_edge($1::uuid)::text"};
const db::Statement kGet{"get_command", "SELECT " + kColumns +
                                            " FROM muster.device_commands AS c WHERE c.tenant_id = $1::uuid"
                                            " AND c.device_id = $2::uuid AND c.id = $3::uuid"};
const db::Statement kList{
    "list_commands",
    "SELECT " + kColumns +
        ", to_char(c.created_at AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS') || ' ' || c.id FROM muster.device_commands"
        " AS c WHERE c.tenant_id = $1::uuid AND c.device_id = $2::uuid AND (to_char(c.created_at AT TIME ZONE 'UTC',"
        " 'YYYYMMDDHH24MISSUS') || ' ' || c.id) COLLATE \"C\" > $3 ORDER BY c.created_at, c.id LIMIT $4::bigint"};
const std::string kReported =
    " FROM unnest($2::uuid[], $3::uuid[], $4::uuid[]) AS u (tenant_id, device_id, id)"
    " WHERE c.tenant_id = u.tenant_id AND c.id = u.id AND c.device_id = u.device_id AND c.answered_at IS NULL"
    " AND ($1::uuid[] IS NULL OR u.tenant_id = ANY ($1::uuid[]))";
const db::Statement kSent{"note_commands_sent",
                          "UPDATE muster.device_commands AS c SET sent_at = clock_timestamp(),"
                          " sent_count = c.sent_count + 1" +
                              kReported};
const db::Statement kAnswered{"note_commands_answered",
                              "UPDATE muster.device_commands AS c SET answered_at = clock_timestamp()" + kReported};
const db::Statement kPrune{"prune_commands", "DELETE FROM muster.device_commands WHERE expires_at < $1::timestamptz"};

Command read(const db::Row& row) {
  Command command;
  command.id = row.raw_id(0);
  command.device_id = row.id<DeviceId>(1);
  command.name = row.text(2);
  command.content_type = row.text(3);
  command.payload_octets = static_cast<std::size_t>(row.number(4));
  command.created_by = row.text(5);
  command.created_at = row.time(6);
  command.expires_at = row.time(7);
  command.sent_at = row.time_if_any(8);
  command.sent_count = row.number(9);
  command.answered_at = row.time_if_any(10);
  command.status = stored_value(kStatusNames, row.text_view(11));
  return command;
}

bool is_command_name(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= 64 && letter(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return letter(c) || c == '.' || c == '_' || c == '-'; });
}

Result<void> note(db::Transaction& tx, const db::Statement& statement, std::span<const TenantId> tenants,
                  std::span<const CommandReport> reports) {
  if (reports.empty()) return {};
  db::Array served(db::ElementType::kUuid);
  for (const TenantId& tenant : tenants) served.add(tenant);
  db::Array tenant_ids(db::ElementType::kUuid);
  db::Array devices(db::ElementType::kUuid);
  db::Array ids(db::ElementType::kUuid);
  for (const CommandReport& report : reports) {
    tenant_ids.add(report.tenant_id);
    devices.add(report.device_id);
    ids.add(BytesView(report.command_id.octets));
  }
  const db::Param filter = tenants.empty() ? db::Param(nullptr) : db::Param(served);
  MUSTER_TRY_VOID(db::run(tx, statement, {filter, tenant_ids, devices, ids}));
  return {};
}

}  // namespace

std::string_view to_string(CommandStatus status) { return name_of(kStatusNames, status); }

Result<Command> create_command(db::Transaction& tx, const TenantId& tenant, const NewCommand& command) {
  if (!is_command_name(command.name)) return Error{ErrorCode::kInvalidArgument, kCommandNameInvalid, ""};
  MUSTER_TRY(const auto session, db::run(tx, kLockSession, {tenant, command.device_id}));
  MUSTER_TRY(const auto rows, db::run(tx, kInsert,
                                      {tenant, command.device_id, command.name, command.content_type, command.payload,
                                       command.created_by, command.expires_in_seconds, kMaxOpenCommands}));
  if (rows.empty()) return Error{ErrorCode::kFailedPrecondition, kCommandTooManyOpen, ""};
  if (!session[0].is_null(0)) {
    const auto edge = session[0].id<EdgeId>(0);
    MUSTER_TRY_VOID(
        db::run(tx, kOrder, {edge, tenant, command.device_id, session[0].id<ConnectionId>(1), rows[0].raw_id(0)}));
    MUSTER_TRY_VOID(db::run(tx, kWake, {edge}));
  }
  return read(rows[0]);
}

Result<Command> get_command(db::Transaction& tx, const TenantId& tenant, const DeviceId& device, const RawId& id) {
  MUSTER_TRY(const auto rows, db::run(tx, kGet, {tenant, device, id}));
  if (rows.empty()) return Error{ErrorCode::kNotFound, kCommandNotFound, ""};
  return read(rows[0]);
}

Result<Page<Command>> list_commands(db::Transaction& tx, const TenantId& tenant, const DeviceId& device,
                                    const PageRequest& page) {
  MUSTER_TRY(const std::string after, decode_cursor(page.cursor));
  const std::size_t limit = page_size(page);
  MUSTER_TRY(const auto rows, db::run(tx, kList, {tenant, device, after, limit + 1}));
  struct Placed {
    Command command;
    std::string place;
  };
  std::vector<Placed> items;
  for (std::size_t i = 0; i < rows.size(); ++i) items.push_back({read(rows[i]), rows[i].text(12)});
  auto placed = finish_page(std::move(items), limit, [](const Placed& item) { return item.place; });
  Page<Command> result;
  for (Placed& item : placed.items) result.items.push_back(std::move(item.command));
  result.next_cursor = placed.next_cursor;
  return result;
}

Result<void> note_commands_sent(db::Transaction& tx, std::span<const TenantId> tenants,
                                std::span<const CommandReport> reports) {
  return note(tx, kSent, tenants, reports);
}

Result<void> note_commands_answered(db::Transaction& tx, std::span<const TenantId> tenants,
                                    std::span<const CommandReport> reports) {
  return note(tx, kAnswered, tenants, reports);
}

Result<std::size_t> prune_commands(db::Transaction& tx, UtcTime before) {
  MUSTER_TRY(const auto rows, db::run(tx, kPrune, {before}));
  return rows.affected();
}

}  // namespace muster::registry
