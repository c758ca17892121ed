// A whole worker on a GPU, or on the emulator, as a member of a cluster: it joins, is given
// sequences without an epoch, and each gets what the model gives it alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "attention_worker/service/attention_worker.h"
#include "cli/worker/whole_worker_model.h"
#include "tests/golden/golden_model.h"
#include "tests/support/device/device_memory.h"
#include "tests/support/device/test_gpu.h"
#include "tests/support/message_of.h"
#include "tests/unit/attention_worker/service/start_sequence.h"
#include "tests/unit/cli/worker/worker_cluster.h"

namespace sextant::cli {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kTokens = 5;

std::string Folder() { return GoldenModelFolder("lite"); }

absl::StatusOr<CudaBackend> TestGpu(int /*number*/) { return OpenTestGpu(); }

class WholeWorkerTest : public DeviceTest {
 protected:
  static absl::StatusOr<std::unique_ptr<AttentionWorker>> StartWorker(const WorkerCluster& cluster,
                                                                      Metrics& metrics) {
    return AttentionWorker::Start({.model_dir = Folder(),
                                   .router_target = cluster.router(),
                                   .listen = {cluster.Target("worker")},
                                   .threads = 1,
                                   .open_model =
                                       [](const WorkerModelArgs& args) {
                                         return OpenWholeWorkerModel(
                                             args,
                                             {.choice = DeviceChoice::kCuda, .open_gpu = TestGpu});
                                       },
                                   .cache_tokens = 1024,
                                   .max_batch_tokens = 64,
                                   .max_sequences = 8,
                                   .log = Logger("whole", LogLevel::kError)},
                                  metrics);
  }
};

TEST_F(WholeWorkerTest, ServesSequencesFromAGpuWithoutAnEpoch) {
  Metrics metrics;
  WorkerCluster cluster("");
  auto worker = StartWorker(cluster, metrics);
  ASSERT_TRUE(worker.ok()) << worker.status();
  ASSERT_TRUE(cluster.AwaitReady(1)) << cluster.status()->DebugString();
  const v1::WorkerStatus shown = cluster.status()->workers(0);
  EXPECT_EQ(shown.role(), v1::ROLE_WHOLE);
  EXPECT_EQ(shown.cache_blocks(), 16);
  EXPECT_THAT(shown.worker_id(), HasSubstr("whole-"));
  EXPECT_EQ(cluster.status()->numeric_profile(), "cuda");
  EXPECT_EQ(cluster.status()->epoch(), 0U);

  const std::vector<Ids> prompts = {{1, 2, 3}, {9, 8, 7, 6, 5}, {42}};
  std::vector<v1::StartSequence> starts;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    starts.push_back(MakeStart(i, prompts[i], kTokens, 70 + i));
  }
  const std::map<std::uint64_t, Ids> got = Ask((*worker)->targets().front(), starts);

  OneGpu alone(Folder());
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    ASSERT_TRUE(got.contains(i));
    EXPECT_EQ(got.at(i), alone.Answer(prompts[i], kTokens, 70 + i)) << "sequence " << i;
  }

  (*worker)->Leave(WorkerCluster::kPatience);
  EXPECT_TRUE((*worker)->failure().ok()) << (*worker)->failure();
  EXPECT_TRUE(
      cluster.Await([](const v1::ClusterStatus& status) { return status.workers().empty(); }));
}

TEST_F(WholeWorkerTest, IsRefusedByAClusterThatComputesOnCpus) {
  Metrics metrics;
  WorkerCluster cluster("cpu-avx2");
  const absl::Status status = StartWorker(cluster, metrics).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(MessageOf(status), HasSubstr("this worker can compute only cuda"));
}

}  // namespace
}  // namespace sextant::cli
