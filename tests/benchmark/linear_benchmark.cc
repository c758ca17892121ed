// Times the matrix products of DeepSeek-V2-Lite on cold weights and compares them with what this
// machine could do at best, measured in the same run. Checks the results first.
//
//   linear_benchmark [--threads=2] [--memory=file|huge] [--directory=/tmp] [--only=NAME]
//
// The share is that of the ideal time: the larger of bytes over the read bandwidth and operations
// over the product rate, divided by the time measured. On a shared host the bandwidth changes from
// second to second, so it is measured again before and after each case, and the better one counts.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "common/base/check.h"
#include "common/base/status.h"
#include "common/tensor/float_types.h"
#include "kernels/ceiling/ceiling.h"
#include "kernels/feed_forward/grouped_feed_forward.h"
#include "kernels/feed_forward/grouped_feed_forward_reference.h"
#include "kernels/linear/linear.h"
#include "kernels/linear/linear_reference.h"
#include "tests/benchmark/mapped_weights.h"

namespace sextant {
namespace {

constexpr std::int64_t kHidden = 2048;
constexpr std::int64_t kExpertWidth = 1408;
constexpr std::int64_t kExperts = 64;
constexpr std::int64_t kChosen = 6;
constexpr double kSecondsPerCase = 0.5;

struct Options {
  int threads = 2;
  MappedWeights::Memory memory = MappedWeights::Memory::kFile;
  std::string directory = "/tmp";
  std::string only;
};

std::vector<float> RandomRows(std::int64_t rows, std::int64_t cols) {
  std::vector<float> values(static_cast<std::size_t>(rows * cols));
  std::uint32_t state = 99;
  for (float& value : values) {
    state = state * 1664525U + 1013904223U;
    value = RoundToBf16(static_cast<float>(state >> 8) * 0x1p-23F - 1.0F);
  }
  return values;
}

class Benchmark {
 public:
  Benchmark(Stream& stream, MappedWeights& weights, const Ceilings& ceilings, std::string only)
      : stream_(stream), weights_(weights), ceilings_(ceilings), only_(std::move(only)) {}

  void RunLinear(const std::string& name, std::int64_t rows, std::vector<std::int64_t> outputs,
                 std::int64_t cols) {
    if (Skips(name)) return;
    std::vector<float> x = RandomRows(rows, cols);
    std::vector<std::vector<float>> y;
    for (const std::int64_t n : outputs) y.emplace_back(static_cast<std::size_t>(rows * n));
    double values = 0;
    for (const std::int64_t n : outputs) values += static_cast<double>(n * cols);
    const auto next = [&] {
      std::vector<LinearArgs> products;
      for (std::size_t i = 0; i < outputs.size(); ++i) {
        products.push_back({{x.data(), rows, cols},
                            weights_.Next(outputs[i], cols),
                            {y[i].data(), rows, outputs[i]},
                            Precision::kBf16});
      }
      return products;
    };
    const std::vector<LinearArgs> products = next();
    CHECK(LinearGroup(stream_, products).ok());
    for (const LinearArgs& args : products) CheckLinear(args);
    Time(name, 2 * values, 2 * values * static_cast<double>(rows),
         [&] { CHECK(LinearGroup(stream_, next()).ok()); });
  }

