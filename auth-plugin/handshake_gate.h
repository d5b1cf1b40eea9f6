// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <string_view>
#include <unordered_map>

namespace muster::auth_plugin {

// Where a connection comes from: an IPv6 address, or an IPv4 one mapped into it (RFC 4291 §2.5.5.2).
using SourceAddress = std::array<std::uint8_t, 16>;

struct HandshakeLimits {
  std::size_t pending = 2000;                    // connections that have not come as far as an accepted CONNECT
  std::size_t pending_of_address = 1000;         // of one source address; a fleet may stand behind one
  std::chrono::milliseconds idle_time{5'000};    // without an octet from the peer
  std::chrono::milliseconds whole_time{15'000};  // from being accepted to CONNECT
  // A full house makes room for newcomers by ending who has been silent for this long, longest silent first.
  std::chrono::milliseconds patience_when_full{1'000};
  // Steps of handshakes (a flight of the peer's that is read and answered) in one round of the broker's loop, and for
  // so many waiting ones one more: what connected devices wait for stays a few milliseconds.
  std::size_t steps_a_round = 4;
  std::size_t waiting_for_another_step = 32;
};

// HandshakeGate keeps count of connections that are not through their CONNECT yet: how many there may be, for how long,
// and how much of the broker's only thread they get in one round of its loop. It knows no TLS: auth-plugin/tls_hook
// tells it what happens, and asks. Confined to the broker's thread.
class HandshakeGate {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Place of one connection, kept by who owns the connection; must be ended before it goes.
  class Place {
   public:
    bool is_ended() const { return ended_; }

   private:
    friend class HandshakeGate;
    int fd_ = -1;
    SourceAddress address_{};
    Time since_{};
    Time heard_{};
    std::uint64_t granted_round_ = 0;
    bool used_grant_ = false;
    bool listed_ = false;
    bool ended_ = false;  // its socket was shut down: to the broker the stream has ended
    bool rests_ = false;
    Time rests_until_{};
    std::size_t reads_in_rest_ = 0;
    std::list<Place*>::iterator in_order_{};
    std::list<Place*>::iterator by_silence_{};  // or in resting_
  };

  // `end` shuts the socket down; the broker sees the end of the stream and cleans up by itself. `ended` is told why:
  // handshake.too_many, handshake.too_many_of_address, handshake.too_slow, handshake.rest_broken. `listen`: whether the
  // broker's epoll is to report what the peer sends.
  struct Actions {
    std::function<void(int fd)> end;
    std::function<void(std::string_view reason, int fd)> ended;
    std::function<void(int fd, bool listen)> listen;
  };
  HandshakeGate(const HandshakeLimits& limits, Actions actions) : limits_(limits), actions_(std::move(actions)) {}

  // The broker has accepted a connection. False: it is one too many, and was ended.
  bool begin(Place& place, int fd, const SourceAddress& address, Time now);
  // Whether the peer's octets may be read now. Asked again in a later round, the answer is yes after few rounds.
  bool may_read(Place& place, Time now);
  // Octets were read, or (false) there were none: then the round's step goes to somebody else.
  void has_read(Place& place, bool any, Time now);
  // Nothing is read from it until then, or until two thirds of its time are over.
  void rest(Place& place, Time until, Time now);
  // Its CONNECT was accepted, or it is gone.
  void leave(Place& place);

  // The broker's loop has come round. Ends who takes too long, every tenth of a second.
  void next_round();
  bool has_pending() const { return !in_order_.empty(); }
  void end_overdue(Time now);

  std::size_t pending() const { return in_order_.size(); }
  std::size_t resting() const { return resting_.size(); }
  std::uint64_t deferrals() const { return deferrals_; }

 private:
  struct AddressHash {
    std::size_t operator()(const SourceAddress& address) const;
  };
  void wake(Place& place, Time now);
  bool make_room(Time now);
  void end(Place& place, std::string_view reason);
  void refuse(Place& place, std::string_view reason);

  const HandshakeLimits limits_;
  const Actions actions_;
  std::list<Place*> in_order_;    // oldest first
  std::list<Place*> by_silence_;  // longest silent first, but those that rest
  std::list<Place*> resting_;     // longest resting first
  std::unordered_map<SourceAddress, std::size_t, AddressHash> of_address_;
  std::uint64_t round_ = 1;
  std::size_t steps_ = 0;      // granted in this round
  std::size_t waiting_ = 0;    // asked in vain in this round
  std::size_t allowance_ = 0;  // 0: limits_.steps_a_round
  std::uint64_t deferrals_ = 0;
  Time next_look_{};
};

}  // namespace muster::auth_plugin
