// SPDX-License-Identifier: Apache-2.0
#include "ca/pkcs11_token.h"

#include <algorithm>

#include "ca/reasons.h"
#include "core/file.h"
#include "core/log.h"
#include "x509/sha256.h"

namespace muster::ca {

namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kSessionPatience{5};
constexpr std::chrono::seconds kRetryInterval{1};
constexpr std::size_t kMaxPinFile = 256;
constexpr CK_ULONG kMaxSlots = 64;
constexpr std::size_t kMaxSessions = 256;

Error unavailable(std::string detail) {
  return {ErrorCode::kUnavailable, reasons::kSignerTokenUnavailable, std::move(detail)};
}

// A general error is among them: libraries report a lost connection to their device so.
bool means_lost(CK_RV code) {
  switch (code) {
    case CKR_GENERAL_ERROR:
    case CKR_FUNCTION_FAILED:
    case CKR_SLOT_ID_INVALID:
    case CKR_DEVICE_ERROR:
    case CKR_DEVICE_REMOVED:
    case CKR_TOKEN_NOT_PRESENT:
    case CKR_TOKEN_NOT_RECOGNIZED:
    case CKR_SESSION_HANDLE_INVALID:
    case CKR_SESSION_CLOSED:
    case CKR_USER_NOT_LOGGED_IN:
    case CKR_KEY_HANDLE_INVALID:
    case CKR_OBJECT_HANDLE_INVALID:
    case CKR_CRYPTOKI_NOT_INITIALIZED: return true;
    default: return false;
  }
}

std::string_view label_of(const CK_TOKEN_INFO& info) {
  std::string_view label{reinterpret_cast<const char*>(info.label), sizeof info.label};
  while (!label.empty() && (label.back() == ' ' || label.back() == '\0')) label.remove_suffix(1);
  return label;
}

Result<CK_SLOT_ID> find_slot(const CK_FUNCTION_LIST& functions, const std::string& token_label) {
  CK_SLOT_ID slots[kMaxSlots];
  CK_ULONG count = kMaxSlots;
  const CK_RV code = functions.C_GetSlotList(CK_TRUE, slots, &count);
  if (code != CKR_OK) return unavailable(describe_pkcs11_error("C_GetSlotList", code));
  std::optional<CK_SLOT_ID> found;
  for (CK_ULONG i = 0; i < count; ++i) {
    CK_TOKEN_INFO info{};
    if (functions.C_GetTokenInfo(slots[i], &info) != CKR_OK || label_of(info) != token_label) continue;
    if (found) return unavailable("several tokens are labelled " + token_label);
    found = slots[i];
  }
  if (!found) return unavailable("no token is labelled " + token_label);
  return *found;
}

Result<SecretBytes> read_pin(const std::string& path) {
  MUSTER_TRY(const SecretBytes content, read_secret_file(path, kMaxPinFile));
  BytesView pin = content.view();
  while (!pin.empty() && (pin.back() == '\n' || pin.back() == '\r')) pin = pin.first(pin.size() - 1);
  return SecretBytes{Bytes(pin.begin(), pin.end())};
}

}  // namespace

Result<void> check_config(const Pkcs11Config& config) {
  const auto invalid = [](std::string key) {
    return Error{ErrorCode::kInvalidArgument, reasons::kTokenConfigInvalid, std::move(key)};
  };
  if (config.module.empty() || config.module.front() != '/') return invalid("module");
  if (config.token_label.empty() || config.token_label.size() > sizeof(CK_TOKEN_INFO::label)) {
    return invalid("token_label");
  }
  if (config.sessions == 0 || config.sessions > kMaxSessions) return invalid("sessions");
  MUSTER_TRY(const SecretBytes pin, read_pin(config.pin_file));
  if (pin.size() == 0) return invalid("pin_file");
  return {};
}

Pkcs11Token::Session::~Session() {
  if (token_) token_->give_back(*this);
}

Result<void> Pkcs11Token::Session::check(const char* function, CK_RV code) {
  if (code == CKR_OK) return {};
  std::string detail = describe_pkcs11_error(function, code);
  if (!means_lost(code)) return Error{ErrorCode::kInternal, reasons::kSignerUnavailable, std::move(detail)};
  lost_ = true;
  return unavailable(std::move(detail));
}

Pkcs11Token::~Pkcs11Token() { close_sessions(now_, idle_); }

void Pkcs11Token::close_sessions(const Connection& connection, const std::vector<CK_SESSION_HANDLE>& sessions) {
  if (sessions.empty()) return;
  const Pkcs11Module::Use use = connection.module->use();
  if (use.generation() != connection.generation) return;
  for (const CK_SESSION_HANDLE session : sessions) use.functions().C_CloseSession(session);
}

Result<Pkcs11Token::Session> Pkcs11Token::acquire() {
  const Deadline deadline = steady_clock::now() + kSessionPatience;
  std::unique_lock lock{mutex_};
  while (steady_clock::now() < deadline) {
    if (state_ == State::kGone) {
      if (steady_clock::now() >= retry_at_) {
        connect(lock);
      } else if (refusal_) {
        return *refusal_;
      } else {
        changed_.wait_until(lock, std::min(retry_at_, deadline));
      }
      continue;
    }
    if (state_ == State::kConnected && (!idle_.empty() || open_ < config_.sessions)) {
      auto session = lend(lock);
      if (!session.ok()) return std::move(session).error();
      if (*session) return std::move(**session);
      lock.lock();
      continue;
    }
    changed_.wait_until(lock, deadline);
  }
  return unavailable("no session became free");
}

