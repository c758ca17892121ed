// Sequences whose next row depends on what the last one became, and what they became so far. Shared
// by the ranks, as a cluster's router has them: a sequence goes on elsewhere when its rank is gone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/unit/common/exchange/ranks/simulated_step.h"

namespace sextant {

class SimulatedSequence {
 public:
  // `prompt` rows in the first step, at least one, then `generated` steps of one row.
  SimulatedSequence(int id, bool hot, int prompt, int generated)
      : prompt_(static_cast<std::size_t>(prompt)),
        length_(static_cast<std::size_t>(prompt + generated)) {
    const std::uint64_t seed = static_cast<std::uint64_t>(id + 1) << 20;
    for (std::uint64_t i = 0; i < prompt_; ++i) first_.push_back(seed + i + (hot ? kHotRow : 0));
  }

  [[nodiscard]] std::size_t left() const { return length_ - results_.size(); }
  [[nodiscard]] bool done() const { return left() == 0; }

  // The rows of its next step; of those results follow. Many take the exact form.
  [[nodiscard]] std::vector<std::uint64_t> Next() const {
    if (results_.empty()) return first_;
    return {results_.back()};
  }
  void Append(std::uint64_t result) { results_.push_back(result); }

  // Empty: it became what it becomes alone.
  [[nodiscard]] std::string Problem() const {
    std::uint64_t row = 0;
    for (std::size_t i = 0; i < results_.size(); ++i) {
      row = ComputeAlone(i < prompt_ ? first_[i] : row);
      if (results_[i] != row) return absl::StrCat("result ", i, " is not what it is alone");
    }
    return done() ? "" : absl::StrCat(results_.size(), " of ", length_, " results");
  }

 private:
  std::size_t prompt_;
  std::size_t length_;
  std::vector<std::uint64_t> first_;
  std::vector<std::uint64_t> results_;
};

// What a rank offers: the next rows of some sequences.
struct SimulatedBatch {
  struct Part {
    std::size_t sequence = 0;
    std::size_t rows = 0;
  };
  std::vector<Part> parts;
  std::size_t rows = 0;
  bool exact = false;

  [[nodiscard]] bool empty() const { return parts.empty(); }

  // The part of a sequence; null if it has none.
  [[nodiscard]] const Part* Find(std::size_t sequence, std::size_t* first_row) const {
    *first_row = 0;
    for (const Part& part : parts) {
      if (part.sequence == sequence) return &part;
      *first_row += part.rows;
    }
    return nullptr;
  }

  // Nothing happens where there would be more than `most` rows.
  void Add(const Part& part, std::int64_t most) {
    if (rows + part.rows > static_cast<std::size_t>(most)) return;
    parts.push_back(part);
    rows += part.rows;
    exact = exact || part.rows > 1;
  }

  // What the rows became.
  void Apply(const std::vector<std::uint64_t>& results, std::vector<SimulatedSequence>& all) const {
    std::size_t row = 0;
    for (const Part& part : parts) {
      for (std::size_t i = 0; i < part.rows; ++i) all[part.sequence].Append(results[row++]);
    }
  }
};

}  // namespace sextant
