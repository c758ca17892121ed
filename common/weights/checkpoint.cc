#include "common/weights/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/weights/shard_index.h"

namespace sextant {
namespace {

// The index must name the file that a tensor was found in.
absl::Status CheckAgainstIndex(const ShardIndex& index, const std::string& tensor,
                               const std::string& file, const std::string& path) {
  const auto expected = index.shard_of.find(tensor);
  if (expected != index.shard_of.end() && expected->second == file) return absl::OkStatus();
  const std::string index_says = expected == index.shard_of.end()
                                     ? "does not name"
                                     : absl::StrCat("expects in ", expected->second);
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": holds tensor \"", absl::Utf8SafeCEscape(tensor), "\", which ",
                   kIndexFileName, " ", index_says, "; the files are not of one checkpoint"));
}

}  // namespace

absl::Status Checkpoint::AddFile(const std::string& name) {
  const std::string path = (std::filesystem::path(dir_) / name).string();
  ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  ASSIGN_OR_RETURN(std::vector<TensorEntry> entries,
                   ParseSafetensorsHeader(file.text(), file.size(), path));
  for (TensorEntry& entry : entries) {
    total_bytes_ += entry.end - entry.begin;
    std::string tensor = entry.name;
    const auto [place, added] =
        tensors_.try_emplace(std::move(tensor), Location{files_.size(), std::move(entry)});
    if (!added) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ": holds tensor \"", absl::Utf8SafeCEscape(place->first), "\", which ",
          files_[place->second.file].path(), " holds too; keep one checkpoint per directory"));
    }
  }
  files_.push_back(std::move(file));
  return absl::OkStatus();
}

absl::StatusOr<Checkpoint> Checkpoint::Open(const std::string& dir) {
  ASSIGN_OR_RETURN(const ShardIndex index, FindShards(dir));
  Checkpoint checkpoint;
  checkpoint.dir_ = dir;
  for (const std::string& file : index.files) {
    RETURN_IF_ERROR(checkpoint.AddFile(file));
  }
  if (!index.has_index) return checkpoint;

  for (const auto& [name, location] : checkpoint.tensors_) {
    const std::string& path = checkpoint.files_[location.file].path();
    RETURN_IF_ERROR(CheckAgainstIndex(index, name, index.files[location.file], path));
  }
  for (const auto& [name, file] : index.shard_of) {
    if (checkpoint.Contains(name)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat((std::filesystem::path(dir) / file).string(), ": lacks tensor \"",
                     absl::Utf8SafeCEscape(name), "\", which ", kIndexFileName,
                     " says it holds; the files are not of one checkpoint"));
  }
  return checkpoint;
}

absl::StatusOr<TensorView> Checkpoint::Find(absl::string_view name,
                                            absl::Span<const std::int64_t> shape) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    return absl::NotFoundError(absl::StrCat(
        dir_, ": no file holds tensor \"", absl::Utf8SafeCEscape(name),
        "\", which config.json asks for; do the weights and the config belong together?"));
  }
  const auto& [file_index, entry] = found->second;
  const MappedFile& file = files_[file_index];
  const auto invalid = [&](absl::string_view message) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.path(), ": tensor \"", absl::Utf8SafeCEscape(name), "\" ", message));
  };
  const std::optional<DType> dtype = entry.dtype();
  if (!dtype) {
    return invalid(absl::StrCat("is of type ", absl::Utf8SafeCEscape(entry.dtype_name),
                                "; BF16, F16 and F32 are supported"));
  }
  if (!std::equal(shape.begin(), shape.end(), entry.shape.begin(), entry.shape.end())) {
    const std::vector<std::int64_t> expected(shape.begin(), shape.end());
    return invalid(absl::StrCat("has shape ", ShapeText(entry.shape), ", but config.json needs ",
                                ShapeText(expected),
                                "; do the weights and the config belong together?"));
  }
  if (entry.begin % 2 != 0) {
    return invalid(
        "lies at an odd address; save the checkpoint again with a current version of "
        "safetensors, which aligns the data");
  }
  return TensorView{.data = file.data() + entry.begin,
                    .dtype = *dtype,
                    .shape = entry.shape,
                    .bytes = entry.end - entry.begin};
}

bool Checkpoint::Contains(absl::string_view name) const { return tensors_.contains(name); }

std::vector<std::string> Checkpoint::Names() const {
  std::vector<std::string> names;
  names.reserve(tensors_.size());
  for (const auto& [name, location] : tensors_) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

std::int64_t Checkpoint::tensor_count() const { return static_cast<std::int64_t>(tensors_.size()); }

}  // namespace sextant
