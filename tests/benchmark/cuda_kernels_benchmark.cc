// Times the CUDA kernels at DeepSeek-V2-Lite's shapes, and says what share of the machine's
// ceilings (read bandwidth, rate of mma.m16n8k16), measured in the same run, each of them reaches.
//
//   cuda_kernels_benchmark [NAME]     only the cases whose name contains NAME
//
// The share is that of the ideal time, the larger of bytes over bandwidth and operations over rate.
// Weights and caches exceed the GPU's L2 and take turns, so that reads are cold. Every case runs
// twice first, and its bytes must be the same.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "kernels/exchange/plan_dispatch_cuda.h"
#include "kernels/exchange/plan_return_cuda.h"
#include "kernels/feed_forward/grouped_feed_forward_cuda.h"
#include "kernels/linear/linear_tile_cuda.h"
#include "kernels/mla/mla_decode_cuda.h"
#include "kernels/mla/mla_prefill_cuda.h"
#include "kernels/moe/group_rows_cuda.h"
#include "kernels/norm/rms_norm_cuda.h"
#include "kernels/sampling/sample_cuda.h"
#include "kernels/sampling/sample_cuda_params.h"
#include "tests/benchmark/cuda_benchmark.h"
#include "tests/support/device/device_memory.h"
#include "tests/support/device/values.h"

