// Whether every expert has somebody who computes it.
#pragma once

#include <cstdint>
#include <vector>

namespace sextant {

struct ExpertCover {
  // The experts that no live worker holds, ascending: for a moment those of a worker that has just
  // died, and all while no expert worker is there. Empty before the first worker has joined, for
  // nobody knows then how many there are; while a whole worker runs, which holds them all; and
  // while no attention worker is there that would need them, nor, after the first epoch, an expert
  // worker.
  std::vector<std::int32_t> missing = {};
  // Expert workers that have died with experts in the epoch in force; ascending.
  std::int64_t holders_lost = 0;
  // Workers that compute sequences and have joined, ready or not.
  std::int64_t attention_workers = 0;

  friend bool operator==(const ExpertCover&, const ExpertCover&) = default;
};

}  // namespace sextant
