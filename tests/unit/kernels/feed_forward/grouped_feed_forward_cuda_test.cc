#include "kernels/feed_forward/grouped_feed_forward_cuda.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <vector>

#include "kernels/feed_forward/grouped_feed_forward_reference.h"
#include "tests/support/device/device_memory.h"
#include "tests/support/device/values.h"

namespace sextant {
namespace {

using Rows = std::vector<std::int32_t>;

struct Expert {
  std::vector<Bf16> gate;
  std::vector<Bf16> up;
  std::vector<Bf16> down;

  Expert(std::int64_t hidden, std::int64_t width, std::uint32_t seed)
      : gate(NormalBf16(width * hidden, 1.0 / std::sqrt(static_cast<double>(hidden)), seed)),
        up(NormalBf16(width * hidden, 1.0 / std::sqrt(static_cast<double>(hidden)), seed + 1)),
        down(NormalBf16(width * hidden, 1.0 / std::sqrt(static_cast<double>(width)), seed + 2)) {}
};

// A layer of experts, on the host and on the device.
class Layer {
 public:
  Layer(std::int64_t hidden, std::int64_t width, std::size_t experts)
      : hidden_(hidden), width_(width) {
    for (std::size_t e = 0; e < experts; ++e) {
      experts_.emplace_back(hidden, width, static_cast<std::uint32_t>(100 + 3 * e));
    }
    std::vector<ExpertWeightsCuda> weights;
    for (const Expert& expert : experts_) {
      const auto upload = [&](const std::vector<Bf16>& values) {
        memory_.push_back(std::make_unique<DeviceArray<Bf16>>(values));
        return memory_.back()->data();
      };
      weights.push_back({upload(expert.gate), upload(expert.up), upload(expert.down)});
    }
    table_ = std::make_unique<DeviceArray<ExpertWeightsCuda>>(weights);
  }

  [[nodiscard]] std::int64_t hidden() const { return hidden_; }
  [[nodiscard]] std::size_t experts() const { return experts_.size(); }
  [[nodiscard]] FeedForwardWeights weights(std::size_t expert) const {
    const Expert& e = experts_[expert];
    return {{e.gate.data(), DType::kBf16, width_, hidden_},
            {e.up.data(), DType::kBf16, width_, hidden_},
            {e.down.data(), DType::kBf16, hidden_, width_}};
  }

  // `rows[e]`: the rows of x of expert e. `spare` more places than there are rows.
  [[nodiscard]] std::vector<Bf16> Run(const std::vector<Bf16>& x, const std::vector<Rows>& rows,
                                      std::int64_t spare = 0) const {
    Rows sources;
    Rows offsets = {0};
    for (const Rows& of_expert : rows) {
      sources.insert(sources.end(), of_expert.begin(), of_expert.end());
      offsets.push_back(static_cast<std::int32_t>(sources.size()));
    }
    const std::size_t used = sources.size();
    const std::int64_t places = static_cast<std::int64_t>(used) + spare;
    sources.resize(static_cast<std::size_t>(places), std::numeric_limits<std::int32_t>::min());
    const DeviceArray<Bf16> on_device(x);
    const DeviceArray<std::int32_t> source_rows(sources);
    const DeviceArray<std::int32_t> ends(offsets);
    const DeviceArray<Bf16> gated(static_cast<std::size_t>(places * width_), Bf16{0xffff});
    const DeviceArray<Bf16> y(static_cast<std::size_t>(places * hidden_), ToBf16(7.0F));
    EXPECT_TRUE(
        Ran(GroupedFeedForwardCuda({}, {.x = on_device.data(),
                                        .source_rows = source_rows.data(),
                                        .offsets = ends.data(),
                                        .experts = table_->data(),
                                        .places = places,
                                        .num_experts = static_cast<std::int32_t>(experts_.size()),
                                        .hidden = static_cast<std::int32_t>(hidden_),
                                        .width = static_cast<std::int32_t>(width_),
                                        .gated = gated.data(),
                                        .y = y.data()})));
    std::vector<Bf16> result = y.Read();
    for (std::size_t i = used * static_cast<std::size_t>(hidden_); i < result.size(); ++i) {
      EXPECT_EQ(result[i], ToBf16(7.0F)) << "beyond the rows";
    }
    result.resize(used * static_cast<std::size_t>(hidden_));
    return result;
  }

