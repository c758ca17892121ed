#include "router/generation/piece.h"

#include <iterator>

#include "common/base/check.h"

namespace sextant::router {

void Append(Piece& piece, Piece&& next) {
  CHECK_EQ(piece.index, next.index);
  piece.text += next.text;
  piece.ids.insert(piece.ids.end(), next.ids.begin(), next.ids.end());
  piece.logprobs.insert(piece.logprobs.end(), std::make_move_iterator(next.logprobs.begin()),
                        std::make_move_iterator(next.logprobs.end()));
  if (next.seed.has_value()) piece.seed = next.seed;
  if (next.finish.has_value()) piece.finish = next.finish;
  if (next.usage.has_value()) piece.usage = next.usage;
  if (next.timings.has_value()) piece.timings = next.timings;
}

}  // namespace sextant::router