  // `tokens` tokens choose experts evenly; with the shared experts as one more.
  void RunExperts(const std::string& name, std::int64_t tokens, bool shared) {
    if (Skips(name)) return;
    std::vector<float> x = RandomRows(tokens, kHidden);
    std::vector<std::vector<std::int32_t>> rows(kExperts);
    for (std::int64_t i = 0; i < tokens * kChosen; ++i) {
      rows[static_cast<std::size_t>(i * 11 % kExperts)].push_back(
          static_cast<std::int32_t>(i / kChosen));
    }
    std::int64_t out_rows = shared ? tokens : 0;
    double values = shared ? 3.0 * 2 * kExpertWidth * kHidden : 0;
    double products = values * static_cast<double>(tokens);
    for (const auto& of_expert : rows) {
      if (of_expert.empty()) continue;
      out_rows += static_cast<std::int64_t>(of_expert.size());
      values += 3.0 * kExpertWidth * kHidden;
      products += 3.0 * kExpertWidth * kHidden * static_cast<double>(of_expert.size());
    }
    std::vector<float> y(static_cast<std::size_t>(out_rows * kHidden));
    const auto weights = [&](std::int64_t width) {
      return FeedForwardWeights{weights_.Next(width, kHidden), weights_.Next(width, kHidden),
                                weights_.Next(kHidden, width)};
    };
    const auto next = [&] {
      std::vector<ExpertRows> experts;
      if (shared) experts.push_back({weights(2 * kExpertWidth), std::nullopt});
      for (const auto& of_expert : rows) {
        if (!of_expert.empty()) experts.push_back({weights(kExpertWidth), of_expert});
      }
      return experts;
    };
    const auto run = [&](const std::vector<ExpertRows>& experts) {
      CHECK(GroupedFeedForward(stream_, {{x.data(), tokens, kHidden},
                                         experts,
                                         {y.data(), out_rows, kHidden},
                                         Precision::kBf16})
                .ok());
    };
    const std::vector<ExpertRows> experts = next();
    run(experts);
    CheckExpert(experts[0], {x.data(), tokens, kHidden}, {y.data(), out_rows, kHidden});
    Time(name, 2 * values, 2 * products, [&] { run(next()); });
  }

 private:
  [[nodiscard]] bool Skips(const std::string& name) const {
    return name.find(only_) == std::string::npos;
  }

  // The first, the last and some outputs in between, against the oracle.
  static void CheckLinear(const LinearArgs& args) {
    for (const std::int64_t t : {std::int64_t{0}, args.y.rows / 2, args.y.rows - 1}) {
      for (const std::int64_t n : {std::int64_t{0}, args.y.cols / 2 + 1, args.y.cols - 1}) {
        float expected = 0;
        LinearReference(
            {args.x.Rows(t, 1), args.weight.Rows(n, 1), {&expected, 1, 1}, args.precision});
        CheckClose(args.y.Row(t)[n], expected);
      }
    }
  }

  static void CheckExpert(const ExpertRows& expert, MatrixView<const float> x,
                          MatrixView<const float> y) {
    const std::int32_t row = expert.rows ? expert.rows->front() : 0;
    const ExpertRows one = {expert.weights, absl::MakeConstSpan(&row, 1)};
    std::vector<float> expected(static_cast<std::size_t>(x.cols));
    GroupedFeedForwardReference({x, {&one, 1}, {expected.data(), 1, x.cols}, Precision::kBf16});
    for (std::size_t n = 0; n < expected.size(); ++n) CheckClose(y.Row(0)[n], expected[n]);
  }

  // Random sums of the sizes here are of order 1; bf16 intermediates are off by up to 1/256.
  static void CheckClose(float got, float expected) {
    CHECK_LE(std::abs(got - expected), 0.02F * (1 + std::abs(expected)));
  }

  // What the threads read at this moment, from memory that the caches do not hold.
  double ReadBytesPerSecond() {
    constexpr std::int64_t kSample = std::int64_t{256} << 20;
    return MeasureReadBytesPerSecond(stream_, weights_.data(), kSample);
  }

