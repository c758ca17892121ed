#include "common/exchange/ranks/conductors.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace sextant {
namespace {

// Each attention rank makes two offers at most before the first step, for one epoch or a few.
constexpr std::size_t kMostEarlyOffers = 4096;

}  // namespace

absl::StatusOr<std::optional<StepCall>> Conductors::Conduct(const ConductedEpoch& epoch) {
  if (epoch.number < first_) return std::nullopt;
  const auto [it, is_new] = conductors_.try_emplace(epoch.number, epoch, limits_);
  if (!is_new) return std::nullopt;

  std::optional<StepCall> begun;
  for (const StepOffer& offer : early_) {
    if (offer.epoch != epoch.number) continue;
    ASSIGN_OR_RETURN(std::optional<StepCall> call, it->second.Hear(offer));
    if (call.has_value()) begun = std::move(call);
  }
  std::erase_if(early_, [&](const StepOffer& offer) { return offer.epoch == epoch.number; });
  return begun;
}

absl::StatusOr<std::optional<StepCall>> Conductors::Hear(const StepOffer& offer) {
  if (offer.epoch < first_) return std::nullopt;
  const auto found = conductors_.find(offer.epoch);
  if (found != conductors_.end()) return found->second.Hear(offer);
  if (early_.size() == kMostEarlyOffers) {
    return absl::ResourceExhaustedError(
        absl::StrCat(early_.size(), " offers for epochs that nobody conducts here"));
  }
  early_.push_back(offer);
  return std::nullopt;
}

std::optional<LastStep> Conductors::Switch(std::uint64_t epoch, std::uint64_t next) {
  const auto found = conductors_.find(epoch);
  if (found == conductors_.end()) return std::nullopt;
  const LastStep last = found->second.Close(next);
  EndBefore(next);
  return last;
}

void Conductors::EndBefore(std::uint64_t next) {
  first_ = std::max(first_, next);
  std::erase_if(conductors_, [this](const auto& entry) { return entry.first < first_; });
  std::erase_if(early_, [this](const StepOffer& offer) { return offer.epoch < first_; });
}

}  // namespace sextant
