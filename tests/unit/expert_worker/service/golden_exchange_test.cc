// Whole models through the exchange between processes: every logit must have the bits that the
// exchange of one process gives.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <random>
#include <thread>

#include "attention_worker/cache/latent_cache.h"
#include "attention_worker/model/attention_weights.h"
#include "attention_worker/model/transformer.h"
#include "common/exchange/grpc_exchange.h"
#include "common/exchange/local_exchange.h"
#include "common/weights/checkpoint.h"
#include "expert_worker/compute/shard_experts.h"
#include "tests/golden/golden_model.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/expert_worker/service/expert_node.h"

namespace sextant {
namespace {

constexpr std::int64_t kPrompt = 30;  // of the golden's 40 tokens; the rest is decoded

struct Model {
  Model(const std::string& name, Precision precision_in)
      : precision(precision_in),
        golden(*ReadGoldenModel(GoldenModelFolder(name))),
        config(*ReadModelConfig(golden.folder)),
        checkpoint(*Checkpoint::Open(golden.folder)),
        loader(checkpoint, precision),
        weights(*AttentionWeights::Load(config, loader)) {}

  [[nodiscard]] std::int32_t experts() const {
    return static_cast<std::int32_t>(config.n_routed_experts);
  }

  Precision precision;
  GoldenModel golden;
  ModelConfig config;
  Checkpoint checkpoint;
  WeightLoader loader;
  AttentionWeights weights;
};

// The attention half of a sequence: a prompt, then tokens decoded one by one.
class Attention {
 public:
  Attention(const Model& model, Exchange& exchange)
      : model_(model), pool_(1), stream_(*ChooseBackend(), pool_) {
    cache_ = *LatentCache::Create({.num_layers = static_cast<int>(model.config.num_hidden_layers),
                                   .width = model.config.cache_row_dim(),
                                   .block_tokens = 16,
                                   .num_blocks = 8,
                                   .dtype = StorageType(model.precision)});
    transformer_ = *Transformer::Create({.config = model.config,
                                         .weights = model.weights,
                                         .stream = stream_,
                                         .cache = *cache_,
                                         .exchange = exchange,
                                         .precision = model.precision});
  }

  // The logits of all positions, one after another.
  [[nodiscard]] std::vector<float> Run(std::int64_t decoded) {
    std::vector<float> all;
    SequenceBlocks blocks(*cache_);
    Step(blocks, 0, kPrompt, /*generated=*/false, all);
    for (std::int64_t i = 0; i < decoded; ++i) {
      Step(blocks, kPrompt + i, kPrompt + i + 1, /*generated=*/true, all);
    }
    return all;
  }

 private:
  void Step(SequenceBlocks& blocks, std::int64_t begin, std::int64_t end, bool generated,
            std::vector<float>& all) {
    ASSERT_TRUE(blocks.PrepareWrite(begin, end).ok());
    const absl::Span<const std::int32_t> ids = model_.golden.ids;
    const SequenceSlice slice{.token_ids = ids.subspan(static_cast<std::size_t>(begin),
                                                       static_cast<std::size_t>(end - begin)),
                              .start = begin,
                              .generated = generated,
                              .blocks = &blocks,
                              .num_logits = end - begin};
    const auto logits = ForwardLogits(*transformer_, {slice});
    ASSERT_TRUE(logits.ok()) << logits.status();
    for (std::int64_t row = 0; row < logits->rows; ++row) {
      all.insert(all.end(), logits->Row(row), logits->Row(row) + logits->cols);
    }
  }

  const Model& model_;
  ThreadPool pool_;
  Stream stream_;
  std::unique_ptr<LatentCache> cache_;
  std::unique_ptr<Transformer> transformer_;
};

std::vector<float> LocalLogits(Model& model, std::int64_t decoded) {
  const ExpertStore store =
      *ExpertStore::Load(model.config, AllExperts(model.config), model.loader);
  ThreadPool pool(1);
  Stream stream(*ChooseBackend(), pool);
  StoredExperts host(store, stream, model.precision);
  LocalExchange exchange(host, model.experts());
  return Attention(model, exchange).Run(decoded);
}

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// An expert worker with real experts.
class Worker {
 public:
  Worker(const Model& model, const TempDir& dir, int number)
      : shard_(model.config, model.checkpoint, model.precision),
        experts_(model.config, shard_, {.threads = 1, .precision = model.precision}),
        node_(absl::StrCat("w", number),
              number % 2 == 0 ? absl::StrCat("unix:", dir.path(), "/", number) : "127.0.0.1:0",
              {.num_experts = model.experts(),
               .hidden = model.config.hidden_size,
               .type = StorageType(model.precision)},
              experts_) {
    experts_.Use(*ChooseBackend());
  }

  [[nodiscard]] ExpertShard& shard() { return shard_; }
  [[nodiscard]] ExpertNode& node() { return node_; }

