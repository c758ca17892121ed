// What a dispatch is computed with: the experts that this worker holds at the moment.
//
// Threads:   the dispatch worker's thread alone.
#pragma once

#include <cstdint>

#include "common/exchange/exchange.h"

namespace sextant {

class ServedExperts : public ExpertHost {
 public:
  // Takes what is held now as what every call below speaks of, until the next Refresh.
  virtual void Refresh() = 0;

  // Whether the model has routed experts in this layer, whoever holds them.
  [[nodiscard]] virtual bool HasExperts(int layer) const = 0;

  [[nodiscard]] virtual bool Holds(int layer, std::int32_t expert) const = 0;
};

}  // namespace sextant
