#include "common/observability/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sextant {
namespace {

using ::testing::HasSubstr;

TEST(MetricsTest, TextHasNameHelpLabelsAndValue) {
  Metrics metrics(MetricLabels{{"model_name", "demo"}});
  metrics.AddGauge(kNumRequestsRunning).Set(3);
  metrics.AddCounter(kRequestSuccess, {{"finished_reason", "stop"}}).Increment(2);
  const std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("# TYPE vllm:num_requests_running gauge\n"
                              "vllm:num_requests_running{model_name=\"demo\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("vllm:request_success_total{model_name=\"demo\","
                              "finished_reason=\"stop\"} 2\n"));
}

TEST(MetricsTest, LabelsThatComeLaterGoWithWhatIsThereAlready) {
  Metrics metrics;
  metrics.AddCounter(kExpertTokens, {{"expert", "7"}}).Increment(2);
  metrics.Label({{"engine", "expert-1"}, {"model_name", "demo"}});
  metrics.AddGauge(kExpertsHeld).Set(3);
  const std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("sextant_expert_tokens_total{expert=\"7\",engine=\"expert-1\","
                              "model_name=\"demo\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("sextant_experts_held{engine=\"expert-1\",model_name=\"demo\"} 3\n"));
}

TEST(MetricsTest, TheSameLabelsGiveTheSameMetric) {
  Metrics metrics;
  Counter& first = metrics.AddCounter(kRejections, {{"reason", "QUEUE_FULL"}});
  EXPECT_EQ(&first, &metrics.AddCounter(kRejections, {{"reason", "QUEUE_FULL"}}));
  EXPECT_NE(&first, &metrics.AddCounter(kRejections, {{"reason", "NO_WORKER"}}));
}

TEST(MetricsTest, HistogramsCountByUpperEdge) {
  Metrics metrics;
  Histogram& latency = metrics.AddHistogram(kTimeToFirstToken);
  latency.Observe(0.015);
  latency.Observe(1000);
  const std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("vllm:time_to_first_token_seconds_bucket{le=\"0.01\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("vllm:time_to_first_token_seconds_bucket{le=\"0.02\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("vllm:time_to_first_token_seconds_bucket{le=\"+Inf\"} 2\n"));
}

TEST(MetricsTest, OneNameOfTwoTypesIsABrokenInvariant) {
  Metrics metrics;
  metrics.AddGauge(kClusterEpoch).Set(1);
  const CounterName same = {.name = kClusterEpoch.name, .help = "as a counter"};
  EXPECT_DEATH(static_cast<void>(metrics.AddCounter(same)), "sextant_cluster_epoch");
}

}  // namespace
}  // namespace sextant
