// SPDX-License-Identifier: Apache-2.0
#include "enroll/ocsp_responder.h"

#include <algorithm>
#include <map>

#include "ca/ocsp_linter.h"
#include "ca/ocsp_response.h"
#include "core/encoding.h"
#include "enroll/authority_context.h"
#include "enroll/ocsp_delegates.h"
#include "enroll/ocsp_issuer_index.h"
#include "registry/ocsp_store.h"
#include "x509/ocsp_request.h"
#include "x509/sha256.h"

namespace muster::enroll {

namespace {

using Reply = std::shared_ptr<const OcspReply>;
using SteadyTime = std::chrono::steady_clock::time_point;

// thisUpdate lies a little back, for relying parties whose clocks are behind.
constexpr std::chrono::seconds kBackdate{60};
constexpr std::size_t kMaxVariants = 4;  // of CertIDs for one certificate: SHA-1 and SHA-256, NULL or no parameters

Reply error_reply(ca::OcspErrorStatus status) {
  auto reply = std::make_shared<OcspReply>();
  reply->der = as_text(ca::ocsp_error_response(status));
  return reply;
}

std::string certificate_key(const IssuerId& issuer, BytesView serial) {
  std::string key(as_text(issuer.octets()));
  key.append(as_text(serial));
  return key;
}

class SigningSlot {
 public:
  explicit SigningSlot(std::atomic<int>& taken) : taken_(taken), granted_(++taken <= OcspResponder::kMaxSigning) {}
  ~SigningSlot() { --taken_; }
  SigningSlot(const SigningSlot&) = delete;
  SigningSlot& operator=(const SigningSlot&) = delete;
  bool granted() const { return granted_; }

 private:
  std::atomic<int>& taken_;
  const bool granted_;
};

}  // namespace

struct OcspResponder::Impl {
  explicit Impl(AuthorityContext& c)
      : context(c),
        issuers(c),
        delegates(c),
        prepared_answers(c.metrics.counter("muster_ocsp_prepared_total", "OCSP answers that were made beforehand")),
        signed_answers(c.metrics.counter("muster_ocsp_signed_total", "OCSP answers signed on demand")),
        refused(c.metrics.counter("muster_ocsp_refused_total", "OCSP requests answered with an error status")) {}

  struct Prepared {
    std::string cert_id;
    Reply reply;
  };

  bool read_news();
  Reply find_prepared(const std::string& key, BytesView cert_id);
  void keep(const std::string& key, BytesView cert_id, const Reply& reply, std::uint64_t news_read);
  Result<std::vector<ca::OcspSingleAnswer>> look_up(const IssuerId& issuer, const x509::OcspRequestView& request);
  Result<Reply> sign(const IssuerId& issuer, const x509::OcspRequestView& request);
  Result<Reply> answer(const x509::OcspRequestView& request, const std::function<bool()>& admit);
  Reply refuse(ca::OcspErrorStatus status) {
    refused.add();
    return error_reply(status);
  }

  AuthorityContext& context;
  OcspIssuerIndex issuers;
  OcspDelegates delegates;
  Counter& prepared_answers;
  Counter& signed_answers;
  Counter& refused;
  std::atomic<int> signing{0};

  std::mutex reading;                         // the news
  std::string position;                       // guarded by reading
  SteadyTime tried_at{};                      // guarded by reading
  std::atomic<std::int64_t> read_at{-1};      // steady nanoseconds of the last success; -1: never
  std::atomic<std::uint64_t> revocations{0};  // of this process, covered by the last success
  std::atomic<std::uint64_t> news_count{0};   // successes

