#include "cli/exchange/known_rows.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>

namespace sextant::cli {
namespace {

constexpr std::int64_t kValuesOfADraw = sizeof(PhiloxCounter) / sizeof(Bf16);

}  // namespace

KnownRows::KnownRows(const ModelConfig& model, std::uint64_t seed)
    : hidden_(model.hidden_size),
      chosen_(model.num_experts_per_tok),
      experts_(model.n_routed_experts),
      key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)} {}

std::vector<std::int32_t> KnownRows::ExpertIds(int attention, std::int64_t rows) const {
  std::vector<std::int32_t> ids;
  ids.reserve(static_cast<std::size_t>(rows * chosen_));
  std::vector<std::int32_t> left(static_cast<std::size_t>(experts_));
  for (std::int64_t row = 0; row < rows; ++row) {
    std::iota(left.begin(), left.end(), 0);
    // Fisher and Yates's shuffle, as far as it is needed.
    for (std::int64_t k = 0; k < chosen_; ++k) {
      const PhiloxCounter draw = Philox4x32(
          {static_cast<std::uint32_t>(Kind::kChoices), static_cast<std::uint32_t>(attention),
           static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(k)},
          key_);
      const auto choices = static_cast<std::uint64_t>(experts_ - k);
      const auto other = static_cast<std::size_t>(k) +
                         static_cast<std::size_t>((std::uint64_t{draw[0]} * choices) >> 32);
      std::swap(left[static_cast<std::size_t>(k)], left[other]);
      ids.push_back(left[static_cast<std::size_t>(k)]);
    }
  }
  return ids;
}

std::vector<Bf16> KnownRows::Rows(int attention, std::int64_t rows) const {
  std::vector<Bf16> values(static_cast<std::size_t>(rows * hidden_));
  for (std::int64_t row = 0; row < rows; ++row) {
    Write(Kind::kRow, static_cast<std::uint32_t>(attention), static_cast<std::uint32_t>(row),
          values.data() + row * hidden_);
  }
  return values;
}

std::vector<Bf16> KnownRows::Outputs(absl::Span<const std::int32_t> experts) const {
  std::vector<Bf16> values(experts.size() * static_cast<std::size_t>(hidden_));
  Bf16* to = values.data();
  for (const std::int32_t expert : experts) {
    Write(Kind::kOutput, 0, static_cast<std::uint32_t>(expert), to);
    to += hidden_;
  }
  return values;
}

void KnownRows::Write(Kind kind, std::uint32_t owner, std::uint32_t index, Bf16* values) const {
  for (std::int64_t first = 0; first < hidden_; first += kValuesOfADraw) {
    const PhiloxCounter draw = Philox4x32(
        {static_cast<std::uint32_t>(kind), owner, index, static_cast<std::uint32_t>(first)}, key_);
    const std::int64_t count = std::min(kValuesOfADraw, hidden_ - first);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::uint32_t word = draw[static_cast<std::size_t>(i / 2)];
      values[first + i].bits = static_cast<std::uint16_t>(i % 2 == 0 ? word : word >> 16);
    }
  }
}

}  // namespace sextant::cli
