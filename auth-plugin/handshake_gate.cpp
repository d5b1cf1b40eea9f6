// SPDX-License-Identifier: Apache-2.0
#include "auth-plugin/handshake_gate.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "auth-plugin/reasons.h"

namespace muster::auth_plugin {
namespace {

constexpr std::chrono::milliseconds kLookPeriod{100};
// The broker asks once or twice by itself. More often only where the peer has gone, or sends a lot: it would go on in
// every round.
constexpr std::size_t kReadsInRest = 16;

}  // namespace

// Half of an IPv6 address is the peer's to choose: multiplied, so that chosen ones do not fall into one bucket.
std::size_t HandshakeGate::AddressHash::operator()(const SourceAddress& address) const {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  std::memcpy(&high, address.data(), sizeof high);
  std::memcpy(&low, address.data() + sizeof high, sizeof low);
  const std::uint64_t mixed = (high ^ 0x9e3779b97f4a7c15ULL) * 0xff51afd7ed558ccdULL + low * 0xc4ceb9fe1a85ec53ULL;
  return static_cast<std::size_t>(mixed ^ mixed >> 29);
}

bool HandshakeGate::begin(Place& place, int fd, const SourceAddress& address, Time now) {
  place.fd_ = fd;
  place.address_ = address;
  place.since_ = place.heard_ = now;
  const auto of_address = of_address_.find(address);
  if (of_address != of_address_.end() && of_address->second >= limits_.pending_of_address) {
    const auto resting = std::ranges::find(resting_, address, &Place::address_);
    if (resting == resting_.end()) {
      refuse(place, reasons::kTooManyHandshakesOfAddress);
      return false;
    }
    end(**resting, reasons::kTooManyHandshakesOfAddress);
  }
  if (pending() >= limits_.pending && !make_room(now)) {
    refuse(place, reasons::kTooManyHandshakes);
    return false;
  }
  ++of_address_[address];
  place.in_order_ = in_order_.insert(in_order_.end(), &place);
  place.by_silence_ = by_silence_.insert(by_silence_.end(), &place);
  place.listed_ = true;
  return true;
}

bool HandshakeGate::may_read(Place& place, Time now) {
  if (!place.listed_) return true;
  if (place.rests_) {
    if (++place.reads_in_rest_ <= kReadsInRest) return false;
    end(place, reasons::kRestBroken);
    return false;
  }
  if (place.granted_round_ == round_) return true;
  if (steps_ >= std::max(limits_.steps_a_round, allowance_)) {
    ++waiting_;
    ++deferrals_;
    place.heard_ = now;  // it waits for us, so its silence does not count
    by_silence_.splice(by_silence_.end(), by_silence_, place.by_silence_);
    return false;
  }
  ++steps_;
  place.granted_round_ = round_;
  place.used_grant_ = false;
  return true;
}

void HandshakeGate::has_read(Place& place, bool any, Time now) {
  if (!place.listed_) return;
  if (any) {
    place.used_grant_ = true;
    place.heard_ = now;
    by_silence_.splice(by_silence_.end(), by_silence_, place.by_silence_);
  } else if (place.granted_round_ == round_ && !place.used_grant_) {
    place.granted_round_ = 0;
    --steps_;
  }
}

void HandshakeGate::rest(Place& place, Time until, Time now) {
  until = std::min(until, place.since_ + limits_.whole_time * 2 / 3);
  if (!place.listed_ || place.rests_ || until <= now) return;
  place.rests_ = true;
  place.rests_until_ = until;
  resting_.splice(resting_.end(), by_silence_, place.by_silence_);
  actions_.listen(place.fd_, false);
}

void HandshakeGate::wake(Place& place, Time now) {
  place.rests_ = false;
  place.heard_ = now;
  by_silence_.splice(by_silence_.end(), resting_, place.by_silence_);
  actions_.listen(place.fd_, true);
}

void HandshakeGate::leave(Place& place) {
  if (!place.listed_) return;
  place.listed_ = false;
  in_order_.erase(place.in_order_);
  (place.rests_ ? resting_ : by_silence_).erase(place.by_silence_);
  if (place.rests_) actions_.listen(place.fd_, true);
  const auto of_address = of_address_.find(place.address_);
  if (--of_address->second == 0) of_address_.erase(of_address);
}

void HandshakeGate::next_round() {
  ++round_;
  allowance_ = limits_.steps_a_round + waiting_ / limits_.waiting_for_another_step;
  steps_ = 0;
  waiting_ = 0;
}

void HandshakeGate::end_overdue(Time now) {
  if (now < next_look_) return;
  next_look_ = now + kLookPeriod;
  for (auto next = resting_.begin(); next != resting_.end();) {
    Place& place = **next++;
    if (place.rests_until_ <= now) wake(place, now);
  }
  while (!in_order_.empty() && now - in_order_.front()->since_ > limits_.whole_time) {
    end(*in_order_.front(), reasons::kHandshakeTooSlow);
  }
  while (!by_silence_.empty() && now - by_silence_.front()->heard_ > limits_.idle_time) {
    end(*by_silence_.front(), reasons::kHandshakeTooSlow);
  }
}

bool HandshakeGate::make_room(Time now) {
  if (!resting_.empty()) {
    end(*resting_.front(), reasons::kTooManyHandshakes);
    return true;
  }
  if (by_silence_.empty() || now - by_silence_.front()->heard_ < limits_.patience_when_full) return false;
  end(*by_silence_.front(), reasons::kTooManyHandshakes);
  return true;
}

void HandshakeGate::end(Place& place, std::string_view reason) {
  leave(place);
  refuse(place, reason);
}

void HandshakeGate::refuse(Place& place, std::string_view reason) {
  place.ended_ = true;
  try {
    actions_.ended(reason, place.fd_);
  } catch (const std::bad_alloc&) {
    // Only a count and a line are lost.
  }
  actions_.end(place.fd_);
}

}  // namespace muster::auth_plugin
