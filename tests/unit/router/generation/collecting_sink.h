// A client that takes everything at once and keeps it.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "router/generation/piece.h"

namespace sextant::router {

class CollectingSink final : public AnswerSink {
 public:
  [[nodiscard]] bool Gone() const override { return gone; }
  void Send(Piece piece) override {
    ++pieces;
    const auto [found, is_new] = answers.try_emplace(piece.index);
    if (is_new) {
      found->second = std::move(piece);
    } else {
      Append(found->second, std::move(piece));
    }
  }
  void End(absl::Status ended) override {
    ++ends;
    status = std::move(ended);
  }

  bool gone = false;
  int pieces = 0;
  int ends = 0;
  std::map<std::int32_t, Piece> answers;  // whole, by index
  std::optional<absl::Status> status;     // empty: has not ended
};

}  // namespace sextant::router
