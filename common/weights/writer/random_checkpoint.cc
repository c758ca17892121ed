#include "common/weights/writer/random_checkpoint.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/file.h"
#include "common/base/status.h"
#include "common/config/model_config.h"
#include "common/device/thread_pool.h"
#include "common/weights/model_tensors.h"
#include "common/weights/shard_index.h"
#include "common/weights/writer/random_values.h"
#include "common/weights/writer/safetensors_writer.h"
#include "common/weights/writer/shard_plan.h"

namespace sextant {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kPieceElements = 1 << 20;
constexpr std::int64_t kPiecesPerReport = 64;
constexpr std::int64_t kMaxCopiedBytes = 1 << 30;

struct Distribution {
  double mean = 0;
  double stddev = 1;
  auto operator<=>(const Distribution&) const = default;
};

Distribution DistributionOf(const ModelTensor& tensor, const ModelConfig& config) {
  if (tensor.role == TensorRole::kNorm) return {.mean = 1.0, .stddev = 0.1};
  if (tensor.role == TensorRole::kEmbedding) return {.mean = 0.0, .stddev = 1.0};
  double variance = 1.0 / static_cast<double>(tensor.shape.back());
  if (tensor.role == TensorRole::kResidual) {
    variance /= 2.0 * static_cast<double>(config.num_hidden_layers);
  }
  return {.mean = 0.0, .stddev = std::sqrt(variance)};
}

// Part of one tensor: what one thread makes and writes at a time.
struct Piece {
  std::size_t tensor = 0;  // in its shard
  std::int64_t begin = 0;
  std::int64_t elements = 0;
};

std::vector<Piece> CutIntoPieces(const Shard& shard) {
  std::vector<Piece> pieces;
  for (std::size_t tensor = 0; tensor < shard.tensors.size(); ++tensor) {
    const std::int64_t elements = shard.tensors[tensor].elements();
    for (std::int64_t begin = 0; begin < elements; begin += kPieceElements) {
      pieces.push_back({tensor, begin, std::min(kPieceElements, elements - begin)});
    }
  }
  return pieces;
}

// The bytes of `values` in another element type; every bf16 value exists in f32, and the small
// ones of a random checkpoint in fp16 up to rounding.
std::vector<std::byte> Convert(absl::Span<const Bf16> values, DType dtype) {
  std::vector<std::byte> bytes(values.size() * static_cast<std::size_t>(BytesOf(dtype)));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float value = ToFloat(values[i]);
    if (dtype == DType::kFp16) {
      const Fp16 half = ToFp16(value);
      std::memcpy(bytes.data() + i * sizeof(half), &half, sizeof(half));
    } else {
      std::memcpy(bytes.data() + i * sizeof(value), &value, sizeof(value));
    }
  }
  return bytes;
}

class CheckpointWriter {
 public:
  CheckpointWriter(const RandomCheckpointArgs& args, const ModelConfig& config)
      : args_(args), pool_(args.threads), buffers_(static_cast<std::size_t>(args.threads)) {
    for (const ModelTensor& tensor : ListModelTensors(config)) {
      specs_.push_back({tensor.name, config.dtype, tensor.shape});
      total_bytes_ += specs_.back().bytes();
      const Distribution distribution = DistributionOf(tensor, config);
      const auto& values =
          values_.try_emplace(distribution, distribution.mean, distribution.stddev).first->second;
      values_of_.emplace(tensor.name, &values);
    }
    for (auto& buffer : buffers_) buffer.resize(kPieceElements);
  }

  absl::Status Write(const std::string& dir, WriteProgress progress) {
    RETURN_IF_ERROR(CheckSpace(dir));
    const std::vector<Shard> shards = PlanShards(specs_, args_.max_shard_bytes);
    for (const Shard& shard : shards) RETURN_IF_ERROR(WriteShard(dir, shard, progress));
    if (shards.size() == 1) return absl::OkStatus();
    return WriteFile((fs::path(dir) / kIndexFileName).string(), IndexJson(shards));
  }

 private:
  absl::Status CheckSpace(const std::string& dir) const {
    std::error_code error;
    const fs::space_info space = fs::space(dir, error);
    if (error || space.available >= static_cast<std::uintmax_t>(total_bytes_)) {
      return absl::OkStatus();
    }
    return absl::ResourceExhaustedError(
        absl::StrCat(args_.output_dir, ": the checkpoint needs ", total_bytes_ / 1'000'000,
                     " MB, but the disk has only ", space.available / 1'000'000,
                     " MB free; make room, or choose a folder on another disk"));
  }

