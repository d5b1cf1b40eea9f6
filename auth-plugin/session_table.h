// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "auth-plugin/connection_cache.h"
#include "auth-plugin/session.h"
#include "auth-plugin/text_hash.h"
#include "core/short_text.h"

namespace muster::auth_plugin {

// SessionTable finds sessions by (Client Identifier, username), which are both the principal. The broker's pointers
// only pair a DISCONNECT with its connection: they are re-used, and retained messages are checked with a made-up one.
// Offline sessions are bounded: the longest offline is forgotten, and then may receive nothing until it reconnects.
// Confined to the broker's thread.
class SessionTable {
 public:
  explicit SessionTable(std::size_t max_offline) : max_offline_(max_offline) {}

  // One live connection of the broker.
  struct Live {
    std::shared_ptr<Session> session;
    ConnectionFacts facts;
    const void* superseded = nullptr;  // the context that this connection took over from
  };

  // The session that an event of `context` is about; nullptr where there is none. Valid until a connection begins or
  // ends.
  Session* find(const void* context, std::string_view client_id, std::string_view username) const {
    // What the cache knows is live, and of two sessions of a principal the one that lives on this connection is meant.
    Session* live = connections_.find(context);
    if (live) live->fetch();
    if (client_id.empty() || !equal_text(client_id, username)) return nullptr;
    return live && equal_text(live->principal, client_id) ? live : find_slowly(context, client_id);
  }
  std::shared_ptr<Session> find_device(const DeviceId& device) const;
  const Live* find_live(const void* context) const;

  // A connection was let in. Continues the session where principal and device id are the same.
  std::shared_ptr<Session> admit(const void* context, const Session& admitted);
  // A connection ended. Returns what it was; nullopt-like empty session where it was never let in.
  Live disconnect(const void* context);

  std::size_t live_count() const { return live_.size(); }
  std::size_t session_count() const { return by_principal_.size(); }
  std::vector<std::shared_ptr<Session>> online_sessions() const;

 private:
  Session* find_slowly(const void* context, std::string_view client_id) const;
  void cache(const void* context, Session* session);
  void go_offline(const std::shared_ptr<Session>& session);
  void leave_offline(Session& session);
  void forget_offline(Session& session);

  std::unordered_map<std::string, std::shared_ptr<Session>, TextHash, std::equal_to<>> by_principal_;
  std::unordered_map<DeviceId, std::weak_ptr<Session>> by_device_;
  std::unordered_map<const void*, Live> live_;
  ConnectionCache connections_;                                // part of live_; changes in the same breath
  std::map<std::uint64_t, std::shared_ptr<Session>> offline_;  // each once, longest offline first
  std::uint64_t turns_ = 0;
  const std::size_t max_offline_;
};

}  // namespace muster::auth_plugin