 private:
  std::int64_t hidden_;
  std::int64_t width_;
  std::vector<Expert> experts_;
  std::vector<std::unique_ptr<DeviceArray<Bf16>>> memory_;
  std::unique_ptr<DeviceArray<ExpertWeightsCuda>> table_;
};

// What an output may differ by: rounded values on the way that fall on the other side, each by 2^-8
// of its magnitude, and the sum over F that carries them (as the CPU's test bounds it).
double Bound(const FeedForwardWeights& weights, const float* x, std::int64_t n) {
  double total = 0;
  for (std::int64_t f = 0; f < weights.gate.rows; ++f) {
    double gate = 0;
    double up = 0;
    for (std::int64_t k = 0; k < weights.gate.cols; ++k) {
      gate += static_cast<double>(x[k]) * static_cast<double>(weights.gate.At(f, k));
      up += static_cast<double>(x[k]) * static_cast<double>(weights.up.At(f, k));
    }
    const double silu = gate / (1.0 + std::exp(-gate));
    total += std::abs(silu * up * static_cast<double>(weights.down.At(n, f)));
  }
  return 5.0 * total * std::ldexp(1.0, -8) + 1e-6;
}

class GroupedFeedForwardCudaTest : public DeviceTest {
 protected:
  static void ExpectAgreement(const Layer& layer, std::int64_t tokens,
                              const std::vector<Rows>& rows) {
    SCOPED_TRACE(testing::Message() << "H " << layer.hidden() << ", " << tokens << " rows");
    const std::vector<Bf16> x = NormalBf16(tokens * layer.hidden(), 1.0, 7);
    const std::vector<Bf16> y = layer.Run(x, rows, 5);
    const std::vector<float> wide = Widened(x);
    std::size_t place = 0;
    double squares = 0;
    double differences = 0;
    for (std::size_t e = 0; e < rows.size(); ++e) {
      for (const std::int32_t row : rows[e]) {
        const float* from = wide.data() + row * layer.hidden();
        std::vector<float> expected(static_cast<std::size_t>(layer.hidden()));
        const ExpertRows one{layer.weights(e), std::nullopt};
        GroupedFeedForwardReference({.x = {from, 1, layer.hidden()},
                                     .experts = {&one, 1},
                                     .y = {expected.data(), 1, layer.hidden()}});
        for (std::int64_t n = 0; n < layer.hidden(); ++n) {
          const float actual = ToFloat(y[place * expected.size() + static_cast<std::size_t>(n)]);
          const float wanted = expected[static_cast<std::size_t>(n)];
          // Bounds are dear; only what is not plainly right needs one.
          if (std::abs(actual - wanted) > std::ldexp(std::abs(wanted), -8)) {
            ASSERT_NEAR(actual, wanted, Bound(layer.weights(e), from, n))
                << "expert " << e << ", row " << row << ", output " << n;
          }
          differences += std::pow(static_cast<double>(actual - wanted), 2);
          squares += std::pow(static_cast<double>(wanted), 2);
        }
        ++place;
      }
    }
    EXPECT_LE(std::sqrt(differences), std::sqrt(squares) * std::ldexp(1.0, -8));
  }
};

Rows Range(std::int32_t begin, std::int32_t end) {
  Rows rows(static_cast<std::size_t>(end - begin));
  std::iota(rows.begin(), rows.end(), begin);
  return rows;
}

TEST_F(GroupedFeedForwardCudaTest, AgreesWithTheReferenceForFewRows) {
  for (const auto& [hidden, width] : {std::pair(8, 8), std::pair(72, 136), std::pair(264, 56)}) {
    const Layer layer(hidden, width, 4);
    ExpectAgreement(layer, 9, {{8, 0, 8}, {}, {1, 2, 3, 4}, {5}});
    ExpectAgreement(layer, 17, {{}, {}, {}, Range(0, 17)});
    ExpectAgreement(layer, 1, {{}, {0}, {}, {}});
    ExpectAgreement(layer, 1, {{}, {}, {}, {}});
  }
}

TEST_F(GroupedFeedForwardCudaTest, AgreesWithTheReferenceForManyRows) {
  const Layer layer(136, 72, 2);
  ASSERT_EQ(FeedForwardTokens(57 + 5, 2), 64);
  ASSERT_EQ(FeedForwardTokens(139 + 5, 2), 128);
  ExpectAgreement(layer, 59, {Range(0, 1), Range(3, 59)});        // 64 rows a tile
  ExpectAgreement(layer, 140, {Range(0, 129), Range(130, 140)});  // 128
}

TEST_F(GroupedFeedForwardCudaTest, RowsHaveTheSameBytesInAnyCompanyAndEveryTile) {
  const Layer layer(200, 88, 3);
  const std::vector<Bf16> x = NormalBf16(300 * 200, 1.0, 8);
  for (const std::int32_t count : {12, 80, 300}) {
    SCOPED_TRACE(count);
    // Many rows on one expert, the last ones first; some on another, none on the third.
    Rows first = Range(0, count);
    std::reverse(first.begin(), first.end());
    const Rows second = {1, count - 1, 1};
    const std::vector<Bf16> together = layer.Run(x, {first, second, {}});
    for (std::int32_t i = 0; i < count; i += count / 6) {
      const std::vector<Bf16> alone = layer.Run(x, {{first[static_cast<std::size_t>(i)]}, {}, {}});
      EXPECT_EQ(alone, RowsOf(together, i, 1, 200)) << "row " << i;
    }
    EXPECT_EQ(layer.Run(x, {{}, {count - 1}, {}}), RowsOf(together, count + 1, 1, 200));
    EXPECT_EQ(RowsOf(together, count, 1, 200), RowsOf(together, count + 2, 1, 200));
  }
}

// Few rows cost what their experts' weights cost to read, and shared memory is read without
// waiting.
TEST_F(GroupedFeedForwardCudaTest,
       ReadsTheWeightsOfChosenExpertsOnceAndMeetsNoBankTwiceOnTheEmulator) {
  constexpr std::int64_t kHidden = 256;
  constexpr std::int64_t kWidth = 128;
  const Layer layer(kHidden, kWidth, 3);
  const std::vector<Bf16> x = NormalBf16(130 * kHidden, 1.0, 9);
  (void)TakeDeviceTraffic();
  (void)layer.Run(x, {{4, 5}, {}, {0}});
  const DeviceTraffic few = TakeDeviceTraffic();
  constexpr std::int64_t kTwoExperts = 2 * 3 * kHidden * kWidth * 2;
  // Each of two blocks along the width reads three rows, and of two along H their gated values.
  constexpr std::int64_t kRows = 2 * 3 * kHidden * 2 + 2 * 3 * kWidth * 2;
  EXPECT_EQ(few.copied_bytes, kTwoExperts + kRows);
  EXPECT_EQ(few.conflicting_rows, 0);
  (void)layer.Run(x, {Range(0, 70), Range(70, 130), {}});
  EXPECT_EQ(TakeDeviceTraffic().conflicting_rows, 0);
}

TEST_F(GroupedFeedForwardCudaTest, TakesMoreRowsAtOnceTheMoreThereAre) {
  EXPECT_EQ(FeedForwardTokens(6, 64), 16);       // a decode step of one row
  EXPECT_EQ(FeedForwardTokens(384, 64), 16);     // of 64
  EXPECT_EQ(FeedForwardTokens(1536, 64), 64);    // of 256
  EXPECT_EQ(FeedForwardTokens(12288, 64), 128);  // a prompt of 2048
}

TEST_F(GroupedFeedForwardCudaTest, RefusesWhatDoesNotFit) {
  const DeviceArray<Bf16> memory(64, ToBf16(1.0F));
  const GroupedFeedForwardCudaArgs args{.x = memory.data(),
                                        .num_experts = 2,
                                        .hidden = 16,
                                        .width = 8,
                                        .gated = memory.data(),
                                        .y = memory.data()};
  EXPECT_TRUE(GroupedFeedForwardCuda({}, args).ok());
  for (int which = 0; which < 5; ++which) {
    GroupedFeedForwardCudaArgs bad = args;
    if (which == 0) bad.hidden = 12;
    if (which == 1) bad.width = 0;
    if (which == 2) bad.num_experts = 257;
    if (which == 3) bad.x = memory.data() + 1;
    if (which == 4) bad.places = -1;
    EXPECT_EQ(GroupedFeedForwardCuda({}, bad).error, DeviceError::kInvalidArgument) << which;
  }
}

}  // namespace
}  // namespace sextant
