// What every rank says, told to all of them: a number each, by the ranks' own communicator.
//
// Threads:   the engine thread makes every call.
// Errors:    what the communicator and the GPU say.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "common/device/gpu.h"
#include "common/exchange/ranks/communicator.h"

namespace sextant::cli {

class RankTally {
 public:
  // Both outlive this.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<RankTally>> Create(
      const GpuStream& stream, Communicator& communicator);

  // Every rank's number, by rank: for each of them the same call. Waits for all.
  [[nodiscard]] absl::StatusOr<std::vector<std::int64_t>> Gather(std::int64_t mine);

 private:
  RankTally(const GpuStream& stream, Communicator& communicator)
      : stream_(stream), communicator_(communicator) {}

  const GpuStream& stream_;
  Communicator& communicator_;
  GpuMemory memory_;  // this rank's number, and [ranks] of all
  GpuMemory pinned_;  // likewise
};

}  // namespace sextant::cli