  template <typename Work>
  void Time(const std::string& name, double bytes, double flops, Work work) {
    using Clock = std::chrono::steady_clock;
    std::vector<double> times;
    double total = 0;
    const double read_before = ReadBytesPerSecond();
    while (total < kSecondsPerCase || times.size() < 3) {
      const auto start = Clock::now();
      work();
      times.push_back(std::chrono::duration<double>(Clock::now() - start).count());
      total += times.back();
    }
    std::sort(times.begin(), times.end());
    const double bandwidth = std::max(read_before, ReadBytesPerSecond());
    const double floor = std::max(bytes / bandwidth, flops / ceilings_.product_flops_per_s);
    const auto line = [&](double seconds) {
      return absl::StrFormat("%10.3f ms %6.1f GB/s %6.0f GFLOP/s %5.1f%%", seconds * 1e3,
                             bytes / seconds * 1e-9, flops / seconds * 1e-9, 100 * floor / seconds);
    };
    absl::PrintF("%-28s median %s   best %s   reads %.1f GB/s\n", name,
                 line(times[times.size() / 2]), line(times[0]), bandwidth * 1e-9);
    std::fflush(stdout);
  }

  Stream& stream_;
  MappedWeights& weights_;
  Ceilings ceilings_;
  std::string only_;
};

absl::Status Run(const Options& options) {
  constexpr std::int64_t kWeightBytes = std::int64_t{1500} << 20;
  ASSIGN_OR_RETURN(const Backend backend, ChooseBackend());
  ASSIGN_OR_RETURN(MappedWeights weights,
                   MappedWeights::Create(options.memory, options.directory, kWeightBytes));
  ThreadPool pool(options.threads);
  Stream stream(backend, pool);
  ASSIGN_OR_RETURN(const Ceilings ceilings, MeasureCeilings(stream));
  absl::PrintF("%s, %d threads: reads %.1f GB/s (these weights %.1f), products %.0f GFLOP/s\n",
               Name(backend), options.threads, ceilings.read_bytes_per_s * 1e-9,
               MeasureReadBytesPerSecond(stream, weights.data(), weights.bytes()) * 1e-9,
               ceilings.product_flops_per_s * 1e-9);
  Benchmark benchmark(stream, weights, ceilings, options.only);
  for (const std::int64_t rows : {1, 2, 4, 8, 16, 32, 64, 512}) {
    const std::string suffix = absl::StrFormat(" T=%d", rows);
    benchmark.RunLinear("q+kv_a 2048->3072+576" + suffix, rows, {3072, 576}, kHidden);
    benchmark.RunLinear("o 2048->2048" + suffix, rows, {2048}, kHidden);
    benchmark.RunLinear("gate+up 2048->10944" + suffix, rows, {10944, 10944}, kHidden);
    benchmark.RunLinear("down 10944->2048" + suffix, rows, {2048}, 10944);
    benchmark.RunExperts("experts" + suffix, rows, false);
    benchmark.RunExperts("experts+shared" + suffix, rows, true);
  }
  return absl::OkStatus();
}

absl::StatusOr<Options> Parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    absl::string_view argument = argv[i];
    if (absl::ConsumePrefix(&argument, "--threads=")) {
      if (!absl::SimpleAtoi(argument, &options.threads) || options.threads < 1) {
        return absl::InvalidArgumentError("--threads needs a positive number");
      }
    } else if (absl::ConsumePrefix(&argument, "--memory=")) {
      if (argument != "file" && argument != "huge") {
        return absl::InvalidArgumentError("--memory is file or huge");
      }
      options.memory =
          argument == "file" ? MappedWeights::Memory::kFile : MappedWeights::Memory::kHugePages;
    } else if (absl::ConsumePrefix(&argument, "--directory=")) {
      options.directory = std::string(argument);
    } else if (absl::ConsumePrefix(&argument, "--only=")) {
      options.only = std::string(argument);
    } else {
      return absl::InvalidArgumentError(absl::StrFormat("unknown argument %s", argv[i]));
    }
  }
  return options;
}

}  // namespace
}  // namespace sextant

int main(int argc, char** argv) {
  const absl::StatusOr<sextant::Options> options = sextant::Parse(argc, argv);
  const absl::Status status = options.ok() ? sextant::Run(*options) : options.status();
  if (!status.ok()) {
    absl::FPrintF(stderr, "linear_benchmark: %s\n", status.ToString());
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
