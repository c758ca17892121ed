// A model of whole numbers whose experts are spread over the ranks of an epoch, and a step of one
// rank through its layers, exchange by exchange. Nobody waits: Advance says that it would.
//
// What a row becomes in a layer depends on the row, the layer, its experts and their order; so a
// row that is lost, mixed up with another one or computed by the wrong expert ends as another
// number.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "common/exchange/ranks/rank_layout.h"
#include "common/exchange/ranks/rank_step.h"

namespace sextant {

inline constexpr int kSimulatedLayers = 2;
inline constexpr std::int32_t kSimulatedExperts = 24;
inline constexpr int kSimulatedChosen = 6;
// Rows with this bit all choose the same experts, so that they do not fit into slots.
inline constexpr std::uint64_t kHotRow = std::uint64_t{1} << 63;

// What the row becomes in all layers, with all experts at hand.
[[nodiscard]] std::uint64_t ComputeAlone(std::uint64_t row);

// The ranks of an epoch and what is on its way between them.
class SimulatedEpoch {
 public:
  SimulatedEpoch(std::uint64_t number, RankLayout layout, std::vector<int> processes);

  [[nodiscard]] std::uint64_t number() const { return number_; }
  [[nodiscard]] const RankLayout& layout() const { return layout_; }
  // [N]: where each rank lives.
  [[nodiscard]] const std::vector<int>& processes() const { return processes_; }
  [[nodiscard]] int RankOf(int process) const;       // -1: not a member
  [[nodiscard]] int AttentionOf(int process) const;  // likewise, for one that does not attend
  [[nodiscard]] int conductor() const;               // the process

 private:
  friend class SimulatedStep;

  // Of one layer from one rank to another: rows, or the outputs for them.
  struct Packet {
    RankStep step;
    int layer = 0;
    bool outputs = false;
    bool garbage = false;  // of a rank that was aborted
    std::vector<std::uint64_t> values;
    std::vector<std::int32_t> locals;  // [rows, K], -1: not there
  };
  std::vector<Packet>& Box(int from, int to) {
    return boxes_[static_cast<std::size_t>(from * layout_.size() + to)];
  }

  std::uint64_t number_;
  RankLayout layout_;
  std::vector<int> processes_;
  std::vector<std::vector<ExpertSeat>> seats_;  // [A][E]
  std::vector<std::vector<Packet>> boxes_;      // [N, N]
};

class SimulatedStep {
 public:
  // `epoch` and `violations` outlive this.
  SimulatedStep(SimulatedEpoch& epoch, int rank, const RankStep& step,
                std::vector<std::uint64_t> rows, std::vector<std::string>& violations);

  // Does the next thing; false when another rank has to do something first.
  bool Advance();
  // Its rank was aborted: nobody is waited for, nothing is computed, and the others take what was
  // not sent for sent.
  void RunOut();

  [[nodiscard]] bool finished() const { return layer_ == kSimulatedLayers; }
  [[nodiscard]] bool begun() const { return layer_ > 0 || phase_ != Phase::kSend; }
  [[nodiscard]] bool overflowed() const { return overflowed_; }
  // It has got something that nobody has sent.
  [[nodiscard]] bool garbled() const { return garbled_; }
  [[nodiscard]] const std::vector<std::uint64_t>& rows() const { return rows_; }
  [[nodiscard]] const RankStep& step() const { return step_; }

 private:
  using Packet = SimulatedEpoch::Packet;
  enum class Phase : std::uint8_t { kSend, kCompute, kCombine };
  struct Place {
    std::int32_t destination = 0;
    std::int32_t pair = -1;  // -1: it did not fit
  };
  using Chosen = std::array<std::int32_t, kSimulatedChosen>;

  void Send();
  bool Compute();
  bool Combine();
  void LeaveGarbage(absl::Span<const int> ranks, bool outputs);
  // Whether each of `ranks` has sent something; takes it.
  bool Receive(absl::Span<const int> ranks, bool outputs);
  [[nodiscard]] Packet Empty(bool outputs) const;
  void Complain(const std::string& what);

  SimulatedEpoch& epoch_;
  const int rank_;
  const RankRole& role_;
  int attention_ = -1;
  const RankStep step_;
  std::vector<std::uint64_t> rows_;
  std::vector<std::string>& violations_;

  int layer_ = 0;
  Phase phase_ = Phase::kSend;
  bool overflowed_ = false;
  bool garbled_ = false;
  std::vector<std::array<Place, kSimulatedChosen>> places_;  // [rows]
  std::vector<Packet> received_;
};

}  // namespace sextant
