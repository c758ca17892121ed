#include "expert_worker/device/local_device_exchange.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <random>

#include "common/device/backend.h"
#include "common/device/stream.h"
#include "common/exchange/local_exchange.h"
#include "expert_worker/compute/stored_experts.h"
#include "tests/support/device/read_device.h"
#include "tests/support/device/values.h"
#include "tests/support/message_of.h"
#include "tests/unit/expert_worker/device/demo_experts.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kMaxRows = 9;

// Tokens of a step with their chosen experts.
struct Step {
  std::vector<Bf16> rows;         // [T, H]
  std::vector<std::int32_t> ids;  // [T, K]
};

class LocalDeviceExchangeTest : public DemoExpertsTest {
 protected:
  void SetUp() override {
    DemoExpertsTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    experts_ = Load(AllExperts(config_));
    auto exchange = LocalDeviceExchange::Create(gpu(), kernels(), config_, *experts_, kMaxRows);
    ASSERT_TRUE(exchange.ok()) << exchange.status();
    exchange_ = *std::move(exchange);
    stream_.emplace(*GpuStream::Create(gpu()));
  }

  // Each token with experts of its own choice, none twice.
  [[nodiscard]] Step MakeStep(std::int64_t tokens, std::uint32_t seed) const {
    Step step{.rows = NormalBf16(tokens * config_.hidden_size, 1.0, seed), .ids = {}};
    std::mt19937 random(seed);
    std::vector<std::int32_t> all = AllExperts(config_);
    for (std::int64_t t = 0; t < tokens; ++t) {
      std::shuffle(all.begin(), all.end(), random);
      step.ids.insert(step.ids.end(), all.begin(), all.begin() + config_.num_experts_per_tok);
    }
    return step;
  }

  [[nodiscard]] Step TokenOf(const Step& step, std::int64_t token) const {
    return {.rows = RowsOf(step.rows, token, 1, config_.hidden_size),
            .ids = RowsOf(step.ids, token, 1, config_.num_experts_per_tok)};
  }

  // [tokens * K, H]: what each choice of each token got, once the stream has come so far.
  std::vector<Bf16> Collect(std::int64_t tokens) {
    const auto outputs = exchange_->Collect(stream_->handle());
    EXPECT_TRUE(outputs.ok()) << outputs.status();
    EXPECT_TRUE(stream_->Synchronize().ok());
    const std::int64_t slots = tokens * config_.num_experts_per_tok;
    std::vector<Bf16> in_order;
    for (const std::int32_t place : ReadDevice(gpu(), outputs->places, slots)) {
      EXPECT_GE(place, 0);
      EXPECT_LT(place, slots);
      const std::vector<Bf16> row =
          ReadDevice(gpu(), outputs->rows + place * config_.hidden_size, config_.hidden_size);
      in_order.insert(in_order.end(), row.begin(), row.end());
    }
    return in_order;
  }

  std::vector<Bf16> Run(const Step& step, int layer) {
    const DeviceArray<Bf16> rows(step.rows);
    const DeviceArray<std::int32_t> ids(step.ids);
    const auto tokens = static_cast<std::int64_t>(step.rows.size()) / config_.hidden_size;
    const absl::Status dispatched = exchange_->Dispatch(
        stream_->handle(),
        {.layer = layer, .rows = rows.data(), .expert_ids = ids.data(), .tokens = tokens});
    EXPECT_TRUE(dispatched.ok()) << dispatched;
    return Collect(tokens);
  }

  // The same by the CPU.
  std::vector<float> RunOnCpu(const Step& step, int layer) {
    ThreadPool pool(1);
    Stream stream(Backend::kReference, pool);
    StoredExperts host(store_, stream, Precision::kBf16);
    LocalExchange exchange(host, static_cast<std::int32_t>(config_.n_routed_experts));
    const std::vector<float> rows = Widened(step.rows);
    const auto tokens = static_cast<std::int64_t>(rows.size()) / config_.hidden_size;
    EXPECT_TRUE(
        exchange
            .Dispatch({.layer = layer,
                       .rows = {rows.data(), tokens, config_.hidden_size},
                       .expert_ids = {step.ids.data(), tokens, config_.num_experts_per_tok}})
            .ok());
    const auto outputs = exchange.Collect();
    EXPECT_TRUE(outputs.ok()) << outputs.status();
    std::vector<float> in_order;
    for (const std::int32_t row : outputs->row_of) {
      const float* from = outputs->rows.Row(row);
      in_order.insert(in_order.end(), from, from + config_.hidden_size);
    }
    return in_order;
  }

