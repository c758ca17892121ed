// The table of contents at the start of a safetensors file, checked against the file's size.
//
// Layout (huggingface/safetensors README, "Format"): 8 bytes little-endian length N, N bytes of
// JSON {"name": {"dtype", "shape", "data_offsets": [begin, end]}, "__metadata__": {str: str}},
// then the data, which offsets count from. Data must cover the rest of the file: no tensor
// overlaps another and no byte belongs to none, so that nothing can hide in a file.
//
// Errors: InvalidArgument naming the tensor and what is wrong with it; when the data ends beyond
//         the file the message says that the file is truncated.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/tensor/dtype.h"

namespace sextant {

// As in the reference implementation.
inline constexpr std::uint64_t kMaxSafetensorsHeaderBytes = 100'000'000;

struct TensorEntry {
  std::string name;
  std::string dtype_name;           // as the file spells it
  std::vector<std::int64_t> shape;  // no dimension is negative
  std::uint64_t begin = 0;          // in bytes from the start of the file
  std::uint64_t end = 0;

  // What Sextant can compute with; nullopt for all other types.
  [[nodiscard]] std::optional<DType> dtype() const;
};

// Entries in the order of their data. `start` holds at least the header, or all of a file that
// is too short for one; `file_size` is the size of the whole file; `source` names it in errors.
[[nodiscard]] absl::StatusOr<std::vector<TensorEntry>> ParseSafetensorsHeader(
    absl::string_view start, std::uint64_t file_size, const std::string& source);

// "[512, 256]".
[[nodiscard]] std::string ShapeText(const std::vector<std::int64_t>& shape);

}  // namespace sextant
