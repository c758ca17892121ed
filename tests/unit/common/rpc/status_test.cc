#include "common/rpc/status.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "common/errors/error_details.h"

namespace sextant {
namespace {

TEST(RpcStatusTest, DetailsSurviveTheWire) {
  absl::Status status = FieldError("params.n", "is 17; ask for 1 to 16");
  status = WithField(std::move(status), "params");
  status = WithRetryDelay(std::move(status), absl::Milliseconds(1500));
  status = WithReason(std::move(status), "QUEUE_FULL", {{"capacity", "256"}});
  status = WithRequestId(std::move(status), "r-1");

  const absl::Status back = FromGrpc(ToGrpc(status));

  EXPECT_EQ(back.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(back.message(), "params.n: is 17; ask for 1 to 16");
  ASSERT_EQ(FieldProblems(back).size(), 2U);
  EXPECT_EQ(FieldProblems(back)[0].field, "params.n");
  EXPECT_EQ(FieldProblems(back)[0].description, "is 17; ask for 1 to 16");
  EXPECT_EQ(RetryDelay(back), absl::Milliseconds(1500));
  EXPECT_EQ(Reason(back), "QUEUE_FULL");
  EXPECT_EQ(RequestId(back), "r-1");
}

TEST(RpcStatusTest, WhatPeersWouldNotTakeIsCutAndSaysSo) {
  const absl::Status status =
      WithReason(absl::NotFoundError(
                     absl::StrCat(std::string(1023, 'x'), "\u00e9", std::string(1 << 20, 'y'))),
                 "NO_WORKER", {{"worker_id", std::string(1 << 20, 'z')}});

  const grpc::Status sent = ToGrpc(WithRequestId(status, "r-1"));

  EXPECT_EQ(sent.error_message(), absl::StrCat(std::string(1023, 'x'), "... (cut, 1049601 bytes)"));
  EXPECT_LT(sent.error_details().size(), 2048U);
  EXPECT_EQ(RequestId(FromGrpc(sent)), "r-1");
}

TEST(RpcStatusTest, OkStaysOk) {
  EXPECT_TRUE(ToGrpc(WithReason(absl::OkStatus(), "NONE")).ok());
  EXPECT_TRUE(FromGrpc(grpc::Status::OK).ok());
}

TEST(RpcStatusTest, CodesThatGrpcDoesNotDefineBecomeUnknown) {
  const grpc::Status strange(static_cast<grpc::StatusCode>(20), "from elsewhere");
  EXPECT_EQ(FromGrpc(strange).code(), absl::StatusCode::kUnknown);
}

TEST(RpcStatusTest, GarbageInTheTrailerIsNoDetail) {
  const absl::Status status =
      FromGrpc(grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone", "\xFF\xFF not a message"));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(Reason(status).has_value());
}

}  // namespace
}  // namespace sextant