  absl::Status WriteShard(const std::string& dir, const Shard& shard, WriteProgress progress) {
    const std::string path = (fs::path(dir) / shard.file_name).string();
    ASSIGN_OR_RETURN(SafetensorsWriter writer, SafetensorsWriter::Create(path, shard.tensors));
    const std::vector<Piece> pieces = CutIntoPieces(shard);
    const auto count = static_cast<std::int64_t>(pieces.size());
    for (std::int64_t first = 0; first < count; first += kPiecesPerReport) {
      const auto batch =
          absl::MakeConstSpan(pieces).subspan(static_cast<std::size_t>(first), kPiecesPerReport);
      RETURN_IF_ERROR(WritePieces(writer, shard, batch));
      if (!progress(done_bytes_, total_bytes_)) {
        return absl::CancelledError("stopped; nothing was written");
      }
    }
    return writer.Finish();
  }

  absl::Status WritePieces(const SafetensorsWriter& writer, const Shard& shard,
                           absl::Span<const Piece> pieces) {
    std::vector<absl::Status> results(pieces.size());
    pool_.ParallelFor(static_cast<std::int64_t>(pieces.size()), [&](std::int64_t task, int worker) {
      const auto index = static_cast<std::size_t>(task);
      results[index] = WritePiece(writer, shard, pieces[index], worker);
    });
    for (const Piece& piece : pieces) {
      done_bytes_ += piece.elements * BytesOf(shard.tensors[piece.tensor].dtype);
    }
    absl::Status first_error;
    for (const absl::Status& result : results) first_error.Update(result);
    return first_error;
  }

  absl::Status WritePiece(const SafetensorsWriter& writer, const Shard& shard, const Piece& piece,
                          int worker) {
    const TensorSpec& tensor = shard.tensors[piece.tensor];
    const absl::Span<Bf16> values = absl::MakeSpan(buffers_[static_cast<std::size_t>(worker)])
                                        .subspan(0, static_cast<std::size_t>(piece.elements));
    const RandomValues& source = *values_of_.at(tensor.name);
    source.Fill(RandomKey(args_.seed, tensor.name), piece.begin, values);
    const std::int64_t offset = piece.begin * BytesOf(tensor.dtype);
    if (tensor.dtype != DType::kBf16) {
      return writer.WriteAt(piece.tensor, offset, Convert(values, tensor.dtype));
    }
    const auto* bytes = reinterpret_cast<const std::byte*>(values.data());
    return writer.WriteAt(piece.tensor, offset, {bytes, values.size() * sizeof(Bf16)});
  }

  const RandomCheckpointArgs& args_;
  ThreadPool pool_;
  std::vector<std::vector<Bf16>> buffers_;  // one per worker
  std::vector<TensorSpec> specs_;
  std::map<Distribution, RandomValues> values_;
  std::map<std::string, const RandomValues*> values_of_;  // by tensor
  std::int64_t total_bytes_ = 0;
  std::int64_t done_bytes_ = 0;
};

// Not std::filesystem's copy: that would keep a read-only source's permissions.
absl::Status CopyFile(const fs::path& from, const fs::path& to) {
  ASSIGN_OR_RETURN(const std::string bytes, ReadFile(from.string(), kMaxCopiedBytes));
  return WriteFile(to.string(), bytes);
}

absl::Status CopyTokenizer(const RandomCheckpointArgs& args, const std::string& dir) {
  if (args.tokenizer_dir.empty()) return absl::OkStatus();
  const fs::path from(args.tokenizer_dir);
  RETURN_IF_ERROR(CopyFile(from / "tokenizer.json", fs::path(dir) / "tokenizer.json"));
  for (const char* optional : {"tokenizer_config.json", "generation_config.json"}) {
    std::error_code ignored;
    if (!fs::exists(from / optional, ignored)) continue;
    RETURN_IF_ERROR(CopyFile(from / optional, fs::path(dir) / optional));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteRandomCheckpoint(const RandomCheckpointArgs& args, WriteProgress progress) {
  ASSIGN_OR_RETURN(const ModelConfig config, ReadModelConfig(args.config_path));
  ASSIGN_OR_RETURN(OutputDirectory output, OutputDirectory::Create(args.output_dir, args.replace));
  std::error_code ignored;
  fs::path config_file = args.config_path;
  if (fs::is_directory(config_file, ignored)) config_file /= "config.json";
  RETURN_IF_ERROR(CopyFile(config_file, fs::path(output.staging()) / "config.json"));
  RETURN_IF_ERROR(CopyTokenizer(args, output.staging()));
  CheckpointWriter writer(args, config);
  RETURN_IF_ERROR(writer.Write(output.staging(), progress));
  return output.Publish();
}

}  // namespace sextant
