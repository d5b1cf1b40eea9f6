// SPDX-License-Identifier: Apache-2.0
#include "http/request_parser.h"

#include <gtest/gtest.h>

#include "http/reasons.h"
#include "http/router.h"
#include "http/target.h"

namespace muster::http {
namespace {

using Step = RequestParser::Step;

// Feeds `text` in pieces of `size` octets and takes bodies of up to 100.
Step parse(RequestParser& parser, std::string_view text, std::size_t size = 1'000) {
  Step step = Step::kNeedMore;
  for (; !text.empty(); text.remove_prefix(std::min(size, text.size()))) {
    parser.feed(text.substr(0, size));
    step = parser.step();
    if (step == Step::kHeadComplete) {
      auto begun = parser.begin_body(BodyStorage::kMemory, 100);
      if (!begun.ok()) return Step::kFailed;
      step = parser.step();
    }
    if (step == Step::kFailed) return step;
  }
  return step;
}

TEST(RequestParser, ReadsARequestInPiecesOfOneOctet) {
  RequestParser parser{{}};

  const Step step = parse(parser, "POST /v1/a%20b?x=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", 1);

  ASSERT_EQ(step, Step::kComplete);
  EXPECT_EQ(parser.request().method, "POST");
  EXPECT_EQ(parser.request().segments, (std::vector<std::string>{"v1", "a b"}));
  EXPECT_EQ(parser.request().query.at("x"), "1");
  EXPECT_EQ(*parser.request().body.view(), "abc");
  EXPECT_TRUE(parser.keep_alive());
}

TEST(RequestParser, ReadsChunksAndTheRequestBehindThem) {
  RequestParser parser{{}};

  ASSERT_EQ(parse(parser,
                  "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n"),
            Step::kComplete);
  EXPECT_EQ(*parser.request().body.view(), "abcde");
  parser.reset();

  ASSERT_EQ(parser.step(), Step::kHeadComplete);
  EXPECT_EQ(parser.request().target, "/next");
}

struct Refused {
  std::string_view name;
  std::string_view text;
  std::string_view reason;
};

class RequestParserRefuses : public testing::TestWithParam<Refused> {};

TEST_P(RequestParserRefuses, WithItsReason) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{1'000}}) {
    RequestParser parser{{}};
    ASSERT_EQ(parse(parser, GetParam().text, size), Step::kFailed);
    EXPECT_EQ(parser.take_error().reason, GetParam().reason);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, RequestParserRefuses,
    testing::Values(
        Refused{"NoHost", "GET / HTTP/1.1\r\n\r\n", reasons::kMalformed},
        Refused{"TwoHosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", reasons::kMalformed},
        Refused{"Http2", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", reasons::kVersionUnsupported},
        Refused{"SpaceBeforeColon", "GET / HTTP/1.1\r\nHost : h\r\n\r\n", reasons::kMalformed},
        Refused{"FoldedLine", "GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n", reasons::kMalformed},
        Refused{"BareLineFeedInValue", "GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n", reasons::kMalformed},
        Refused{"TwoLengths", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
                reasons::kMalformed},
        Refused{"SignedLength", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\n", reasons::kMalformed},
        Refused{"LengthAndChunked",
                "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                reasons::kMalformed},
        Refused{"OtherCoding", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                reasons::kMalformed},
        Refused{"Compressed", "POST / HTTP/1.1\r\nHost: h\r\nContent-Encoding: gzip\r\n\r\n",
                reasons::kEncodingUnsupported},
        Refused{"ChunkSizeNotHex", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                reasons::kMalformed},
        Refused{"ChunkTooLong", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n",
                reasons::kBodyTooLarge},
        Refused{"ChunkEndMissing", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc",
                reasons::kMalformed},
        Refused{"AbsoluteForm", "GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n", reasons::kTargetInvalid},
        Refused{"EncodedNul", "GET /a%00 HTTP/1.1\r\nHost: h\r\n\r\n", reasons::kTargetInvalid}),
    [](const auto& refused) { return std::string{refused.param.name}; });

TEST(RequestParser, RefusesADeclaredBodyOverTheLimitBeforeReadingIt) {
  RequestParser parser{{}};
  parser.feed("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n");
  ASSERT_EQ(parser.step(), Step::kHeadComplete);

  EXPECT_EQ(parser.begin_body(BodyStorage::kMemory, 100).error().reason, reasons::kBodyTooLarge);
}

TEST(RequestParser, BoundsTheHeaderSectionWhileItArrives) {
  RequestParser parser{{}};
  parser.feed("GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(20'000, 'x'));
  EXPECT_EQ(parser.step(), Step::kFailed);
  EXPECT_EQ(parser.take_error().reason, reasons::kHeadersTooLarge);

  RequestParser line{{}};
  line.feed("GET /" + std::string(9'000, 'x'));
  EXPECT_EQ(line.step(), Step::kFailed);
  EXPECT_EQ(line.take_error().reason, reasons::kTargetTooLong);
}

TEST(RequestParser, ABodyInAFileReadsTheSame) {
  RequestParser parser{{}};
  parser.feed("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
  ASSERT_EQ(parser.step(), Step::kHeadComplete);
  ASSERT_TRUE(parser.begin_body(BodyStorage::kFile, 100).ok());

  ASSERT_EQ(parser.step(), Step::kComplete);
  EXPECT_EQ(*parser.request().body.view(), "hello");
}

TEST(Target, IsDecodedStrictly) {
  EXPECT_TRUE(parse_target("/a/b%C3%A9?q=a+b&r=%2B").ok());
  EXPECT_EQ(parse_target("/?q=a+b")->query.at("q"), "a b");
  for (const char* bad : {"", "a", "/a//b", "/%", "/%4", "/%zz", "/a%2Fb", "/%ff", "/%C0%80", "/a%0a", "/a#b", "*"}) {
    ASSERT_FALSE(parse_target(bad).ok()) << bad;
    EXPECT_EQ(parse_target(bad).error().reason, reasons::kTargetInvalid) << bad;
  }
  for (const char* bad : {"/?a=1&a=2", "/?=1", "/?a=%", "/?a=%ff"}) {
    ASSERT_FALSE(parse_target(bad).ok()) << bad;
    EXPECT_EQ(parse_target(bad).error().reason, reasons::kQueryInvalid) << bad;
  }
}

Route route(const std::string& method, const std::string& pattern) {
  Route made;
  made.method = method;
  made.pattern = pattern;
  return made;
}

TEST(Router, PrefersLiteralsAndNamesParameters) {
  Router router;
  router.add(route("GET", "/v1/edges/{edge}"));
  router.add(route("GET", "/v1/edges/special"));
  router.add(route("DELETE", "/v1/edges/{edge}"));

  const auto special = router.match("GET", {"v1", "edges", "special"});
  const auto other = router.match("GET", {"v1", "edges", "a"});

  EXPECT_EQ(special.route->pattern, "/v1/edges/special");
  EXPECT_EQ(other.parameters.at("edge"), "a");
  EXPECT_EQ(router.match("HEAD", {"v1", "edges", "a"}).route, other.route);
}

TEST(Router, TellsTheMethodsOfAKnownPathOnly) {
  Router router;
  router.add(route("GET", "/a"));
  router.add(route("POST", "/a"));

  EXPECT_EQ(router.match("DELETE", {"a"}).route, nullptr);
  EXPECT_EQ(router.match("DELETE", {"a"}).allow, "GET, HEAD, POST");
  EXPECT_EQ(router.match("GET", {"b"}).allow, "");
}

}  // namespace
}  // namespace muster::http