Result<std::optional<Pkcs11Token::Session>> Pkcs11Token::lend(std::unique_lock<std::mutex>& lock) {
  const bool reuse = !idle_.empty();
  const std::uint64_t connection = connection_;
  const Connection now = now_;
  CK_SESSION_HANDLE handle = 0;
  if (reuse) {
    handle = idle_.back();
    idle_.pop_back();
  } else {
    ++open_;
  }
  lock.unlock();
  Session session{this, now.module->use()};
  session.slot_ = now.slot;
  session.connection_ = connection;
  session.handle_ = handle;
  // Another user of the library has restarted it: our numbers may be somebody else's sessions by now.
  session.lost_ = session.use_.generation() != now.generation;
  if (session.lost_) {
    session.handle_ = 0;
    return std::optional<Session>{};
  }
  if (reuse) return std::optional<Session>{std::move(session)};
  const CK_FLAGS flags = CKF_SERIAL_SESSION | CKF_RW_SESSION;
  const CK_RV code = session.functions().C_OpenSession(now.slot, flags, nullptr, nullptr, &session.handle_);
  const auto opened = session.check("C_OpenSession", code);
  if (opened.ok()) return std::optional<Session>{std::move(session)};
  session.handle_ = 0;
  if (session.lost_) return std::optional<Session>{};
  session.token_.release();  // there is nothing to give back
  const std::lock_guard relock{mutex_};
  if (connection_ == connection) --open_;
  return unavailable(opened.error().detail);
}

void Pkcs11Token::give_back(Session& session) {
  {
    const std::lock_guard lock{mutex_};
    if (!session.lost_ && state_ == State::kConnected && connection_ == session.connection_) {
      idle_.push_back(session.handle_);
      changed_.notify_one();
      return;
    }
  }
  // Of an older connection, or lost: a session that is still there would be one too many.
  if (session.handle_ != 0) session.functions().C_CloseSession(session.handle_);
  if (session.lost_) lose(session.connection_);
}

void Pkcs11Token::lose(std::uint64_t connection) {
  const std::lock_guard lock{mutex_};
  if (state_ != State::kConnected || connection_ != connection) return;
  state_ = State::kGone;
  // One key that always fails must not make everybody log in again without end.
  retry_at_ = connected_at_ + kRetryInterval;
  refusal_.reset();
  changed_.notify_all();
}

// Releases the lock while it talks to the token.
void Pkcs11Token::connect(std::unique_lock<std::mutex>& lock) {
  state_ = State::kConnecting;
  const Connection before = now_;
  const std::vector<CK_SESSION_HANDLE> left_over = std::exchange(idle_, {});
  lock.unlock();
  close_sessions(before, left_over);
  auto connected = try_connect(before.module);
  lock.lock();
  ++connection_;
  open_ = 0;
  if (connected.ok()) {
    now_ = std::move(connected).value();
    idle_.push_back(now_.session);
    open_ = 1;
    state_ = State::kConnected;
    connected_at_ = steady_clock::now();
    Log("token").info("token connected", {{"token", config_.token_label}});
  } else {
    refusal_ = std::move(connected).error();
    retry_at_ = steady_clock::now() + kRetryInterval;
    state_ = State::kGone;
    Log("token").error("token unavailable", {{"token", config_.token_label}, {"error", to_log_text(*refusal_)}});
  }
  changed_.notify_all();
}

Result<Pkcs11Token::Connection> Pkcs11Token::try_connect(std::shared_ptr<Pkcs11Module> module) {
  if (!module) {
    MUSTER_TRY(module, Pkcs11Module::open(config_.module));
  }
  auto first = connect_once(module);
  if (first.ok() || first.error().reason == reasons::kSignerTokenPinRefused) return first;
  // Most libraries look for tokens only when they are initialised.
  const std::uint64_t seen = module->use().generation();
  MUSTER_TRY_VOID(module->restart(seen));
  return connect_once(module);
}

Result<Pkcs11Token::Connection> Pkcs11Token::connect_once(const std::shared_ptr<Pkcs11Module>& module) {
  const Pkcs11Module::Use use = module->use();
  const CK_FUNCTION_LIST& functions = use.functions();
  Connection made{module, use.generation(), 0, 0};
  MUSTER_TRY(made.slot, find_slot(functions, config_.token_label));
  const CK_FLAGS flags = CKF_SERIAL_SESSION | CKF_RW_SESSION;
  const CK_RV code = functions.C_OpenSession(made.slot, flags, nullptr, nullptr, &made.session);
  if (code != CKR_OK) return unavailable(describe_pkcs11_error("C_OpenSession", code));
  const auto logged_in = log_in(functions, made.session);
  if (logged_in.ok()) return made;
  functions.C_CloseSession(made.session);
  return logged_in.error();
}

Result<void> Pkcs11Token::log_in(const CK_FUNCTION_LIST& functions, CK_SESSION_HANDLE session) {
  auto pin = read_pin(config_.pin_file);
  if (!pin.ok()) return unavailable(to_log_text(pin.error()));
  const Error refused{ErrorCode::kUnavailable, reasons::kSignerTokenPinRefused, config_.pin_file};
  const Sha256 fingerprint = x509::sha256(pin->view());
  if (refused_pin_ == fingerprint) return refused;
  Bytes copy(pin->view().begin(), pin->view().end());  // C_Login takes it mutable
  const CK_RV code = functions.C_Login(session, CKU_USER, copy.data(), copy.size());
  const SecretBytes wiped{std::move(copy)};
  if (code == CKR_OK || code == CKR_USER_ALREADY_LOGGED_IN) {
    refused_pin_.reset();
    return {};
  }
  if (code == CKR_PIN_INCORRECT || code == CKR_PIN_INVALID || code == CKR_PIN_LEN_RANGE) {
    refused_pin_ = fingerprint;
    return refused;
  }
  return unavailable(describe_pkcs11_error("C_Login", code));
}

}  // namespace muster::ca
