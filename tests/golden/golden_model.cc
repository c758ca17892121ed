#include "tests/golden/golden_model.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "tests/support/source_dir.h"

namespace sextant {
namespace {

using nlohmann::json;

// What shared test data calls "lcg": the C library's old generator, after the first id.
std::vector<std::int32_t> GeneratedPrompt(std::int32_t first, std::int64_t count) {
  constexpr std::uint64_t kVocab = 500;
  std::vector<std::int32_t> ids = {first};
  for (std::uint64_t state = 11; static_cast<std::int64_t>(ids.size()) < count;) {
    state = (state * 1103515245 + 12345) & 0x7fffffff;
    ids.push_back(static_cast<std::int32_t>((state >> 16) % kVocab));
  }
  return ids;
}

GoldenModel FromJson(const json& file) {
  GoldenModel golden;
  file.at("input_ids").get_to(golden.ids);
  file.at("logits_fp32").get_to(golden.logits_fp32);
  file.at("argmax_fp32").get_to(golden.argmax_fp32);
  file.at("argmax_bf16").get_to(golden.argmax_bf16);
  file.at("bf16_vs_fp32_max_abs").get_to(golden.bf16_distance);
  for (const json& layer : file.at("routing")) {
    GoldenRouting& routing = golden.routing.emplace_back();
    layer.at("layer").get_to(routing.layer);
    layer.at("idx").get_to(routing.expert_ids);
    layer.at("w").get_to(routing.weights);
  }
  if (file.contains("logits_bf16")) {
    file.at("logits_bf16").get_to(golden.logits_bf16);
  } else {
    file.at("logits_bf16_last").get_to(golden.logits_bf16.emplace_back());
  }
  golden.bf16_first = static_cast<std::int64_t>(golden.ids.size()) -
                      static_cast<std::int64_t>(golden.logits_bf16.size());
  const json& long_prompt = file.at("long");
  if (long_prompt.contains("input_ids")) {
    long_prompt.at("input_ids").get_to(golden.long_ids);
  } else {
    golden.long_ids = GeneratedPrompt(golden.ids.at(0), long_prompt.at("n").get<std::int64_t>());
  }
  long_prompt.at("last4_logits_fp32").get_to(golden.long_last_logits);
  return golden;
}

}  // namespace

absl::StatusOr<GoldenModel> ReadGoldenModel(const std::string& folder) {
  const std::string path = folder + "/golden.json";
  std::ifstream stream(path);
  if (!stream) return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
  try {
    GoldenModel golden = FromJson(json::parse(stream));
    golden.folder = folder;
    return golden;
  } catch (const std::exception& error) {
    return absl::DataLossError(absl::StrCat(path, ": ", error.what()));
  }
}

std::vector<std::string> GoldenModelNames() { return {"lite", "v2", "plain", "half"}; }

std::string GoldenModelFolder(const std::string& name) {
  return SourceDir() + "/tests/golden/model/" + name;
}

}  // namespace sextant