  // What each output of an expert may differ by: values on the way are rounded, and may fall on the
  // other side, each by 2^-8 of its magnitude: gate, up, silu, their product and the output.
  [[nodiscard]] std::vector<double> Bounds(const FeedForwardWeights& weights, const Bf16* x) const {
    std::vector<double> gated;
    for (std::int64_t f = 0; f < weights.gate.rows; ++f) {
      double gate = 0;
      double up = 0;
      for (std::int64_t i = 0; i < weights.gate.cols; ++i) {
        gate += static_cast<double>(ToFloat(x[i])) * static_cast<double>(weights.gate.At(f, i));
        up += static_cast<double>(ToFloat(x[i])) * static_cast<double>(weights.up.At(f, i));
      }
      gated.push_back(gate / (1.0 + std::exp(-gate)) * up);
    }
    std::vector<double> bounds;
    for (std::int64_t n = 0; n < weights.down.rows; ++n) {
      double total = 0;
      for (std::int64_t f = 0; f < weights.down.cols; ++f) {
        total += std::abs(gated[static_cast<std::size_t>(f)] *
                          static_cast<double>(weights.down.At(n, f)));
      }
      bounds.push_back(5.0 * total * std::ldexp(1.0, -8) + 1e-6);
    }
    return bounds;
  }

  void ExpectAgreement(const Step& step, int layer) {
    SCOPED_TRACE(layer);
    const std::vector<Bf16> actual = Run(step, layer);
    const std::vector<float> wanted = RunOnCpu(step, layer);
    ASSERT_EQ(actual.size(), wanted.size());
    const auto hidden = static_cast<std::size_t>(config_.hidden_size);
    const auto chosen = static_cast<std::size_t>(config_.num_experts_per_tok);
    for (std::size_t slot = 0; slot < step.ids.size(); ++slot) {
      const std::vector<double> bounds =
          Bounds(*store_.Find(layer, step.ids[slot]), step.rows.data() + slot / chosen * hidden);
      for (std::size_t n = 0; n < hidden; ++n) {
        const std::size_t i = slot * hidden + n;
        ASSERT_NEAR(ToFloat(actual[i]), wanted[i], bounds[n]) << "slot " << slot << ", " << n;
      }
    }
  }

  std::unique_ptr<DeviceExperts> experts_;
  std::unique_ptr<LocalDeviceExchange> exchange_;
  std::optional<GpuStream> stream_;
};

TEST_F(LocalDeviceExchangeTest, ComputesWhatTheCpusExpertsDo) {
  for (int layer = 1; layer < 4; ++layer) {
    ExpectAgreement(MakeStep(5, static_cast<std::uint32_t>(layer)), layer);
  }
  ExpectAgreement(MakeStep(1, 4), kMoeLayer);
  ExpectAgreement(MakeStep(kMaxRows, 5), kMoeLayer);
}

TEST_F(LocalDeviceExchangeTest, AllTokensMayChooseTheSameExperts) {
  Step step = MakeStep(kMaxRows, 6);
  const auto chosen = static_cast<std::size_t>(config_.num_experts_per_tok);
  for (std::size_t i = chosen; i < step.ids.size(); ++i) step.ids[i] = step.ids[i % chosen];
  ExpectAgreement(step, kMoeLayer);
}

