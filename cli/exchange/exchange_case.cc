#include "cli/exchange/exchange_case.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/device/graph_rows.h"

namespace sextant::cli {

std::string NameOf(const ExchangeCase& of) {
  return absl::StrCat(of.form == RankStepForm::kSlots ? "decode " : "prefill ", of.rows);
}

std::vector<ExchangeCase> CasesOf(const std::vector<std::int64_t>& slot_rows,
                                  const std::vector<std::int64_t>& exact_rows) {
  std::vector<std::int64_t> slots = slot_rows;
  std::vector<std::int64_t> exact = exact_rows;
  for (std::int64_t& rows : slots) {
    rows = GraphRows(rows, *std::max_element(slot_rows.begin(), slot_rows.end()));
  }
  std::vector<ExchangeCase> cases;
  const auto add = [&cases](std::vector<std::int64_t>& sizes, RankStepForm form) {
    std::sort(sizes.begin(), sizes.end());
    sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
    for (const std::int64_t rows : sizes) cases.push_back({.form = form, .rows = rows});
  };
  add(slots, RankStepForm::kSlots);
  add(exact, RankStepForm::kExact);
  return cases;
}

}  // namespace sextant::cli
