// SPDX-License-Identifier: Apache-2.0
#include "edge/agent/order_courier.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/clock.h"
#include "core/encoding.h"
#include "edge/agent/backoff.h"
#include "edge/posted_file.h"

namespace muster::edge {
namespace {

using Json = nlohmann::json;

constexpr std::chrono::milliseconds kPollWait{25'000};
constexpr std::chrono::milliseconds kPollSlack{10'000};
constexpr std::chrono::seconds kKeep{60};
constexpr std::size_t kMaxKept = 4096;

std::string text_of(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

Result<SessionOrder> read_order(const Json& object) {
  const Error malformed{ErrorCode::kCorrupt, "edge.stream_malformed", "an order"};
  if (!object.is_object()) return malformed;
  SessionOrder order;
  const auto device = DeviceId::parse(text_of(object, "device_id"));
  const auto connection = ConnectionId::parse(text_of(object, "connection"));
  if (!device.ok() || !connection.ok()) return malformed;
  order.device_id = *device;
  order.connection_id = *connection;
  if (text_of(object, "kind") == "cut") return order;
  if (text_of(object, "kind") != "command") return malformed;
  const auto command = parse_raw_id(text_of(object, "command"));
  auto payload = from_base64(text_of(object, "payload"));
  const auto left = object.find("expires_in_ms");
  if (!command.ok() || !payload.ok() || left == object.end() || !left->is_number_integer()) return malformed;
  order.kind = SessionOrderKind::kCommand;
  order.command_id = *command;
  order.name = text_of(object, "name");
  order.content_type = text_of(object, "content_type");
  order.payload = std::move(payload).value();
  order.expires = boottime_now().count() + left->get<std::int64_t>() * 1'000'000;
  return order;
}

}  // namespace

Result<void> OrdersFolder::open() {
  // Who may read snapshots may read orders, whatever our umask is.
  struct stat parent {};
  const bool made = mkdir(folder_.c_str(), 0700) == 0 || errno == EEXIST;
  const bool ready =
      made && stat((folder_ + "/..").c_str(), &parent) == 0 && chmod(folder_.c_str(), parent.st_mode & 07777) == 0;
  if (!ready) return Error{ErrorCode::kUnavailable, "file.write_failed", folder_};
  std::error_code error;
  std::filesystem::directory_iterator entry{folder_, error};
  for (; !error && entry != std::filesystem::directory_iterator{}; entry.increment(error)) {
    const auto number = parse_orders_name(entry->path().filename().string());
    if (number) next_ = std::max(next_, *number + 1);
    unlink(entry->path().c_str());
  }
  // Never a number that a broker has seen: it looks at what comes after the last only.
  const auto uptime = std::chrono::duration_cast<std::chrono::milliseconds>(boottime_now()).count();
  next_ = std::max(next_, static_cast<std::uint64_t>(uptime));
  return write({});
}

Result<void> OrdersFolder::write(std::vector<SessionOrder> orders) {
  remove_old();
  const Bytes file = encode_orders({epoch_, next_, std::move(orders)});
  MUSTER_TRY_VOID(post_file(folder_ + "/" + orders_name(next_), file, file_mode_));
  written_.emplace_back(next_++, std::chrono::steady_clock::now());
  return {};
}

void OrdersFolder::remove_old() {
  const auto now = std::chrono::steady_clock::now();
  while (!written_.empty() && (now - written_.front().second > kKeep || written_.size() > kMaxKept)) {
    unlink((folder_ + "/" + orders_name(written_.front().first)).c_str());
    written_.pop_front();
  }
}

OrderCourier::OrderCourier(OrdersFolder folder, http::Client client, MetricsRegistry& metrics)
    : folder_(std::move(folder)),
      client_(std::move(client)),
      cuts_(metrics.counter("muster_edge_cut_orders_total", "Sessions that brokers were told to cut")),
      commands_(metrics.counter("muster_edge_command_orders_total", "Commands that brokers were given")),
      failures_(metrics.counter("muster_edge_order_failures_total", "Polls for orders that failed")) {}

void OrderCourier::run(std::stop_token stop) {
  const std::stop_callback cancel{stop, [this] { client_.cancel(); }};
  repeat(
      stop, Backoff{std::chrono::milliseconds{200}, std::chrono::seconds{15}}, [this] { return step(); },
      [this](const Error& error) {
        failures_.add();
        log_.warning("no orders", {{"reason", error.reason}, {"detail", error.detail}});
      });
}

Result<void> OrderCourier::step() {
  if (!opened_) {
    MUSTER_TRY_VOID(folder_.open());
    opened_ = true;
  }
  http::ClientRequest request;
  request.method = "POST";
  request.target = "/v1/edge/orders";
  request.body = Json{{"done", done_}, {"wait_ms", kPollWait.count()}}.dump();
  request.read_timeout = kPollWait + kPollSlack;
  MUSTER_TRY(const auto answer, client_.send(request));
  if (answer.status != 200) {
    return Error{ErrorCode::kUnavailable, "edge.server_failed", "status " + std::to_string(answer.status)};
  }
  done_.clear();
  const Json body = Json::parse(answer.body, nullptr, false);
  const auto list = body.is_object() ? body.find("orders") : body.end();
  if (!body.is_object() || list == body.end() || !list->is_array()) {
    return Error{ErrorCode::kCorrupt, "edge.stream_malformed", "orders"};
  }
  std::vector<SessionOrder> orders;
  std::vector<std::string> ids;
  for (const Json& item : *list) {
    MUSTER_TRY(auto order, read_order(item));
    (order.kind == SessionOrderKind::kCut ? cuts_ : commands_).add();
    orders.push_back(std::move(order));
    ids.push_back(text_of(item, "id"));
  }
  if (!orders.empty()) MUSTER_TRY_VOID(folder_.write(std::move(orders)));
  done_ = std::move(ids);
  return {};
}

}  // namespace muster::edge
