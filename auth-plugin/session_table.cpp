// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/session_table.h"

#include <utility>

namespace muster::auth_plugin {

Session* SessionTable::find_slowly(const void* context, std::string_view client_id) const {
  const auto found = by_principal_.find(client_id);
  if (found != by_principal_.end() && found->second->context == context) return found->second.get();
  // A connection that is being taken over still belongs to its own session, which may be of an earlier device id.
  const auto live = live_.find(context);
  if (live != live_.end() && live->second.session->principal == client_id) return live->second.session.get();
  if (found == by_principal_.end() || found->second->replaced_context == context) return nullptr;
  return found->second.get();
}

void SessionTable::cache(const void* context, Session* session) {
  if (connections_.grow(live_.size())) {
    for (const auto& [known, live] : live_) connections_.set(known, live.session.get());
  }
  connections_.set(context, session);
}

std::shared_ptr<Session> SessionTable::find_device(const DeviceId& device) const {
  const auto found = by_device_.find(device);
  return found == by_device_.end() ? nullptr : found->second.lock();
}

const SessionTable::Live* SessionTable::find_live(const void* context) const {
  const auto found = live_.find(context);
  return found == live_.end() ? nullptr : &found->second;
}

std::shared_ptr<Session> SessionTable::admit(const void* context, const Session& admitted) {
  auto& slot = by_principal_[admitted.principal];
  const void* superseded = slot && slot->online ? slot->context : nullptr;
  if (!slot || slot->device_id != admitted.device_id || slot->tenant_id != admitted.tenant_id) {
    const void* replaced = slot ? slot->context : nullptr;
    if (slot && !slot->online) forget_offline(*slot);
    slot = std::make_shared<Session>(admitted);
    slot->replaced_context = replaced;
    slot->queue_is_foreign = true;
    by_device_[admitted.device_id] = slot;
  } else {
    leave_offline(*slot);
    slot->connection = admitted.connection;
    slot->standing = {};
    slot->meters = admitted.meters;
    slot->tenant_meters = admitted.tenant_meters;
    slot->limits_generation = admitted.limits_generation;
  }
  slot->context = context;
  slot->online = true;
  live_[context] = Live{slot, admitted.connection, superseded};
  cache(context, slot.get());
  return slot;
}

SessionTable::Live SessionTable::disconnect(const void* context) {
  const auto found = live_.find(context);
  if (found == live_.end()) return {};
  Live live = std::move(found->second);
  live_.erase(found);
  connections_.erase(context);
  Session& session = *live.session;
  if (session.context != context) return live;  // taken over: the newer connection goes on
  const auto before = live_.find(live.superseded);
  if (before != live_.end() && before->second.session == live.session) {
    // Let in and gone before the broker got to taking over: the older connection is still the one.
    session.context = before->first;
    session.connection = before->second.facts;
    session.standing = {};
    return live;
  }
  go_offline(live.session);
  return live;
}

std::vector<std::shared_ptr<Session>> SessionTable::online_sessions() const {
  std::vector<std::shared_ptr<Session>> sessions;
  sessions.reserve(live_.size());
  for (const auto& [context, live] : live_) {
    if (live.session->context == context) sessions.push_back(live.session);
  }
  return sessions;
}

void SessionTable::go_offline(const std::shared_ptr<Session>& session) {
  session->online = false;
  session->connection.hold.reset();
  const auto known = by_principal_.find(session->principal);
  if (known == by_principal_.end() || known->second != session) {  // replaced: nobody will ask for it again
    by_device_.erase(session->device_id);
    return;
  }
  leave_offline(*session);
  session->offline_turn = ++turns_;
  offline_.emplace(session->offline_turn, session);
  while (offline_.size() > max_offline_) {
    const auto oldest = std::move(offline_.begin()->second);
    offline_.erase(offline_.begin());
    by_principal_.erase(oldest->principal);
    by_device_.erase(oldest->device_id);
  }
}

// A device that comes and goes stays one entry: it must not push out the sessions of others.
void SessionTable::leave_offline(Session& session) {
  if (session.offline_turn != 0) offline_.erase(std::exchange(session.offline_turn, 0));
}

void SessionTable::forget_offline(Session& session) {
  leave_offline(session);
  by_device_.erase(session.device_id);
}

}  // namespace muster::auth_plugin
