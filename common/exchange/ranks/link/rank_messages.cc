#include "common/exchange/ranks/link/rank_messages.h"

#include <grpcpp/impl/codegen/proto_utils.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"

namespace sextant {
namespace {

constexpr std::size_t kMostRankBytes = 256;

template <typename Message>
grpc::ByteBuffer Serialize(const Message& message) {
  grpc::ByteBuffer bytes;
  bool own = false;
  CHECK(grpc::SerializationTraits<Message>::Serialize(message, &bytes, &own).ok());
  return bytes;
}

template <typename Message>
absl::StatusOr<Message> Parse(grpc::ByteBuffer& bytes) {
  Message message;
  if (grpc::SerializationTraits<Message>::Deserialize(&bytes, &message).ok()) return message;
  return absl::InvalidArgumentError(
      absl::StrCat("the bytes are no ", Message::descriptor()->name()));
}

}  // namespace

v1::RankMessage HelloMessage(const RankSeat& seat, std::uint64_t heard) {
  v1::RankMessage message;
  v1::RankHello& hello = *message.mutable_hello();
  hello.set_epoch(seat.epoch);
  hello.set_rank(seat.rank);
  hello.set_attempt(seat.attempt);
  hello.set_heard(heard);
  return message;
}

v1::RankMessage OfferMessage(const StepOffer& offer) {
  v1::RankMessage message;
  message.mutable_offer()->set_step(offer.step);
  message.mutable_offer()->set_rows(offer.rows);
  message.mutable_offer()->set_exact(offer.exact);
  return message;
}

v1::RankMessage HeardLastMessage() {
  v1::RankMessage message;
  message.mutable_heard_last();
  return message;
}

v1::ConductorMessage CallMessage(const StepCall& call) {
  v1::ConductorMessage message;
  v1::RankCall& to = *message.mutable_call();
  to.set_step(call.step.number);
  to.set_form(call.step.form == RankStepForm::kExact ? v1::RANK_CALL_FORM_EXACT
                                                     : v1::RANK_CALL_FORM_SLOTS);
  to.set_slot_rows(call.step.slot_rows);
  to.set_slot_pairs(call.step.slot_pairs);
  to.mutable_rows()->Add(call.rows.begin(), call.rows.end());
  return message;
}

v1::ConductorMessage LastMessage(const LastStep& last) {
  v1::ConductorMessage message;
  message.mutable_last()->set_step(last.step);
  message.mutable_last()->set_next(last.next);
  return message;
}

RankSeat ToSeat(const v1::RankHello& hello) {
  return {.epoch = hello.epoch(), .rank = hello.rank(), .attempt = hello.attempt()};
}

StepOffer ToOffer(const v1::RankOffer& offer) {
  return {.epoch = 0,
          .step = offer.step(),
          .attention = 0,
          .rows = offer.rows(),
          .exact = offer.exact()};
}

absl::StatusOr<StepCall> ToCall(std::uint64_t epoch, const v1::RankCall& call) {
  const bool exact = call.form() == v1::RANK_CALL_FORM_EXACT;
  if (!exact && call.form() != v1::RANK_CALL_FORM_SLOTS) {
    return absl::InvalidArgumentError(
        absl::StrCat("a step of form ", static_cast<int>(call.form())));
  }
  const bool negative = call.slot_rows() < 0 || call.slot_pairs() < 0 ||
                        std::any_of(call.rows().begin(), call.rows().end(),
                                    [](std::int64_t rows) { return rows < 0; });
  if (negative) return absl::InvalidArgumentError("a step of fewer than no rows");
  return StepCall{.epoch = epoch,
                  .step = {.number = call.step(),
                           .form = exact ? RankStepForm::kExact : RankStepForm::kSlots,
                           .slot_rows = call.slot_rows(),
                           .slot_pairs = call.slot_pairs()},
                  .rows = {call.rows().begin(), call.rows().end()}};
}

LastStep ToLast(std::uint64_t epoch, const v1::RankLastStep& last) {
  return {.epoch = epoch, .step = last.step(), .next = last.next()};
}

grpc::ByteBuffer ToBytes(const v1::RankMessage& message) { return Serialize(message); }
grpc::ByteBuffer ToBytes(const v1::ConductorMessage& message) { return Serialize(message); }

absl::StatusOr<v1::RankMessage> ParseRankMessage(grpc::ByteBuffer& bytes) {
  if (bytes.Length() > kMostRankBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(bytes.Length(), " bytes; at most ", kMostRankBytes, " make sense"));
  }
  return Parse<v1::RankMessage>(bytes);
}

absl::StatusOr<v1::ConductorMessage> ParseConductorMessage(grpc::ByteBuffer& bytes) {
  return Parse<v1::ConductorMessage>(bytes);
}

}  // namespace sextant