namespace sextant {
namespace {

constexpr std::int64_t kHidden = 2048;
constexpr std::int64_t kExpertWidth = 1408;
constexpr std::int32_t kExperts = 64;
constexpr std::int32_t kChosen = 6;
constexpr std::int32_t kHeads = 16;
constexpr std::int32_t kVocab = 102400;

void Norms(Report& report) {
  for (const std::int64_t rows : {1, 64, 2048}) {
    const std::string name = absl::StrCat("norm with residual, ", rows, " rows");
    if (!report.Wants(name)) continue;
    const RandomMemory h(rows * kHidden, 1.0);
    const RandomMemory zeros(rows * kHidden, 0.0);
    const RandomMemory weight(kHidden, 1.0);
    const RandomMemory y(rows * kHidden);
    const auto run = [&](int) {
      CheckLaunch(RmsNormCuda({}, {.h = h.data(),
                                   .h_stride = kHidden,
                                   .delta = zeros.data(),
                                   .delta_stride = kHidden,
                                   .weight = weight.data(),
                                   .y = y.data(),
                                   .y_stride = kHidden,
                                   .rows = rows,
                                   .cols = kHidden}));
    };
    report.Case(name, static_cast<double>(8 * rows * kHidden), 0, run, [&] { return y.Read(); });
  }
}

// Tokens that choose their experts evenly at random.
std::vector<std::int32_t> RandomChoices(std::int64_t tokens) {
  std::mt19937 generator(1);
  std::vector<std::int32_t> experts(kExperts);
  std::iota(experts.begin(), experts.end(), 0);
  std::vector<std::int32_t> ids;
  for (std::int64_t t = 0; t < tokens; ++t) {
    std::shuffle(experts.begin(), experts.end(), generator);
    ids.insert(ids.end(), experts.begin(), experts.begin() + kChosen);
  }
  return ids;
}

const char* NameOf(LinearTile tile) {
  switch (tile) {
    case LinearTile::k32x16:
      return "32x16";
    case LinearTile::k128x16:
      return "128x16";
    case LinearTile::k64x64:
      return "64x64";
    case LinearTile::k128x128:
      return "128x128";
  }
  return "?";
}

// The dense projections, the gate (f32) and the head, on every tile; a star is on the chosen one.
void Linears(Report& report) {
  constexpr std::int64_t kBeyondL2 = std::int64_t{1} << 27;  // values
  for (const std::int64_t outputs : {3072, 576, 2048, 64, kVocab}) {
    if (!report.Wants(absl::StrCat("linear ", outputs))) continue;
    const bool unrounded = outputs == kExperts;
    const std::int64_t weights = outputs * kHidden;
    const std::int64_t turns = DivideUp(kBeyondL2, weights);
    const RandomMemory weight(turns * weights);
    for (const std::int64_t rows : {1, 8, 32, 128, 2048}) {
      const RandomMemory x(rows * kHidden, 1.0);
      const RandomMemory y((unrounded ? 2 : 1) * rows * outputs);
      std::vector<Bf16> first;
      for (const LinearTile tile : kLinearTiles) {
        const auto run = [&](int i) {
          CheckLaunch(
              LinearCudaWithTile({},
                                 {.x = x.data(),
                                  .x_stride = kHidden,
                                  .weight = weight.data() + i % turns * weights,
                                  .y = unrounded ? nullptr : y.data(),
                                  .y_f32 = unrounded ? reinterpret_cast<float*>(y.data()) : nullptr,
                                  .y_stride = outputs,
                                  .rows = rows,
                                  .outputs = outputs,
                                  .depth = kHidden},
                                 tile));
        };
        run(0);
        if (first.empty()) first = y.Read();
        CHECK(y.Read() == first);
        const double results = static_cast<double>(rows * outputs) * (unrounded ? 4 : 2);
        report.Case(absl::StrCat("linear ", outputs, " x ", kHidden, ", ", rows, " rows, ",
                                 NameOf(tile), tile == ChooseLinearTile(rows, outputs) ? " *" : ""),
                    2.0 * static_cast<double>(weights + rows * kHidden) + results,
                    2.0 * static_cast<double>(rows * weights), run, [&] { return y.Read(); });
      }
    }
  }
}

void FeedForwards(Report& report) {
  if (!report.Wants("grouped experts")) return;
  constexpr int kLayers = 3;
  constexpr std::int64_t kWeights = 3 * kHidden * kExpertWidth;  // of an expert
  std::vector<std::unique_ptr<RandomMemory>> layers;
  std::vector<std::unique_ptr<DeviceArray<ExpertWeightsCuda>>> tables;
  for (int layer = 0; layer < kLayers; ++layer) {
    layers.push_back(std::make_unique<RandomMemory>(kExperts * kWeights));
    std::vector<ExpertWeightsCuda> table;
    for (std::int64_t e = 0; e < kExperts; ++e) {
      const Bf16* gate = layers.back()->data() + e * kWeights;
      table.push_back({gate, gate + kWeights / 3, gate + 2 * kWeights / 3});
    }
    tables.push_back(std::make_unique<DeviceArray<ExpertWeightsCuda>>(table));
  }
  for (const std::int64_t tokens : {1, 8, 32, 64, 128, 256, 2048, 8192}) {
    const std::vector<std::int32_t> choices = RandomChoices(tokens);
    const std::int64_t places = tokens * kChosen;
    const RandomMemory x(tokens * kHidden, 1.0);
    const DeviceArray<std::int32_t> ids(choices);
    const DeviceArray<std::int32_t> offsets(kExperts + 1, 0);
    const DeviceArray<std::int32_t> sources(choices.size(), 0);
    const DeviceArray<std::int32_t> slots(choices.size(), 0);
    const RandomMemory gated(places * kExpertWidth);
    const RandomMemory y(places * kHidden);
    CheckLaunch(GroupRowsCuda({}, {.expert_ids = ids.data(),
                                   .rows = tokens,
                                   .chosen = kChosen,
                                   .experts = kExperts,
                                   .offsets = offsets.data(),
                                   .source_rows = sources.data(),
                                   .places = slots.data()}));
    const auto run = [&](int i) {
      CheckLaunch(GroupedFeedForwardCuda(
          {}, {.x = x.data(),
               .source_rows = sources.data(),
               .offsets = offsets.data(),
               .experts = tables[static_cast<std::size_t>(i % kLayers)]->data(),
               .places = places,
               .num_experts = kExperts,
               .hidden = kHidden,
               .width = kExpertWidth,
               .gated = gated.data(),
               .y = y.data()}));
    };
    const std::set<std::int32_t> active(choices.begin(), choices.end());
    const auto weights = static_cast<double>(static_cast<std::int64_t>(active.size()) * kWeights);
    report.Case(absl::StrCat("grouped experts, ", tokens, " tokens"),
                2 * weights + 4.0 * static_cast<double>(places * (kHidden + kExpertWidth)),
                2.0 * static_cast<double>(places * kWeights), run, [&] { return y.Read(); });
  }
}

// The lower halves of these.
std::vector<Bf16> LowBits(const std::vector<std::int32_t>& values) {
  std::vector<Bf16> bits;
  for (const std::int32_t value : values) bits.push_back(Bf16{static_cast<std::uint16_t>(value)});
  return bits;
}

// What one of eight ranks plans for a layer, where each holds experts and has as many tokens.
void Exchanges(Report& report) {
  if (!report.Wants("dispatch plan") && !report.Wants("return plan")) return;
  constexpr std::int32_t kRanks = 8;
  constexpr std::int32_t kHeld = kExperts / kRanks;
  std::vector<ExpertSeatCuda> held;
  for (std::int32_t e = 0; e < kExperts; ++e) held.push_back({e / kHeld, e % kHeld});
  const DeviceArray<ExpertSeatCuda> seats(held);
  for (const std::int64_t tokens : {1, 64, 256, 2048}) {
    const std::int64_t choices = tokens * kChosen;
    const auto all_choices = static_cast<std::size_t>(kRanks * choices);
    const DeviceArray<std::int32_t> ids(RandomChoices(tokens));
    const DeviceArray<std::int32_t> source_rows(static_cast<std::size_t>(kRanks * tokens), 0);
    const DeviceArray<std::int32_t> local_ids(all_choices, 0);
    const DeviceArray<std::int32_t> places(ids.size(), 0);
    const DeviceArray<std::int32_t> counts(2 * kRanks, 0);
    const DeviceArray<std::int32_t> overflow(1, 0);
    const std::int64_t slot_pairs = std::min(choices, 2 * choices / kRanks + 16);
    const double dispatched = 4.0 * static_cast<double>((2 + kRanks) * choices + kRanks * tokens);
    for (const bool packed : {true, false}) {
      report.Case(
          absl::StrCat("dispatch plan, ", tokens, " tokens", packed ? ", packed" : ""), dispatched,
          0,
          [&](int) {
            CheckLaunch(PlanDispatchCuda({}, {.expert_ids = ids.data(),
                                              .rows = tokens,
                                              .chosen = kChosen,
                                              .seats = seats.data(),
                                              .experts = kExperts,
                                              .destinations = kRanks,
                                              .slot_rows = tokens,
                                              .slot_pairs = packed ? 0 : slot_pairs,
                                              .source_rows = source_rows.data(),
                                              .local_ids = local_ids.data(),
                                              .places = places.data(),
                                              .counts = counts.data(),
                                              .overflow = overflow.data()}));
          },
          [&] { return LowBits(places.Read()); });
    }
    // What was sent is as much as comes in.
    const DeviceArray<std::int32_t> offsets(kHeld + 1, 0);
    const DeviceArray<std::int32_t> rows(all_choices, 0);
    const DeviceArray<std::int32_t> received(all_choices, 0);
    CheckLaunch(GroupRowsCuda({}, {.expert_ids = local_ids.data(),
                                   .rows = kRanks * tokens,
                                   .chosen = kChosen,
                                   .experts = kHeld,
                                   .offsets = offsets.data(),
                                   .source_rows = rows.data(),
                                   .places = received.data()}));
    const DeviceArray<std::int32_t> back(static_cast<std::size_t>(kRanks * slot_pairs), 0);
    report.Case(
        absl::StrCat("return plan, ", tokens, " tokens"),
        4.0 * static_cast<double>(kRanks * (choices + slot_pairs)), 0,
        [&](int) {
          CheckLaunch(PlanReturnCuda({}, {.places = received.data(),
                                          .chosen = kChosen,
                                          .sources = kRanks,
                                          .slot_rows = tokens,
                                          .slot_pairs = slot_pairs,
                                          .source_places = back.data()}));
        },
        [&] { return LowBits(back.Read()); });
  }
}

void Decodes(Report& report) {
  for (const auto& [rows, length] :
       {std::pair(1, 512), std::pair(1, 4096), std::pair(8, 4096), std::pair(32, 4096),
        std::pair(64, 4096), std::pair(256, 512), std::pair(256, 4096)}) {
    const std::string name = absl::StrCat("decode attention, ", rows, " rows of ", length);
    if (!report.Wants(name)) continue;
    const std::int64_t slots = std::max<std::int64_t>(std::int64_t{rows} * length, 1 << 17);
    constexpr std::int64_t kBlockTokens = 64;
    std::vector<std::int32_t> table(static_cast<std::size_t>(rows * length / kBlockTokens));
    std::iota(table.begin(), table.end(), 0);
    const auto splits = static_cast<std::int32_t>(rows * DivideUp(length, kDecodeSplitCuda));
    const RandomMemory cache(slots * (kLatentRank + kLatentRope), 1.0);
    const RandomMemory q(std::int64_t{rows} * kHeads * 192, 0.3);
    const RandomMemory latent_q(std::int64_t{rows} * kHeads * kLatentRank, 0.3);
    const DeviceArray<std::int32_t> blocks(table);
    const DeviceArray<std::int32_t> lengths(static_cast<std::size_t>(rows), length);
    const DeviceArray<std::int32_t> offsets(static_cast<std::size_t>(rows) + 1, 0);
    const DeviceArray<std::int32_t> split_rows(static_cast<std::size_t>(splits), 0);
    const DeviceArray<float> partial(static_cast<std::size_t>(splits) * kHeads * kLatentRank, 0);
    const DeviceArray<float> states(static_cast<std::size_t>(splits) * kHeads * 2, 0);
    const RandomMemory u(std::int64_t{rows} * kHeads * 2 * kLatentRank);
    const DecodePlan plan{offsets.data(), split_rows.data(), splits};
    CheckLaunch(PlanDecodeCuda({}, {.lengths = lengths.data(), .rows = rows, .plan = plan}));
    const auto run = [&](int) {
      CheckLaunch(MlaDecodeCuda({}, {.latent_q = latent_q.data(),
                                     .q = q.data(),
                                     .q_stride = kHeads * 192,
                                     .nope = 128,
                                     .cache = cache.data(),
                                     .block_table = blocks.data(),
                                     .block_table_stride = length / kBlockTokens,
                                     .block_tokens = kBlockTokens,
                                     .lengths = lengths.data(),
                                     .plan = plan,
                                     .rows = rows,
                                     .num_heads = kHeads,
                                     .scale = 0.1147F,
                                     .blocks = 2 * Multiprocessors(),
                                     .partial = partial.data(),
                                     .partial_state = states.data(),
                                     .u = u.data()}));
    };
    const double keys = static_cast<double>(rows) * length;
    report.Case(name, keys * 2 * (kLatentRank + kLatentRope),
                keys * kHeads * 2 * (2 * kLatentRank + kLatentRope), run, [&] { return u.Read(); });
  }
}

void Prefills(Report& report) {
  for (const std::int32_t rows : {512, 2048, 8192}) {
    const std::string name = absl::StrCat("prefill attention, ", rows, " rows");
    if (!report.Wants(name)) continue;
    std::vector<std::int32_t> table(static_cast<std::size_t>(rows / 64));
    std::iota(table.begin(), table.end(), 0);
    const RandomMemory cache(std::int64_t{rows} * (kLatentRank + kLatentRope), 1.0);
    const RandomMemory q(std::int64_t{rows} * kHeads * 192, 0.3);
    const RandomMemory kv_b(std::int64_t{kHeads} * 256 * kLatentRank, 0.04);
    const DeviceArray<std::int32_t> blocks(table);
    const RandomMemory expanded(std::int64_t{rows} * kHeads * 256);
    const RandomMemory out(std::int64_t{rows} * kHeads * kPrefillV);
    const auto run = [&](int) {
      CheckLaunch(MlaPrefillCuda({}, {.q = q.data(),
                                      .q_stride = kHeads * 192,
                                      .kv_b = kv_b.data(),
                                      .cache = cache.data(),
                                      .block_table = blocks.data(),
                                      .block_tokens = 64,
                                      .rows = rows,
                                      .num_heads = kHeads,
                                      .scale = 0.1147F,
                                      .out = out.data(),
                                      .out_stride = kHeads * kPrefillV,
                                      .span_keys = rows,
                                      .expanded = expanded.data()}));
    };
    const double n = rows;
    report.Case(name, 0, kHeads * (n * n * (192 + kPrefillV) + 2.0 * n * 256 * kLatentRank), run,
                [&] { return out.Read(); });
  }
}

void Samples(Report& report) {
  for (const std::int64_t rows : {1, 32, 256}) {
    const std::string name = absl::StrCat("sampling, temperature 1, top_p 0.95, ", rows, " rows");
    if (!report.Wants(name)) continue;
    const RandomMemory logits(rows * kVocab, 2.5);
    std::vector<SampleRowCuda> params(static_cast<std::size_t>(rows));
    for (std::size_t r = 0; r < params.size(); ++r) {
      params[r] = DeviceSampleRow({.temperature = 1.0F, .top_p = 0.95F, .seed = r}, 7);
    }
    const DeviceArray<SampleRowCuda> table(params);
    const DeviceArray<float> adjusted(4, 0);  // nothing is adjusted
    const DeviceArray<std::uint32_t> counts(4, 0);
    const DeviceArray<SampledTokenCuda> results(params.size(), SampledTokenCuda{});
    const auto run = [&](int) {
      CheckLaunch(SampleCuda({}, {.logits = logits.data(),
                                  .logits_stride = kVocab,
                                  .rows = rows,
                                  .vocab_size = kVocab,
                                  .params = table.data(),
                                  .adjusted = adjusted.data(),
                                  .counts = counts.data(),
                                  .results = results.data()}));
    };
    report.Case(name, 2.0 * static_cast<double>(rows) * kVocab, 0, run, [&] {
      std::vector<std::int32_t> ids;
      for (const SampledTokenCuda& token : results.Read()) ids.push_back(token.id);
      return LowBits(ids);
    });
  }
}

int Run(const std::string& only) {
  if (const std::string reason = WhyNoDevice(); !reason.empty()) {
    std::fprintf(stderr, "cuda_kernels_benchmark: %s\n", reason.c_str());
    return 1;
  }
  Report report(MeasureCeilings(), only);
  Norms(report);
  Linears(report);
  FeedForwards(report);
  Exchanges(report);
  Decodes(report);
  Prefills(report);
  Samples(report);
  return 0;
}

}  // namespace
}  // namespace sextant

int main(int argc, char** argv) { return sextant::Run(argc > 1 ? argv[1] : ""); }
