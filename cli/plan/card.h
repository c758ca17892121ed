// What a GPU can do at best, from its data sheet or as measured.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sextant::cli {

struct Card {
  std::string name = {};
  std::int64_t memory_bytes = 0;
  double read_bytes_per_s = 0;     // of its memory
  double product_flops_per_s = 0;  // dense bf16, two operations for each multiply-add
  double link_bytes_per_s = 0;     // to the other GPUs of its node, in one direction; 0: not known
};

// The cards that have a name here, all of them on NVIDIA's SXM boards. Memory is the number of the
// data sheet in GiB, which is within 1.5% of what CUDA reports for each.
[[nodiscard]] const std::vector<Card>& KnownCards();

// Their names, with commas between.
[[nodiscard]] std::string CardNames();

// Errors: InvalidArgument naming the known cards.
[[nodiscard]] absl::StatusOr<Card> FindCard(absl::string_view name);

}  // namespace sextant::cli