  std::shared_mutex mutex;
  std::unordered_map<std::string, std::vector<Prepared>> prepared;  // by issuer and serial; guarded by mutex
};

// True: all that was revoked here is known, and what others revoked up to kNewsInterval (or, while the registry cannot
// be asked, kNewsPatience) ago.
bool OcspResponder::Impl::read_news() {
  const auto is_current = [&](std::chrono::steady_clock::duration age) {
    const std::int64_t at = read_at.load(std::memory_order_acquire);
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return at >= 0 && now - std::chrono::nanoseconds{at} < age &&
           revocations.load(std::memory_order_acquire) == context.revocations.load(std::memory_order_acquire);
  };
  if (is_current(kNewsInterval)) return true;
  const std::lock_guard lock{reading};
  if (is_current(kNewsInterval)) return true;
  const auto started = std::chrono::steady_clock::now();
  if (started - tried_at < std::chrono::seconds{1} && is_current(kNewsPatience)) return true;  // it just failed
  tried_at = started;
  const std::uint64_t covered = context.revocations.load(std::memory_order_acquire);
  auto news = db::run_in_transaction(context.pool, db::Scope::system(),
                                     [&](db::Transaction& tx) { return registry::read_revocation_news(tx, position); });
  if (!news.ok()) {
    context.log.error("no news of revocations", {{"error", to_log_text(news.error())}});
    return is_current(kNewsPatience);
  }
  {
    const std::unique_lock dropping{mutex};
    if (news->too_many) prepared.clear();
    for (const auto& item : news->items) prepared.erase(certificate_key(item.issuer, item.serial));
    news_count.fetch_add(1, std::memory_order_acq_rel);
  }
  position = std::move(news->position);
  revocations.store(covered, std::memory_order_release);
  read_at.store(started.time_since_epoch() / std::chrono::nanoseconds{1}, std::memory_order_release);
  return true;
}

Reply OcspResponder::Impl::find_prepared(const std::string& key, BytesView cert_id) {
  const UtcTime now = context.clock.now();
  const std::shared_lock lock{mutex};
  const auto found = prepared.find(key);
  if (found == prepared.end()) return nullptr;
  for (const Prepared& one : found->second) {
    if (one.cert_id != as_text(cert_id)) continue;
    return now >= one.reply->this_update && now < one.reply->renew_at ? one.reply : nullptr;
  }
  return nullptr;
}

// Not kept where news came between the look into the registry and now: it may have been about this certificate.
void OcspResponder::Impl::keep(const std::string& key, BytesView cert_id, const Reply& reply, std::uint64_t news_read) {
  const std::unique_lock lock{mutex};
  if (news_count.load(std::memory_order_acquire) != news_read) return;
  if (prepared.size() >= kMaxPrepared && !prepared.contains(key)) prepared.erase(prepared.begin());
  auto& variants = prepared[key];
  std::erase_if(variants, [&](const Prepared& one) { return one.cert_id == as_text(cert_id); });
  if (variants.size() == kMaxVariants) variants.erase(variants.begin());
  variants.push_back({std::string(as_text(cert_id)), reply});
}

Result<std::vector<ca::OcspSingleAnswer>> OcspResponder::Impl::look_up(const IssuerId& issuer,
                                                                       const x509::OcspRequestView& request) {
  std::vector<Bytes> serials;
  for (const auto& id : request.certificates) serials.emplace_back(id.serial.begin(), id.serial.end());
  MUSTER_TRY(const auto statuses, db::run_in_transaction(context.pool, db::Scope::system(), [&](db::Transaction& tx) {
               return registry::find_serial_statuses(tx, issuer, serials);
             }));
  std::vector<ca::OcspSingleAnswer> answers;
  for (std::size_t i = 0; i < statuses.size(); ++i) {
    ca::OcspSingleAnswer answer;
    answer.cert_id = request.certificates[i].whole;
    if (statuses[i].revocation) {
      answer.status = ca::OcspCertStatus::kRevoked;
      answer.revoked_at = statuses[i].revocation->at;
      answer.revocation_reason = static_cast<std::uint8_t>(statuses[i].revocation->reason);
    } else if (statuses[i].issued || issuers.issued_ca(issuer, serials[i])) {
      answer.status = ca::OcspCertStatus::kGood;
    }
    answers.push_back(answer);
  }
  return answers;
}

Result<Reply> OcspResponder::Impl::sign(const IssuerId& issuer, const x509::OcspRequestView& request) {
  MUSTER_TRY(const auto delegate, delegates.find(issuer));
  const std::uint64_t news_read = news_count.load(std::memory_order_acquire);
  MUSTER_TRY(const auto answers, look_up(issuer, request));
  const UtcTime now = context.clock.now();
  const std::chrono::seconds validity{context.config.ocsp_validity_seconds};
  auto reply = std::make_shared<OcspReply>();
  reply->this_update = now - kBackdate;
  // The delegate's second half is longer than an answer lives, unless its issuer ends first.
  reply->next_update = std::min(now + validity, delegate->not_after);
  reply->renew_at = now + (reply->next_update - now) / 2;
  const ca::OcspAnswerOrder order{answers, request.nonce, now, reply->this_update, reply->next_update};
  MUSTER_TRY(const Bytes der, ca::sign_ocsp_response(order, delegate->key, delegate->certificate));
  const auto findings = ca::lint_ocsp_response(der, order, delegate->certificate);
  if (!findings.empty()) return Error{ErrorCode::kInternal, findings.front().reason, findings.front().detail};
  reply->der = as_text(der);
  reply->entity_tag = "\"" + to_hex(x509::sha256(der)) + "\"";
  const bool known = std::ranges::none_of(
      answers, [](const ca::OcspSingleAnswer& one) { return one.status == ca::OcspCertStatus::kUnknown; });
  // What is not known may be issued in a moment, and made-up serials must not push out what is asked for.
  reply->cacheable = request.plain && known;
  signed_answers.add();
  if (reply->cacheable && request.certificates.size() == 1) {
    const auto& id = request.certificates.front();
    keep(certificate_key(issuer, id.serial), id.whole, reply, news_read);
  }
  return Reply{std::move(reply)};
}

Result<Reply> OcspResponder::Impl::answer(const x509::OcspRequestView& request, const std::function<bool()>& admit) {
  const auto& first = request.certificates.front();
  MUSTER_TRY(const auto issuer, issuers.find(first));
  // One delegate speaks for one issuer, so a request about several issuers' certificates has no answer either.
  const bool one_issuer = std::ranges::all_of(request.certificates, [&](const x509::OcspCertIdView& id) {
    return std::ranges::equal(id.hash_algorithm, first.hash_algorithm) &&
           std::ranges::equal(id.issuer_name_hash, first.issuer_name_hash) &&
           std::ranges::equal(id.issuer_key_hash, first.issuer_key_hash);
  });
  if (!issuer || !one_issuer) return refuse(ca::OcspErrorStatus::kUnauthorized);
  if (!read_news()) return refuse(ca::OcspErrorStatus::kTryLater);
  if (request.plain && request.certificates.size() == 1) {
    if (auto reply = find_prepared(certificate_key(*issuer, first.serial), first.whole)) {
      prepared_answers.add();
      return reply;
    }
  }
  const SigningSlot slot{signing};
  if (!slot.granted() || !admit()) return refuse(ca::OcspErrorStatus::kTryLater);
  return sign(*issuer, request);
}

OcspResponder::OcspResponder(RegistrationAuthority& authority) : impl_(std::make_unique<Impl>(authority.context())) {}
OcspResponder::~OcspResponder() = default;

std::shared_ptr<const OcspReply> OcspResponder::answer(BytesView request, const std::function<bool()>& admit) {
  const auto parsed = x509::parse_ocsp_request(request);
  if (!parsed.ok()) return impl_->refuse(ca::OcspErrorStatus::kMalformedRequest);
  if (!impl_->context.require_initialised().ok()) return impl_->refuse(ca::OcspErrorStatus::kTryLater);
  auto reply = impl_->answer(*parsed, admit);
  if (reply.ok()) return *reply;
  impl_->context.log.error("no OCSP answer", {{"error", to_log_text(reply.error())}});
  const bool temporary = reply.error().code == ErrorCode::kUnavailable ||
                         reply.error().code == ErrorCode::kDeadlineExceeded ||
                         reply.error().code == ErrorCode::kResourceExhausted;
  return impl_->refuse(temporary ? ca::OcspErrorStatus::kTryLater : ca::OcspErrorStatus::kInternalError);
}

}  // namespace muster::enroll
