// SPDX-License-Identifier: Apache-2.0
#include "http/outside_fetch.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <string>

#include "support/canned_server.h"

namespace muster::http {
namespace {

using test_support::CannedServer;

OutsideAddress address_of(const std::string& text, std::uint16_t port = 80) {
  OutsideAddress address;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    address.size = sizeof *v4;
  } else {
    EXPECT_EQ(inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr), 1) << text;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    address.size = sizeof *v6;
  }
  return address;
}

OutsidePolicy open_policy() {
  OutsidePolicy policy;
  policy.allowed_hosts = {"crl.example"};
  policy.allow_private_addresses = true;
  policy.time = std::chrono::seconds(10);
  return policy;
}

Resolver resolve_to(std::vector<std::string> texts) {
  return [texts = std::move(texts)](const std::string&, std::uint16_t port) {
    std::vector<OutsideAddress> addresses;
    for (const std::string& text : texts) addresses.push_back(address_of(text, port));
    return addresses;
  };
}

std::string reason_of(const Result<Bytes>& result) {
  return result.ok() ? std::string("ok") : std::string(result.error().reason);
}

TEST(OutsideFetch, OnlyPublicAddressesArePublic) {
  for (const char* inside :
       {"0.0.0.0",          "10.1.2.3",       "100.64.0.1",      "127.0.0.1",       "127.9.9.9",   "169.254.169.254",
        "172.16.0.1",       "172.31.255.255", "192.0.0.8",       "192.0.2.1",       "192.168.1.1", "198.18.0.1",
        "198.51.100.7",     "203.0.113.9",    "224.0.0.1",       "255.255.255.255", "::",          "::1",
        "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "fe80::1",         "fc00::1",     "fd12::1",
        "ff02::1",          "2001:db8::1",    "2002:7f00:1::",   "2001::1",         "3fff::1"}) {
    EXPECT_FALSE(is_public_address(address_of(inside))) << inside;
  }
  for (const char* outside : {"8.8.8.8", "172.32.0.1", "100.128.0.1", "193.0.0.1", "2606:4700::1111", "2a00:1450::1"}) {
    EXPECT_TRUE(is_public_address(address_of(outside))) << outside;
  }
}

TEST(OutsideFetch, FetchesTheBodyOfA200) {
  const CannedServer with_length("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_EQ(fetch_outside(with_length.url("crl.example"), open_policy(), resolve_to({"127.0.0.1"})).value(),
            to_bytes("hello"));
  const CannedServer without("HTTP/1.0 200 OK\r\n\r\nhello");
  EXPECT_EQ(fetch_outside(without.url("crl.example"), open_policy(), resolve_to({"127.0.0.1"})).value(),
            to_bytes("hello"));
}

TEST(OutsideFetch, AHostThatIsNotOnTheListIsNotEvenLookedUp) {
  bool looked_up = false;
  const Resolver resolver = [&](const std::string&, std::uint16_t) {
    looked_up = true;
    return std::vector<OutsideAddress>{};
  };
  EXPECT_EQ(reason_of(fetch_outside("http://other.example/", open_policy(), resolver)), "outside.host_not_allowed");
  EXPECT_EQ(reason_of(fetch_outside("http://crl.example.evil/", open_policy(), resolver)), "outside.host_not_allowed");
  EXPECT_FALSE(looked_up);
}

TEST(OutsideFetch, NothingInsideIsConnectedTo) {
  const CannedServer server("HTTP/1.0 200 OK\r\n\r\nsecret");
  OutsidePolicy policy = open_policy();
  policy.allow_private_addresses = false;
  EXPECT_EQ(reason_of(fetch_outside(server.url("crl.example"), policy, resolve_to({"127.0.0.1"}))),
            "outside.address_refused");
  EXPECT_EQ(reason_of(fetch_outside(server.url("crl.example"), policy, resolve_to({"8.8.8.8", "127.0.0.1"}))),
            "outside.address_refused");
  EXPECT_EQ(server.connections(), 0);
}

TEST(OutsideFetch, UrlsThatSayMoreThanHostAndPathAreRefused) {
  for (const char* url : {"https://crl.example/", "ftp://crl.example/", "http://", "http:///x", "http://a@crl.example/",
                          "http://crl.example:0/", "http://crl.example:99999/", "http://crl.example:80x/",
                          "http://[::1]/", "http://crl.example/a b", "http://crl.example/\r\nX: y", "//crl.example/"}) {
    EXPECT_EQ(reason_of(fetch_outside(url, open_policy(), resolve_to({"127.0.0.1"}))), "http.url_invalid") << url;
  }
}

TEST(OutsideFetch, RedirectsAndOtherAnswersAreRefused) {
  for (const char* answer :
       {"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n", "HTTP/1.1 404 Not Found\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"}) {
    const CannedServer server(answer);
    EXPECT_EQ(reason_of(fetch_outside(server.url("crl.example"), open_policy(), resolve_to({"127.0.0.1"}))),
              "outside.status")
        << answer;
  }
  const CannedServer cut("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello");
  EXPECT_EQ(reason_of(fetch_outside(cut.url("crl.example"), open_policy(), resolve_to({"127.0.0.1"}))),
            "http.connection_lost");
  const CannedServer garbage("nonsense");
  EXPECT_EQ(reason_of(fetch_outside(garbage.url("crl.example"), open_policy(), resolve_to({"127.0.0.1"}))),
            "http.connection_lost");
}

TEST(OutsideFetch, SizeAndTimeAreBounded) {
  OutsidePolicy policy = open_policy();
  policy.max_bytes = 1000;
  const CannedServer large("HTTP/1.0 200 OK\r\n\r\n" + std::string(100'000, 'x'));
  EXPECT_EQ(reason_of(fetch_outside(large.url("crl.example"), policy, resolve_to({"127.0.0.1"}))),
            "http.response_too_large");
  policy.time = std::chrono::milliseconds(300);
  const CannedServer silent("");
  EXPECT_EQ(reason_of(fetch_outside(silent.url("crl.example"), policy, resolve_to({"127.0.0.1"}))), "outside.timeout");
}

TEST(OutsideFetch, ByDefaultNothingIsFetched) {
  EXPECT_EQ(reason_of(fetch_outside("http://crl.example/", OutsidePolicy{}, resolve_to({"8.8.8.8"}))),
            "outside.host_not_allowed");
}

}  // namespace
}  // namespace muster::http
