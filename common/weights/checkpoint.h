// The tensors of a checkpoint directory, used in place from mapped files.
//
//   ASSIGN_OR_RETURN(Checkpoint checkpoint, Checkpoint::Open(dir));
//   ASSIGN_OR_RETURN(TensorView norm, checkpoint.Find("model.norm.weight", {2048}));
//
// Opening reads the headers of all files and checks every offset, shape and size in them against
// the file and the index; it touches no page of the weights, so it takes milliseconds.
//
// Ownership: the Checkpoint owns the mappings, and every TensorView borrows from it. Moving the
//            Checkpoint keeps the views valid.
// Threads:   const methods may be called from any thread.
// Errors:    Open: NotFound for missing files; InvalidArgument naming file and tensor for what is
//            damaged or contradictory. Files must not be changed while mapped (mapped_file.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/tensor/dtype.h"
#include "common/weights/mapped_file.h"
#include "common/weights/safetensors_header.h"

namespace sextant {

// Row-major and packed, as in the file. The address is even, and not always aligned further.
struct TensorView {
  const void* data = nullptr;
  DType dtype = DType::kBf16;
  std::vector<std::int64_t> shape;
  std::size_t bytes = 0;
};

class Checkpoint {
 public:
  [[nodiscard]] static absl::StatusOr<Checkpoint> Open(const std::string& dir);

  // Errors: NotFound when no file has the tensor; InvalidArgument naming tensor, file, expected
  //         and found when its shape differs (the config is of another model), when its dtype is
  //         none of bf16, fp16 and fp32, or when it lies at an odd address.
  [[nodiscard]] absl::StatusOr<TensorView> Find(absl::string_view name,
                                                absl::Span<const std::int64_t> shape) const;

  [[nodiscard]] bool Contains(absl::string_view name) const;
  [[nodiscard]] std::vector<std::string> Names() const;  // sorted
  [[nodiscard]] std::int64_t tensor_count() const;
  [[nodiscard]] std::uint64_t total_bytes() const { return total_bytes_; }  // of all tensors
  [[nodiscard]] const std::string& dir() const { return dir_; }

 private:
  struct Location {
    std::size_t file = 0;
    TensorEntry entry;
  };

  Checkpoint() = default;
  absl::Status AddFile(const std::string& name);

  std::string dir_;
  std::vector<MappedFile> files_;
  absl::flat_hash_map<std::string, Location> tensors_;
  std::uint64_t total_bytes_ = 0;
};

}  // namespace sextant
