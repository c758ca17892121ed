#include "cli/plan/exchange_time.h"

#include <algorithm>
#include <array>

#include "cli/plan/routing.h"
#include "common/base/check.h"

namespace sextant::cli {
namespace {

constexpr double kBf16Bytes = 2;

// Bytes of one exchange on the two links of every rank.
class LinkLoads {
 public:
  explicit LinkLoads(const Cluster& cluster)
      : cluster_(cluster), sent_(cluster.ranks.size()), received_(cluster.ranks.size()) {}

  void Add(std::size_t from, std::size_t to, double bytes) {
    const std::size_t link = cluster_.ranks[from].node == cluster_.ranks[to].node ? 0 : 1;
    sent_[from][link] += bytes;
    received_[to][link] += bytes;
  }

  [[nodiscard]] double Seconds() const {
    const std::array<double, 2> rates = {cluster_.card.link_bytes_per_s,
                                         cluster_.network_bytes_per_s};
    double seconds = 0;
    for (const auto* side : {&sent_, &received_}) {
      for (const auto& links : *side) {
        for (std::size_t link = 0; link < links.size(); ++link) {
          if (links[link] > 0) seconds = std::max(seconds, links[link] / rates[link]);
        }
      }
    }
    return seconds;
  }

 private:
  const Cluster& cluster_;
  std::vector<std::array<double, 2>> sent_;
  std::vector<std::array<double, 2>> received_;
};

}  // namespace

ExchangeTime TimeOfExchange(const ModelConfig& config, const Cluster& cluster,
                            const std::vector<double>& rows) {
  CHECK_EQ(rows.size(), cluster.ranks.size());
  const Routing routing = {.experts = config.n_routed_experts,
                           .chosen = config.num_experts_per_tok};
  const double row_bytes = kBf16Bytes * static_cast<double>(config.hidden_size);
  LinkLoads out(cluster);
  LinkLoads back(cluster);
  for (std::size_t holder = 0; holder < cluster.ranks.size(); ++holder) {
    const std::int64_t held = cluster.ranks[holder].experts;
    if (held == 0) continue;
    const double hit = HitProbability(routing, held);
    const double outputs = static_cast<double>(routing.chosen * held) /
                           static_cast<double>(routing.experts);  // of a row, on average
    for (std::size_t rank = 0; rank < rows.size(); ++rank) {
      if (rank == holder || rows[rank] == 0) continue;
      out.Add(rank, holder, rows[rank] * hit * row_bytes);
      back.Add(holder, rank, rows[rank] * outputs * row_bytes);
    }
  }
  return {.out_s = out.Seconds(), .back_s = back.Seconds()};
}

}  // namespace sextant::cli
