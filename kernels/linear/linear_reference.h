// The naive product: one double accumulator per output. The oracle of the other backends.
#pragma once

#include "kernels/linear/linear.h"

namespace sextant {

// Needs arguments that Linear has checked.
void LinearReference(const LinearArgs& args);

// What a result becomes under `precision`: an f32, rounded to bf16 where the published code does.
[[nodiscard]] float RoundResult(double value, Precision precision);

}  // namespace sextant
