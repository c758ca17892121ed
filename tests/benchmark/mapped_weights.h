// Weights as the engine finds them: bf16 in a mapped file, in the page cache, not in the CPU's.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/tensor/matrix_view.h"

namespace sextant {

class MappedWeights {
 public:
  enum class Memory { kFile, kHugePages };

  // `bytes` of random bf16 weights of about 1/50, in an unnamed temporary file in `directory`, or
  // in anonymous memory with huge pages, for comparison.
  static absl::StatusOr<MappedWeights> Create(Memory memory, absl::string_view directory,
                                              std::int64_t bytes);
  MappedWeights(MappedWeights&& other) noexcept;
  MappedWeights& operator=(MappedWeights&&) = delete;
  ~MappedWeights();

  [[nodiscard]] const char* data() const { return data_; }
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }

  // The next matrix of this shape; starts again at the front when the memory is used up, so that
  // what comes back was last read some hundreds of megabytes ago.
  [[nodiscard]] WeightView Next(std::int64_t rows, std::int64_t cols);

 private:
  MappedWeights(char* data, std::int64_t bytes) : data_(data), bytes_(bytes) {}

  char* data_;
  std::int64_t bytes_;
  std::int64_t used_ = 0;
};

}  // namespace sextant