TEST_F(LocalDeviceExchangeTest, ATokenGetsTheSameBytesAloneAndInCompany) {
  const Step step = MakeStep(kMaxRows, 7);
  const std::vector<Bf16> together = Run(step, kMoeLayer);
  const std::int64_t values = config_.num_experts_per_tok * config_.hidden_size;
  for (std::int64_t token = 0; token < kMaxRows; token += 4) {
    EXPECT_EQ(Run(TokenOf(step, token), kMoeLayer), RowsOf(together, token, 1, values)) << token;
  }
}

TEST_F(LocalDeviceExchangeTest, ACapturedDispatchServesOtherTokensAndFewer) {
  const Step first = MakeStep(kMaxRows, 8);
  const Step second = MakeStep(kMaxRows, 9);
  DeviceArray<Bf16> rows(first.rows);
  DeviceArray<std::int32_t> ids(first.ids);
  DeviceArray<std::int32_t> live(1, static_cast<std::int32_t>(kMaxRows));
  ASSERT_TRUE(gpu().BeginCapture(stream_->handle()).ok());
  const absl::Status dispatched =
      exchange_->Dispatch(stream_->handle(), {.layer = kMoeLayer,
                                              .rows = rows.data(),
                                              .expert_ids = ids.data(),
                                              .tokens = kMaxRows,
                                              .live_rows = live.data()});
  DeviceGraph captured;
  ASSERT_TRUE(gpu().EndCapture(stream_->handle(), &captured).ok());
  const GpuGraph graph(gpu(), captured);
  ASSERT_TRUE(dispatched.ok()) << dispatched;

  ASSERT_TRUE(gpu().Launch(stream_->handle(), graph.handle()).ok());
  const std::vector<Bf16> of_first = Collect(kMaxRows);
  rows.Write(second.rows);
  ids.Write(second.ids);
  live.Write({4});
  ASSERT_TRUE(gpu().Launch(stream_->handle(), graph.handle()).ok());
  const std::vector<Bf16> of_second = Collect(4);

  EXPECT_EQ(of_first, Run(first, kMoeLayer));
  const std::vector<Bf16> whole = Run(second, kMoeLayer);
  EXPECT_EQ(of_second, std::vector<Bf16>(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(
                                                                            of_second.size())));
}

TEST_F(LocalDeviceExchangeTest, NoTokensAreNoWork) {
  EXPECT_TRUE(Run({}, kMoeLayer).empty());
  DeviceArray<std::int32_t> live(1, 0);
  const Step step = MakeStep(3, 10);
  const DeviceArray<Bf16> rows(step.rows);
  const DeviceArray<std::int32_t> ids(step.ids);
  EXPECT_TRUE(exchange_
                  ->Dispatch(stream_->handle(), {.layer = kMoeLayer,
                                                 .rows = rows.data(),
                                                 .expert_ids = ids.data(),
                                                 .tokens = 3,
                                                 .live_rows = live.data()})
                  .ok());
  EXPECT_TRUE(Collect(0).empty());
}

TEST_F(LocalDeviceExchangeTest, AnExpertThatIsNotThereIsNamed) {
  experts_->Drop({5});
  const auto exchange = LocalDeviceExchange::Create(gpu(), kernels(), config_, *experts_, kMaxRows);
  EXPECT_EQ(exchange.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(MessageOf(exchange), HasSubstr("expert 5 is not on the GPU"));
}

TEST_F(LocalDeviceExchangeTest, WhatItHasNoRoomOrNoExpertsForIsRefused) {
  const DeviceArray<Bf16> rows(1, Bf16{0});
  const DeviceArray<std::int32_t> ids(1, 0);
  const auto dispatch = [&](int layer, std::int64_t tokens) {
    return exchange_->Dispatch(
        stream_->handle(),
        {.layer = layer, .rows = rows.data(), .expert_ids = ids.data(), .tokens = tokens});
  };
  EXPECT_THAT(MessageOf(dispatch(0, 1)), HasSubstr("layer 0 has no experts"));
  EXPECT_EQ(dispatch(9, 1).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(MessageOf(dispatch(kMoeLayer, kMaxRows + 1)),
              HasSubstr("10 tokens for experts; there is room for 9"));
}

}  // namespace
}  // namespace sextant
