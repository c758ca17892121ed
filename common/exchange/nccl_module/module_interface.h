// What a program and the module `sextant_nccl.so` agree about: one function, found by its name,
// which gives the others. Plain types: neither side knows the other's Abseil.
//
// Both were compiled with SEXTANT_NCCL_INTERFACE, a digest of every header whose types cross the
// border (CMakeLists.txt here). The module is told the program's and returns its own; where they
// differ nothing else has happened.
#pragma once

#include <atomic>
#include <cstdint>

#include "common/exchange/ranks/communicator.h"

namespace sextant {

inline constexpr int kNcclIdBytes = 128;  // NCCL_UNIQUE_ID_BYTES

struct NcclId {
  char bytes[kNcclIdBytes] = {};
};

enum class NcclOutcome : std::uint8_t { kDone, kTimedOut, kCancelled, kFailed };

struct NcclAnswer {
  NcclOutcome outcome = NcclOutcome::kFailed;
  char problem[512] = {};                // of what is not done
  NcclId id = {};                        // of make_id
  Communicator* communicator = nullptr;  // of open; the caller's to delete
};

struct NcclOpening {
  NcclId id = {};
  int rank = 0;
  int size = 0;
  double timeout_s = 0;
  const std::atomic<bool>* cancelled = nullptr;
};

// As RankNetwork says of each.
struct NcclFunctions {
  void (*make_id)(NcclAnswer* answer);
  void (*open)(const NcclOpening& opening, NcclAnswer* answer);
};

using NcclOfModule = const char*(const char* interface, NcclFunctions* functions);
inline constexpr char kNcclSymbol[] = "sextant_nccl_functions";
// Not inline: the dynamic linker would make one of the program's and the module's.
constexpr char kNcclInterface[] = SEXTANT_NCCL_INTERFACE;

}  // namespace sextant
