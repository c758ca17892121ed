// The same requests and seeds give the same bytes, whatever the shape of the cluster.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "tests/integration/cluster/asked_requests.h"
#include "tests/integration/cluster/up_process.h"

namespace sextant {
namespace {

using ::testing::SizeIs;

constexpr int kStreams = 32;
constexpr int kTokens = 24;
// Whole workers would take a GPU where there is one, whose bits are others.
constexpr char kOnCpu[] = "engine:\n  device: cpu\n";

std::string Model() { return std::string(SEXTANT_SOURCE_DIR) + "/tests/golden/model/lite"; }

struct Shape {
  std::string name;
  int attention = 1;
  int experts = 1;
  int whole = 0;
  std::string yaml{};
  bool in_process = false;
};

class SameBytesTest : public ::testing::TestWithParam<Shape> {
 protected:
  static void SetUpTestSuite() {
    requests_ = new auto(MakeRequests(kStreams, 250, kTokens));
    wanted_ = new auto(AskOneProcess(Model(), *requests_));
  }
  static void TearDownTestSuite() {
    delete requests_;
    delete wanted_;
  }

  static std::vector<v1::GenerateRequest>* requests_;
  static absl::StatusOr<std::vector<GotAnswer>>* wanted_;
};

std::vector<v1::GenerateRequest>* SameBytesTest::requests_ = nullptr;
absl::StatusOr<std::vector<GotAnswer>>* SameBytesTest::wanted_ = nullptr;

TEST_P(SameBytesTest, AsInOneProcess) {
  ASSERT_TRUE(wanted_->ok()) << wanted_->status();
  ASSERT_THAT(**wanted_, SizeIs(kStreams));
  const Shape& shape = GetParam();
  const auto up = UpProcess::Start({.model = Model(),
                                    .attention = shape.attention,
                                    .experts = shape.experts,
                                    .whole = shape.whole,
                                    .yaml = shape.yaml,
                                    .in_process = shape.in_process});
  ASSERT_TRUE(up.ok()) << up.status();
  // Twice, so that the second time finds the prompts in the prefix cache.
  for (const char* time : {"first", "second"}) {
    const auto got = AskCluster((*up)->target(), *requests_);
    ASSERT_TRUE(got.ok()) << got.status();
    for (std::size_t i = 0; i < got->size(); ++i) {
      EXPECT_THAT((*got)[i].ids, SizeIs(kTokens));
      EXPECT_EQ((*got)[i], (**wanted_)[i]) << "request " << i << ", the " << time << " time";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, SameBytesTest,
    ::testing::Values(
        Shape{.name = "OneExpertWorker", .experts = 1},
        Shape{.name = "TwoExpertWorkers", .experts = 2},
        Shape{.name = "ThreeExpertWorkers", .experts = 3},
        Shape{.name = "FiveExpertWorkers", .experts = 5},
        Shape{.name = "EightExpertWorkers", .experts = 8},
        Shape{.name = "CopiesOfHotExperts",
              .experts = 3,
              .yaml = "router:\n  replicated_experts: 8\n"},
        Shape{.name = "TwoAttentionWorkers", .attention = 2, .experts = 2},
        Shape{.name = "ThreeAttentionWorkers", .attention = 3, .experts = 3},
        Shape{.name = "WithoutPrefixCache",
              .experts = 2,
              .yaml = "attention_worker:\n  prefix_cache: false\n"},
        // 32 sequences of up to 114 tokens do not fit into 1,024: some are preempted.
        Shape{.name = "WithPreemption", .experts = 2, .yaml = "engine:\n  cache_tokens: 1024\n"},
        Shape{.name = "OneWholeWorker", .attention = 0, .experts = 0, .whole = 1, .yaml = kOnCpu},
        Shape{.name = "WholeWorkersBesideOthers", .experts = 2, .whole = 2, .yaml = kOnCpu},
        Shape{.name = "WholeWorkersInOneProcess",
              .attention = 0,
              .experts = 0,
              .whole = 2,
              .yaml = kOnCpu,
              .in_process = true},
        Shape{.name = "AllRolesInOneProcess", .experts = 2, .in_process = true},
        Shape{.name = "InShortChunks", .experts = 2, .yaml = "engine:\n  max_batch_tokens: 7\n"}),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace sextant
