// What `sextant bench exchange` measures, and what one rank has measured of it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "common/exchange/ranks/rank_step.h"

namespace sextant::cli {

struct ExchangeCase {
  RankStepForm form = RankStepForm::kSlots;
  std::int64_t rows = 0;  // of each rank that attends

  friend bool operator==(const ExchangeCase&, const ExchangeCase&) = default;
};

// "decode 32", "prefill 512".
[[nodiscard]] std::string NameOf(const ExchangeCase& of);

// Steps in slots of so many rows, each once, in the sizes that a step is captured in
// (common/device/graph_rows.h), and steps in exact form; ascending.
[[nodiscard]] std::vector<ExchangeCase> CasesOf(const std::vector<std::int64_t>& slot_rows,
                                                const std::vector<std::int64_t>& exact_rows);

enum class Way : std::uint8_t { kExchange, kPlain, kAllToAll };
inline constexpr int kWays = 3;

// Seconds, on a rank that attends; a rank that does not has none.
struct WayTimes {
  // [rounds, layers]: until rows have come to their experts as far as this rank can tell, and until
  // outputs are back.
  std::vector<double> dispatch_s;
  std::vector<double> combine_s;
  // [rounds]: of a layer, the mean of a step's, without moments in between.
  std::vector<double> layer_s;
};

// Of one group of messages at one rank.
struct GroupBytes {
  std::int64_t sent = 0;      // to other ranks
  std::int64_t received = 0;  // of other ranks
  std::int64_t kept = 0;      // to itself

  friend bool operator==(const GroupBytes&, const GroupBytes&) = default;
};

struct CaseOfRank {
  ExchangeCase of;
  GroupBytes dispatch;
  GroupBytes combine;
  std::array<WayTimes, kWays> ways;  // by Way
};

}  // namespace sextant::cli
