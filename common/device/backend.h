// The numeric profiles that this process can compute, chosen at start by CPUID.
//
// Each profile has its own fixed order of arithmetic: bits may differ between profiles, never
// within one. kReference is the naive oracle of the tests. Of the two with AVX-512 one multiplies
// pairs of bf16 values (vdpbf16ps), the other widens them to f32 and has fused multiply-adds: the
// pairs are twice as fast on AMD's Zen 4 and half as fast on Intel's Emerald Rapids
// (docs/decisions/0011-two-profiles-of-avx512.md).
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sextant {

enum class Backend : std::uint8_t { kReference, kCpuAvx2, kCpuAvx512, kCpuAvx512Bf16 };

// "reference", "cpu-avx2", "cpu-avx512", "cpu-avx512bf16".
[[nodiscard]] const char* Name(Backend backend);

// Errors: InvalidArgument naming the accepted spellings.
[[nodiscard]] absl::StatusOr<Backend> ParseBackend(absl::string_view name);

// Whether this processor (and its operating system) can run `backend`. Both with AVX-512 need its
// bf16 instructions, the one to multiply, the other to round.
[[nodiscard]] bool Supports(Backend backend);

// Every backend that this machine can run, the best last; never empty.
[[nodiscard]] std::vector<Backend> SupportedBackends();

// The best supported backend, or the one that the environment variable SEXTANT_BACKEND names.
// Errors: InvalidArgument for an unknown name, FailedPrecondition for one that this processor
// cannot run, and for a processor without AVX2 and FMA.
[[nodiscard]] absl::StatusOr<Backend> ChooseBackend();

}  // namespace sextant
