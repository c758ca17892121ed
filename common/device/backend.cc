#include "common/device/backend.h"

#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"

namespace sextant {
namespace {

constexpr Backend kAll[] = {Backend::kReference, Backend::kCpuAvx2, Backend::kCpuAvx512,
                            Backend::kCpuAvx512Bf16};

bool HasAvx2() { return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0; }

bool HasAvx512Bf16() {
  return HasAvx2() && __builtin_cpu_supports("avx512f") != 0 &&
         __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
         __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512bf16") != 0;
}

// Whether vdpbf16ps multiplies less per second than vfmadd does.
bool HasSlowBf16() { return __builtin_cpu_is("intel") != 0; }

}  // namespace

const char* Name(Backend backend) {
  switch (backend) {
    case Backend::kReference:
      return "reference";
    case Backend::kCpuAvx2:
      return "cpu-avx2";
    case Backend::kCpuAvx512:
      return "cpu-avx512";
    case Backend::kCpuAvx512Bf16:
      return "cpu-avx512bf16";
  }
  CHECK(false && "Backend out of range");
}

absl::StatusOr<Backend> ParseBackend(absl::string_view name) {
  for (Backend backend : kAll) {
    if (name == Name(backend)) return backend;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", name,
                   "\" is no backend; use cpu-avx512bf16, cpu-avx512, cpu-avx2 or "
                   "reference"));
}

bool Supports(Backend backend) {
  switch (backend) {
    case Backend::kReference:
      return true;
    case Backend::kCpuAvx2:
      return HasAvx2();
    case Backend::kCpuAvx512:
    case Backend::kCpuAvx512Bf16:
      return HasAvx512Bf16();
  }
  CHECK(false && "Backend out of range");
}

std::vector<Backend> SupportedBackends() {
  std::vector<Backend> supported;
  for (Backend backend : kAll) {
    if (Supports(backend)) supported.push_back(backend);
  }
  if (HasAvx512Bf16() && HasSlowBf16()) {
    std::swap(supported.back(), supported[supported.size() - 2]);
  }
  return supported;
}

absl::StatusOr<Backend> ChooseBackend() {
  if (const char* forced = std::getenv("SEXTANT_BACKEND"); forced != nullptr && *forced != '\0') {
    absl::StatusOr<Backend> backend = ParseBackend(forced);
    if (!backend.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("SEXTANT_BACKEND: ", backend.status().message()));
    }
    if (!Supports(*backend)) {
      return absl::FailedPreconditionError(absl::StrCat("SEXTANT_BACKEND=", forced,
                                                        ": this processor cannot run it; unset the "
                                                        "variable to use ",
                                                        Name(SupportedBackends().back())));
    }
    return *backend;
  }
  const Backend best = SupportedBackends().back();
  if (best == Backend::kReference) {
    return absl::FailedPreconditionError(
        "this processor has no AVX2 and FMA, which the fast backends need; set "
        "SEXTANT_BACKEND=reference to run the slow one");
  }
  return best;
}

}  // namespace sextant
