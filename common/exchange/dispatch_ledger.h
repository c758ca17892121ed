// Which output row of a dispatch has been asked of whom: plans who gets which rows, and keeps the
// books until every one is there, whatever happens to the workers meanwhile. Pure: it sends nothing
// and waits for nothing.
//
// A slot is one choice of one token, and the place of its output row: slot t * K + k. At any time a
// slot is in exactly one of three states: unsent, in one shipment, or settled.
//
// Shapes:    T tokens, K chosen experts.
// Threads:   one.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "common/exchange/frame.h"
#include "common/tensor/matrix_view.h"

namespace sextant {

// Names an expert worker within one exchange; never given to another.
using HolderId = std::int32_t;

// Who holds what in one epoch.
struct HolderTable {
  std::uint64_t epoch = 0;
  std::vector<std::vector<HolderId>> holders_of;  // [E], in the placement's order; may be empty
  std::vector<HolderId> holders;                  // all of them

  [[nodiscard]] bool Names(HolderId holder) const;
};

// What one frame carries: the rows of some tokens, each once, to one holder.
struct Shipment {
  std::uint64_t number = 0;  // ascending over the ledger's life
  HolderId holder = 0;
  std::uint64_t epoch = 0;
  std::vector<std::int32_t> tokens;  // ascending; row i of the frame is tokens[i]
  std::vector<RowExpert> pairs;      // by row, then as the gate chose
  std::vector<std::int32_t> slots;   // [pairs]
};

class DispatchLedger {
 public:
  struct Limits {
    std::int64_t max_rows = kMaxFrameRows;
    std::int64_t max_pairs = 0;  // at least 1; a token's pairs to one holder stay together unless
                                 // they alone are more
  };

  // Starts a dispatch: every slot is unsent. Ids are in [0, E); `ids` is copied. Answers to what an
  // earlier dispatch left behind find nothing.
  void Begin(MatrixView<const std::int32_t> expert_ids, const Limits& limits);

  // Puts every unsent slot whose expert has a usable holder into shipments. Among several holders
  // of an expert the one counts that gets the token's row anyway, else the one with least to do.
  // The pointers live until the shipment is settled or taken back.
  [[nodiscard]] std::vector<const Shipment*> Plan(const HolderTable& table,
                                                  absl::FunctionRef<bool(HolderId)> usable);

  // The shipment that is under way with this number, or null: settled, taken back, never sent.
  [[nodiscard]] const Shipment* Find(std::uint64_t number) const;

  // Its answer has come: the slots are done.
  void Settle(std::uint64_t number);

  // Its slots are unsent again; returns how many. Unknown numbers: none.
  std::int64_t TakeBack(std::uint64_t number);
  // The same for everything that is under way to `holder`, or to holders that `table` does not
  // name.
  std::int64_t TakeBackFrom(HolderId holder);
  std::int64_t TakeBackFromOthersThan(const HolderTable& table);

  // Forgets the dispatch.
  void Clear();

  [[nodiscard]] bool done() const { return unsent_.empty() && under_way_.empty(); }
  [[nodiscard]] bool has_unsent() const { return !unsent_.empty(); }
  [[nodiscard]] std::vector<std::int32_t> UnsentExperts() const;  // ascending, none twice

 private:
  struct Draft;

  [[nodiscard]] HolderId Choose(const std::vector<HolderId>& holders, std::int32_t token,
                                const std::vector<Draft>& drafts,
                                absl::FunctionRef<bool(HolderId)> usable) const;
  template <typename Predicate>
  std::int64_t TakeBackIf(Predicate predicate);
  void ReturnSlots(absl::Span<const std::int32_t> slots);

  std::vector<std::int32_t> experts_;  // [T * K] by slot
  std::int64_t choices_ = 1;           // K
  Limits limits_;
  std::vector<std::int32_t> unsent_;  // slots, ascending
  std::map<std::uint64_t, Shipment> under_way_;
  std::uint64_t last_number_ = 0;
};

}  // namespace sextant