 private:
  ExpertShard shard_;
  ShardExperts experts_;
  ExpertNode node_;
};

using Workers = std::vector<std::unique_ptr<Worker>>;

Workers MakeWorkers(const Model& model, const TempDir& dir, int count) {
  Workers workers;
  for (int i = 0; i < count; ++i) workers.push_back(std::make_unique<Worker>(model, dir, i));
  return workers;
}

// Uneven shards: every expert goes to a random worker; every worker that got none takes a replica
// of one. The shards are prepared.
v1::Placement PlaceAtRandom(std::uint64_t epoch, std::int32_t num_experts, Workers& workers) {
  std::mt19937 random(static_cast<std::uint32_t>(epoch));
  std::vector<std::vector<std::int32_t>> experts(workers.size());
  for (std::int32_t e = 0; e < num_experts; ++e) experts[random() % workers.size()].push_back(e);
  std::vector<v1::PlacedWorker> placed;
  for (std::size_t i = 0; i < workers.size(); ++i) {
    if (experts[i].empty()) {
      experts[i].push_back(static_cast<std::int32_t>(i) % num_experts);
    }
    EXPECT_TRUE(workers[i]->shard().Prepare(epoch, experts[i]).ok());
    placed.push_back(workers[i]->node().Placed(experts[i]));
  }
  return PlacementOf(epoch, placed);
}

std::unique_ptr<GrpcExchange> MakeExchange(const Model& model) {
  return std::make_unique<GrpcExchange>(
      GrpcExchange::Options{.num_experts = model.experts(),
                            .hidden = model.config.hidden_size,
                            .precision = model.precision,
                            .own_host_id = HostId(),
                            .connect_timeout = absl::Seconds(20)});
}

void Commit(GrpcExchange& exchange, const v1::Placement& placement) {
  const absl::Status status = exchange.Prepare(placement);
  ASSERT_TRUE(status.ok()) << status;
  exchange.Commit(placement.epoch());
}

TEST(GoldenExchangeTest, AnyNumberOfWorkersGivesTheSameBits) {
  for (const std::string& name : GoldenModelNames()) {
    for (const Precision precision : {Precision::kBf16, Precision::kFp32}) {
      Model model(name, precision);
      const std::vector<float> expected = LocalLogits(model, 4);
      ASSERT_EQ(expected.size(), static_cast<std::size_t>((kPrompt + 4) * model.config.vocab_size));
      for (const int count : {1, 2, 3, 5, 8, 64}) {
        SCOPED_TRACE(absl::StrCat(name, " on ", count, " workers, ", Name(StorageType(precision))));
        const TempDir dir;
        Workers workers = MakeWorkers(model, dir, count);
        const std::unique_ptr<GrpcExchange> exchange = MakeExchange(model);
        Commit(*exchange,
               PlaceAtRandom(static_cast<std::uint64_t>(count), model.experts(), workers));
        EXPECT_TRUE(SameBits(Attention(model, *exchange).Run(4), expected));
        EXPECT_EQ(exchange->counts().rows_resent, 0);
        EXPECT_EQ(exchange->counts().streams_broken, 0);
      }
    }
  }
}

TEST(GoldenExchangeTest, EpochsThatChangeMeanwhileAndTwoAttentionSidesChangeNoBit) {
  Model model("lite", Precision::kBf16);
  const std::vector<float> expected = LocalLogits(model, 10);
  const TempDir dir;
  Workers workers = MakeWorkers(model, dir, 3);
  const std::unique_ptr<GrpcExchange> one = MakeExchange(model);
  const std::unique_ptr<GrpcExchange> two = MakeExchange(model);
  v1::Placement placement = PlaceAtRandom(1, model.experts(), workers);
  Commit(*one, placement);
  Commit(*two, placement);
  std::atomic<bool> done = false;
  std::thread coordinator([&] {
    for (std::uint64_t epoch = 2; !done.load(); ++epoch) {
      placement = PlaceAtRandom(epoch, model.experts(), workers);
      Commit(*one, placement);
      Commit(*two, placement);
      for (const std::unique_ptr<Worker>& worker : workers) worker->shard().Retire(epoch);
    }
  });
  std::thread other([&] {
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(SameBits(Attention(model, *two).Run(10), expected));
  });
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(SameBits(Attention(model, *one).Run(10), expected));
  other.join();
  done.store(true);
  coordinator.join();
  EXPECT_GT(one->epoch(), 3U);
}

TEST(GoldenExchangeTest, AWorkerThatDiesOnTheWayChangesNoBit) {
  Model model("v2", Precision::kBf16);
  const std::vector<float> expected = LocalLogits(model, 10);
  for (const int delay_ms : {0, 2, 5, 11}) {
    const TempDir dir;
    Workers workers = MakeWorkers(model, dir, 3);
    const std::unique_ptr<GrpcExchange> exchange = MakeExchange(model);
    Commit(*exchange, PlaceAtRandom(1, model.experts(), workers));
    std::thread death([&] {
      absl::SleepFor(absl::Milliseconds(delay_ms));
      workers[1]->node().Kill();
      absl::SleepFor(absl::Milliseconds(20));
      Workers survivors;
      survivors.push_back(std::move(workers[0]));
      survivors.push_back(std::move(workers[2]));
      Commit(*exchange, PlaceAtRandom(2, model.experts(), survivors));
      workers[0] = std::move(survivors[0]);
      workers[2] = std::move(survivors[1]);
    });
    const std::vector<float> logits = Attention(model, *exchange).Run(10);
    death.join();
    EXPECT_TRUE(SameBits(logits, expected)) << delay_ms;
  }
}

}  // namespace
}  // namespace sextant
