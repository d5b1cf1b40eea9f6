// SPDX-License-Identifier: Apache-2.0
#include "api/problem.h"

#include <gtest/gtest.h>

#include "api/rate_limiter.h"
#include "api/reasons.h"
#include "registry/reasons.h"

namespace muster::api {
namespace {

TEST(Problem, CodesAndSpecialReasonsBecomeStatuses) {
  EXPECT_EQ(http_status({ErrorCode::kInvalidArgument, "x", ""}), 400);
  EXPECT_EQ(http_status({ErrorCode::kUnauthenticated, "x", ""}), 401);
  EXPECT_EQ(http_status({ErrorCode::kPermissionDenied, "x", ""}), 403);
  EXPECT_EQ(http_status({ErrorCode::kNotFound, "x", ""}), 404);
  EXPECT_EQ(http_status({ErrorCode::kConflict, "x", ""}), 409);
  EXPECT_EQ(http_status({ErrorCode::kUnavailable, "x", ""}), 503);
  EXPECT_EQ(http_status({ErrorCode::kInvalidArgument, registry::kIdempotencyBodyDiffers, ""}), 422);
  EXPECT_EQ(http_status({ErrorCode::kFailedPrecondition, registry::kChangesReloadRequired, ""}), 410);
  EXPECT_EQ(http_status({ErrorCode::kResourceExhausted, reasons::kRateLimited, ""}), 429);
}

TEST(Problem, TellsItsReasonAndRequestButNotOurInside) {
  const auto told = to_problem({ErrorCode::kInvalidArgument, "csr.key_too_weak", "RSA 1024"}, "r1");
  const auto hidden = to_problem(internal_error("password of the database"), "r2");
  const auto database = to_problem({ErrorCode::kConflict, "database.conflict", "Key (name)=(x)"}, "r3");

  EXPECT_NE(told.body.find(R"("reason":"csr.key_too_weak","detail":"RSA 1024","request_id":"r1")"), std::string::npos);
  EXPECT_EQ(told.content_type, "application/problem+json");
  EXPECT_EQ(hidden.body.find("password"), std::string::npos);
  EXPECT_EQ(database.body.find("Key"), std::string::npos);
}

TEST(RateLimiter, AllowsABurstAndThenItsRate) {
  RateLimiter limiter{{10, 3}};
  const RateLimiter::Time start{};

  EXPECT_TRUE(limiter.take("a", start));
  EXPECT_TRUE(limiter.take("a", start));
  EXPECT_TRUE(limiter.take("a", start));
  EXPECT_FALSE(limiter.take("a", start));
  EXPECT_TRUE(limiter.take("b", start));
  EXPECT_TRUE(limiter.take("a", start + std::chrono::milliseconds{110}));
  EXPECT_FALSE(limiter.take("a", start + std::chrono::milliseconds{110}));
}

}  // namespace
}  // namespace muster::api
