// SPDX-License-Identifier: Apache-2.0
//
// Purpose: a token that one is logged in to, with a pool of sessions, and its way back after it was gone.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "ca/pkcs11_config.h"
#include "ca/pkcs11_module.h"
#include "core/record.h"
#include "core/result.h"

namespace muster::ca {

// Pkcs11Token connects at the first use, and again after any sign that the token, its sessions or the library are gone.
// At most once a second: requests wait for that, and while the token is not there, they are refused. A PIN that was
// refused is not tried again until the PIN file holds another: tokens lock themselves after a few attempts.
// Thread-safe.
class Pkcs11Token {
 public:
  explicit Pkcs11Token(Pkcs11Config config) : config_(std::move(config)) {}
  ~Pkcs11Token();
  Pkcs11Token(const Pkcs11Token&) = delete;
  Pkcs11Token& operator=(const Pkcs11Token&) = delete;

  // Session is a session of the pool for the time of one piece of work.
  class Session {
   public:
    ~Session();
    Session(Session&& other) noexcept = default;
    Session& operator=(Session&&) = delete;

    const CK_FUNCTION_LIST& functions() const { return use_.functions(); }
    CK_SESSION_HANDLE handle() const { return handle_; }
    CK_SLOT_ID slot() const { return slot_; }
    // Handles of objects found under one connection mean nothing under another.
    std::uint64_t connection() const { return connection_; }
    // To be asked after every call. Reasons: signer.token_unavailable where `code` says that the token is not there
    // (the session is then thrown away and the token looked for), signer.unavailable for any other refusal.
    Result<void> check(const char* function, CK_RV code);
    bool is_lost() const { return lost_; }

   private:
    friend class Pkcs11Token;
    struct Owner {
      void operator()(Pkcs11Token*) const {}
    };
    Session(Pkcs11Token* token, Pkcs11Module::Use use) : token_(token), use_(std::move(use)) {}
    std::unique_ptr<Pkcs11Token, Owner> token_;  // null when moved from; borrowed
    Pkcs11Module::Use use_;
    CK_SESSION_HANDLE handle_ = 0;
    CK_SLOT_ID slot_ = 0;
    std::uint64_t connection_ = 0;
    bool lost_ = false;
  };

  // Runs `work(Session&)`, which returns a Result, and once more on a new connection where the first was lost: what did
  // not come back may have been done, so `work` must bear being done twice.
  // Reasons: signer.token_unavailable, signer.token_pin_refused, and those of `work`.
  template <typename Work>
  auto run(Work&& work) -> decltype(work(std::declval<Session&>())) {
    for (int attempt = 0;; ++attempt) {
      auto session = acquire();
      if (!session.ok()) return std::move(session).error();
      auto result = work(*session);
      if (!session->is_lost() || attempt == 1) return result;
    }
  }

 private:
  enum class State : std::uint8_t { kGone, kConnecting, kConnected };
  using Deadline = std::chrono::steady_clock::time_point;

  struct Connection {
    std::shared_ptr<Pkcs11Module> module;
    std::uint64_t generation = 0;  // of the library
    CK_SLOT_ID slot = 0;
    CK_SESSION_HANDLE session = 0;
  };

  Result<Session> acquire();
  // nullopt: it was lost; look again.
  Result<std::optional<Session>> lend(std::unique_lock<std::mutex>& lock);
  void connect(std::unique_lock<std::mutex>& lock);
  Result<Connection> try_connect(std::shared_ptr<Pkcs11Module> module);
  Result<Connection> connect_once(const std::shared_ptr<Pkcs11Module>& module);
  Result<void> log_in(const CK_FUNCTION_LIST& functions, CK_SESSION_HANDLE session);
  void give_back(Session& session);
  static void close_sessions(const Connection& connection, const std::vector<CK_SESSION_HANDLE>& sessions);
  void lose(std::uint64_t connection);

  const Pkcs11Config config_;

  std::optional<Sha256> refused_pin_;  // used only by the one thread that connects

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  State state_ = State::kGone;
  Deadline retry_at_{};             // when gone
  std::optional<Error> refusal_{};  // when gone: what the last attempt met; absent: it was lost just now
  Deadline connected_at_{};
  Connection now_{};  // of the last success; its module is never null afterwards
  std::uint64_t connection_ = 0;
  std::vector<CK_SESSION_HANDLE> idle_{};
  std::size_t open_ = 0;  // sessions of this connection, idle or lent
};

}  // namespace muster::ca
