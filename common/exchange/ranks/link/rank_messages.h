// What ranks and conductors say to each other, as sextant.v1.Ranks carries it.
//
// Messages are taken as bytes and parsed here, so that garbage is told from the end of a stream.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/exchange/ranks/conductor_host.h"
#include "common/exchange/ranks/step_messages.h"
#include "proto/sextant/v1/ranks.pb.h"

namespace sextant {

// Full name of the method whose messages these are.
inline constexpr char kAttendMethod[] = "/sextant.v1.Ranks/Attend";

[[nodiscard]] v1::RankMessage HelloMessage(const RankSeat& seat, std::uint64_t heard);
[[nodiscard]] v1::RankMessage OfferMessage(const StepOffer& offer);
[[nodiscard]] v1::RankMessage HeardLastMessage();
[[nodiscard]] v1::ConductorMessage CallMessage(const StepCall& call);
[[nodiscard]] v1::ConductorMessage LastMessage(const LastStep& last);

[[nodiscard]] RankSeat ToSeat(const v1::RankHello& hello);
// Without epoch and attention rank, which the stream has said.
[[nodiscard]] StepOffer ToOffer(const v1::RankOffer& offer);
// Errors: InvalidArgument for no form, and for negative numbers.
[[nodiscard]] absl::StatusOr<StepCall> ToCall(std::uint64_t epoch, const v1::RankCall& call);
[[nodiscard]] LastStep ToLast(std::uint64_t epoch, const v1::RankLastStep& last);

[[nodiscard]] grpc::ByteBuffer ToBytes(const v1::RankMessage& message);
[[nodiscard]] grpc::ByteBuffer ToBytes(const v1::ConductorMessage& message);
// Errors: InvalidArgument for bytes that are none, and for more of them than a rank has to say.
[[nodiscard]] absl::StatusOr<v1::RankMessage> ParseRankMessage(grpc::ByteBuffer& bytes);
[[nodiscard]] absl::StatusOr<v1::ConductorMessage> ParseConductorMessage(grpc::ByteBuffer& bytes);

}  // namespace sextant
