#include "cli/plan/card.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace sextant::cli {

const std::vector<Card>& KnownCards() {
  // NVIDIA A100 Tensor Core GPU data sheet, SXM columns: 1,555 and 2,039 GB/s, 312 TFLOPS of dense
  // bf16, NVLink 600 GB/s both ways together. NVIDIA H100 and H200 data sheets, SXM columns: 3.35
  // and 4.8 TB/s, 1,979 TFLOPS of bf16 with sparsity, which is 989 without, NVLink 900 GB/s.
  static const auto* const cards = new std::vector<Card>{{.name = "a100-40g",
                                                          .memory_bytes = std::int64_t{40} << 30,
                                                          .read_bytes_per_s = 1.555e12,
                                                          .product_flops_per_s = 312e12,
                                                          .link_bytes_per_s = 300e9},
                                                         {.name = "a100-80g",
                                                          .memory_bytes = std::int64_t{80} << 30,
                                                          .read_bytes_per_s = 2.039e12,
                                                          .product_flops_per_s = 312e12,
                                                          .link_bytes_per_s = 300e9},
                                                         {.name = "h100",
                                                          .memory_bytes = std::int64_t{80} << 30,
                                                          .read_bytes_per_s = 3.35e12,
                                                          .product_flops_per_s = 989e12,
                                                          .link_bytes_per_s = 450e9},
                                                         {.name = "h200",
                                                          .memory_bytes = std::int64_t{141} << 30,
                                                          .read_bytes_per_s = 4.8e12,
                                                          .product_flops_per_s = 989e12,
                                                          .link_bytes_per_s = 450e9}};
  return *cards;
}

std::string CardNames() {
  return absl::StrJoin(KnownCards(), ", ",
                       [](std::string* out, const Card& card) { out->append(card.name); });
}

absl::StatusOr<Card> FindCard(absl::string_view name) {
  for (const Card& card : KnownCards()) {
    if (card.name == name) return card;
  }
  return absl::InvalidArgumentError(absl::StrCat("\"", name, "\" is not a known card; use ",
                                                 CardNames(),
                                                 ", or give --memory, --bandwidth and --compute"));
}

}  // namespace sextant::cli
