// The naive versions of MLA, in double: the oracle of the tests.
//
// Under kBf16 prefill rounds where mla_prefill.h says, with one softmax over all keys; decode
// rounds q~ and the output.
#pragma once

#include "kernels/mla/mla_decode.h"
#include "kernels/mla/mla_prefill.h"

namespace sextant {

// The arguments are already checked.
void MlaPrefillReference(const MlaPrefillArgs& args);
void MlaDecodeReference(const MlaDecodeArgs& args);

}  // namespace sextant
