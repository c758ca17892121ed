#include "attention_worker/engine/sequence.h"

#include <algorithm>

namespace sextant {

absl::Span<const std::int32_t> Sequence::Next(std::int64_t rows) const {
  const bool prompt = computed < prompt_length();
  const std::vector<std::int32_t>& ids = prompt ? request.prompt_ids : generated;
  const auto begin = static_cast<std::size_t>(prompt ? computed : computed - prompt_length());
  return absl::MakeConstSpan(ids).subspan(begin, static_cast<std::size_t>(rows));
}

std::optional<FinishReason> Sequence::Finish() const {
  const std::vector<std::int32_t>& stops = request.stop_ids;
  if (std::find(stops.begin(), stops.end(), generated.back()) != stops.end()) {
    return FinishReason::kStop;
  }
  const bool full = static_cast<std::int64_t>(generated.size()) == request.max_tokens;
  return full ? std::optional(FinishReason::kLength) : std::nullopt;
}

}  // namespace sextant
