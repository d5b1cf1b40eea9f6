// SPDX-License-Identifier: Apache-2.0
//
// Purpose: keeps a connection's outgoing TLS records back until the WAL record that they acknowledge is durable,
// without holding up the broker's loop. A record is tagged with the sequence that it must wait for; later ones wait
// behind it, so the order on the wire is the order in which TLS produced them.
//
// Two kinds of waiting must not be mixed up. Waiting for the disk is ours: the broker hears "written", because a retry
// would make it poll a socket that is writable. Waiting for a slow reader is the broker's: it hears "retry", so that
// its own queue limits apply.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace muster::auth_plugin {

struct HoldLimits {
  std::size_t connection_bytes = 1 << 20;  // a device in a durability hold needs a few acknowledgements, not more
  std::size_t total_bytes = 128 << 20;
  std::size_t cuts_per_second = 200;  // 10,000 devices cut at once are a handshake storm of 15 s
  std::size_t farewells = 4096;       // closed connections that still have bytes to send
  std::chrono::milliseconds farewell_time{1000};
};

class HoldSender;

// HoldConnection is the outgoing side of one TLS connection. Thread-safe: offer() and close() are called on the
// broker's thread, the rest on the sender's.
class HoldConnection : public std::enable_shared_from_this<HoldConnection> {
 public:
  enum class Offer {
    kPass,   // nothing waits: the caller writes to the socket itself
    kHeld,   // kept; to the broker these bytes are written
    kRetry,  // the socket is full
  };

  HoldConnection(HoldSender& sender, int fd, std::chrono::milliseconds longest_hold)
      : sender_(sender), fd_(fd), longest_hold_(longest_hold) {}
  ~HoldConnection();

  Offer offer(std::string_view bytes);
  // Outgoing records from now on wait for this sequence.
  void require(std::uint64_t sequence) { needed_.store(sequence, std::memory_order_release); }
  // The TLS connection ends and its descriptor is about to be closed. What is durable, or becomes so in time, still
  // goes out through a duplicate of the descriptor, unless discard_held() was called.
  void close();
  // What is held is never sent: the device may not be served any more.
  void discard_held();
  // Ends the connection by shutting its socket down: the broker sees the end of the stream and cleans up by itself.
  void shut_down();

  // The sender's side.
  enum class State {
    kIdle,  // nothing is held
    kWaitsForDisk,
    kWaitsForSocket,
    kEnded,     // nothing will be sent any more
    kFarewell,  // closed by the broker, our duplicate of the descriptor is still open
  };
  State pump(std::uint64_t durable);
  // True where something held waits for a sequence in (durable, lost].
  bool waits_for_lost(std::uint64_t durable, std::uint64_t lost) const;
  bool held_too_long(std::uint64_t durable, std::chrono::steady_clock::time_point now) const;
  // Drops what is held, swallows what comes. False: it was dead before.
  bool kill();
  // For closed connections: waits for the peer's end of stream, so that closing does not reset what it has not read.
  bool farewell_done(std::chrono::steady_clock::time_point now);

 private:
  struct Mark {
    std::uint64_t needed;
    std::size_t end;  // offset in buffer_
  };
  State pump_locked(std::uint64_t durable);
  std::size_t releasable_locked(std::uint64_t durable);
  void drop_locked();
  void compact_locked();

  HoldSender& sender_;
  mutable std::mutex mutex_;
  int fd_;                                         // guarded by mutex_; -1: closed
  bool dead_ = false;                              // guarded by mutex_
  bool discard_ = false;                           // guarded by mutex_
  bool orphan_ = false;                            // guarded by mutex_: fd_ is our duplicate
  bool finished_ = false;                          // guarded by mutex_: we have sent our end of stream
  bool listed_ = false;                            // guarded by mutex_: the sender knows
  std::string buffer_;                             // guarded by mutex_
  std::size_t sent_ = 0;                           // guarded by mutex_
  std::deque<Mark> marks_;                         // guarded by mutex_
  std::chrono::steady_clock::time_point since_{};  // guarded by mutex_: last progress, or start of the hold
  const std::chrono::milliseconds longest_hold_;
  std::atomic<std::uint64_t> needed_{0};
  friend class HoldSender;
};

}  // namespace muster::auth_plugin
