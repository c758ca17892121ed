#include "tests/unit/cli/engine/emulated_ranks.h"

#include <gtest/gtest.h>

#include <optional>
#include <utility>

#include "kernels/cuda_module/cuda_kernels.h"

namespace sextant::cli {

EmulatedRanks::EmulatedRanks(const ModelConfig& model, const Checkpoint& checkpoint,
                             std::vector<RankRole> roles, const Sizes& sizes)
    : model_(model),
      sizes_(sizes),
      conductors_({.chosen = model.num_experts_per_tok,
                   .most_slot_rows = sizes.max_sequences,
                   .most_rows = sizes.max_batch_tokens}) {
  for (RankRole& role : roles) {
    auto member = std::make_unique<Member>();
    auto gpu = std::make_unique<EmulatedGpu>();
    member->gpu = gpu.get();
    member->link = std::make_unique<Link>(*this);
    const int slots =
        sizes.expert_slots > 0 ? sizes.expert_slots : static_cast<int>(role.experts.size());
    auto rank = DeviceRank::Open({.gpu = std::move(gpu), .kernels = &LinkedCudaKernels()}, model,
                                 checkpoint, *member->link,
                                 {.attends = role.attends,
                                  .expert_slots = slots,
                                  .most_ranks = static_cast<int>(roles.size()),
                                  .cache_tokens = sizes.cache_tokens,
                                  .max_batch_tokens = sizes.max_batch_tokens,
                                  .max_sequences = sizes.max_sequences});
    EXPECT_TRUE(rank.ok()) << rank.status();
    member->rank = *std::move(rank);
    member->link->stream = &member->rank->stream();
    member->role.attends = role.attends;
    members_.push_back(std::move(member));
    Assign(members_.size() - 1, std::move(role.experts));
  }
}

void EmulatedRanks::Assign(std::size_t index, std::vector<std::int32_t> experts) {
  const auto loaded = rank(index).LoadExperts(experts);
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  members_[index]->role.experts = std::move(experts);
}

void EmulatedRanks::Retire(std::size_t index) {
  rank(index).KeepExperts(members_[index]->role.experts);
}

EmulatedRanks::~EmulatedRanks() {
  Stop();
  // Communicators go before their network.
  members_.clear();
}

void EmulatedRanks::Enter(std::uint64_t epoch, const std::vector<std::size_t>& ranks) {
  std::vector<RankRole> roles;
  for (const std::size_t index : ranks) roles.push_back(members_[index]->role);
  auto layout = RankLayout::Make(static_cast<std::int32_t>(model_.n_routed_experts), roles);
  ASSERT_TRUE(layout.ok()) << layout.status();
  networks_.push_back(std::make_unique<FakeNetwork>(static_cast<int>(ranks.size())));
  {
    const std::lock_guard lock(mutex_);
    ranks_of_[epoch] = ranks;
    const auto begun =
        conductors_.Conduct({.number = epoch,
                             .attention_ranks = static_cast<int>(layout->attention_ranks().size()),
                             .expert_ranks = static_cast<int>(layout->expert_ranks().size())});
    ASSERT_TRUE(begun.ok()) << begun.status();
    ASSERT_FALSE(begun->has_value());
  }
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    Member& member = *members_[ranks[i]];
    std::shared_ptr<Communicator> communicator =
        networks_.back()->Join(static_cast<int>(i), *member.gpu);
    const absl::Status prepared =
        member.rank->exchange().Prepare({epoch, std::move(communicator), *layout});
    ASSERT_TRUE(prepared.ok()) << prepared;
  }
}

void EmulatedRanks::Switch(std::uint64_t epoch, std::uint64_t next) {
  const std::lock_guard lock(mutex_);
  const std::optional<LastStep> last = conductors_.Switch(epoch, next);
  ASSERT_TRUE(last.has_value());
  for (const std::size_t index : ranks_of_.at(epoch)) {
    const absl::Status heard = members_[index]->rank->exchange().gate().Hear(*last);
    EXPECT_TRUE(heard.ok()) << heard;
  }
}

void EmulatedRanks::WaitForStep(std::int64_t steps) {
  std::unique_lock lock(mutex_);
  begun_.wait(lock, [&] { return exact_steps_ + slot_steps_ >= steps; });
}

void EmulatedRanks::WaitForStepOf(std::uint64_t epoch, std::uint64_t number) {
  std::unique_lock lock(mutex_);
  begun_.wait(lock, [&] { return begun_of_[epoch] >= number; });
}

void EmulatedRanks::EndBefore(std::uint64_t next, const std::vector<std::size_t>& ranks) {
  {
    const std::lock_guard lock(mutex_);
    conductors_.EndBefore(next);
  }
  for (const std::size_t index : ranks) members_[index]->rank->exchange().Halt(next);
  for (const std::size_t index : ranks) members_[index]->rank->exchange().EndBefore(next);
}

void EmulatedRanks::Link::Send(const StepOffer& offer) {
  static_cast<void>(stream->Synchronize());  // a fault shows where the engine waits
  const std::lock_guard lock(all_.mutex_);
  const auto begun = all_.conductors_.Hear(offer);
  EXPECT_TRUE(begun.ok()) << begun.status();
  if (begun.ok() && begun->has_value()) all_.Tell(**begun);
}

void EmulatedRanks::Tell(const StepCall& call) {
  ++(call.step.form == RankStepForm::kExact ? exact_steps_ : slot_steps_);
  begun_of_[call.epoch] = call.step.number;
  begun_.notify_all();
  for (const std::size_t index : ranks_of_.at(call.epoch)) {
    const absl::Status heard = members_[index]->rank->exchange().gate().Hear(call);
    EXPECT_TRUE(heard.ok()) << heard;
  }
}

void EmulatedRanks::Run(std::size_t index, std::function<void()> body) {
  members_[index]->thread = std::thread(std::move(body));
}

std::int64_t EmulatedRanks::Serve(std::size_t index, std::int64_t steps) {
  std::int64_t served = 0;
  while (served != steps) {
    const absl::StatusOr<Served> turn = rank(index).exchange().Serve();
    if (absl::IsCancelled(turn.status())) return served;
    EXPECT_TRUE(turn.ok()) << turn.status();
    if (!turn.ok()) return served;
    if (*turn == Served::kStep) ++served;
  }
  return served;
}

void EmulatedRanks::Stop() {
  for (const auto& member : members_) member->rank->exchange().gate().Stop();
  for (const auto& member : members_) {
    if (member->thread.joinable()) member->thread.join();
  }
}

std::int64_t EmulatedRanks::exact_steps() {
  const std::lock_guard lock(mutex_);
  return exact_steps_;
}

std::int64_t EmulatedRanks::slot_steps() {
  const std::lock_guard lock(mutex_);
  return slot_steps_;
}

}  // namespace sextant::cli
