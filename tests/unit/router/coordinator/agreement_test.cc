#include "router/coordinator/agreement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/errors/error_details.h"
#include "tests/support/message_of.h"
#include "tests/unit/router/coordinator/hellos.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;

class AgreementTest : public ::testing::Test {
 protected:
  AgreementTest() { agreement_.Adopt(ExpertHello("first")); }

  // The refusal of a hello, which must say both values.
  void ExpectMismatch(const v1::Hello& hello, const std::string& reason, const std::string& worker,
                      const std::string& cluster) {
    const absl::Status status = agreement_.Check(hello);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(Reason(status), reason);
    EXPECT_THAT(MessageOf(status), HasSubstr(worker));
    EXPECT_THAT(MessageOf(status), HasSubstr(cluster));
  }

  Agreement agreement_{kTestVersion, {}, ""};
};

TEST_F(AgreementTest, FirstWorkerSettlesWhatIsOpen) {
  EXPECT_EQ(agreement_.model().fingerprint(), "f00d");
  EXPECT_EQ(agreement_.model().num_experts(), 8);
  EXPECT_EQ(agreement_.numeric_profile(), "best");
  EXPECT_TRUE(agreement_.Check(AttentionHello("second")).ok());
}

TEST_F(AgreementTest, AWholeWorkerFitsIfItHasACache) {
  EXPECT_TRUE(agreement_.Check(WholeHello("w")).ok());
  v1::Hello hello = WholeHello("w");
  hello.set_cache_blocks(0);
  EXPECT_EQ(agreement_.Check(hello).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(AgreementTest, ARankDoesNotFitOthersNorTheyIt) {
  v1::Hello rank = RankHello(v1::ROLE_EXPERT, "e");
  rank.set_rank_layout("most-ranks 8");
  ExpectMismatch(rank, "EXCHANGE_MISMATCH", "ranks, most-ranks 8", "streams");
  EXPECT_EQ(agreement_.ranks(), false);
  Agreement of_ranks(kTestVersion, {}, "");
  of_ranks.Adopt(WholeHello("w"));
  EXPECT_FALSE(of_ranks.ranks().has_value());  // a whole worker exchanges nothing
  ASSERT_TRUE(of_ranks.Check(RankHello(v1::ROLE_COLOCATED, "c")).ok());
  of_ranks.Adopt(RankHello(v1::ROLE_COLOCATED, "c"));
  EXPECT_EQ(of_ranks.ranks(), true);
  EXPECT_EQ(Reason(of_ranks.Check(AttentionHello("a"))), "EXCHANGE_MISMATCH");
  EXPECT_TRUE(of_ranks.Check(RankHello(v1::ROLE_ATTENTION, "a")).ok());
  EXPECT_TRUE(of_ranks.Check(WholeHello("w")).ok());
  rank.set_rank_layout("most-ranks 4");
  EXPECT_EQ(Reason(of_ranks.Check(rank)), "EXCHANGE_MISMATCH");
}

TEST_F(AgreementTest, AColocatedWorkerIsARankAndAWholeOneIsNone) {
  v1::Hello colocated = RankHello(v1::ROLE_COLOCATED, "c");
  colocated.set_rank(false);
  v1::Hello whole = WholeHello("w");
  whole.set_rank(true);
  for (const v1::Hello& hello : {colocated, whole}) {
    EXPECT_EQ(agreement_.Check(hello).code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST_F(AgreementTest, WhatARankHoldsIsChecked) {
  Agreement of_ranks(kTestVersion, {}, "");
  v1::Hello hello = RankHello(v1::ROLE_EXPERT, "e");
  hello.mutable_holding()->add_ranks()->add_experts(8);
  EXPECT_EQ(of_ranks.Check(hello).code(), absl::StatusCode::kInvalidArgument);
}

// What one GPU computes no CPU does, nor the other way round.
TEST(AgreementOfGpusTest, AProfileOfGpusAloneKeepsOthersOut) {
  v1::Hello gpu = WholeHello("gpu");
  gpu.clear_numeric_profiles();
  gpu.add_numeric_profiles("cuda");
  Agreement agreement(kTestVersion, {}, "");
  ASSERT_TRUE(agreement.Check(gpu).ok());
  agreement.Adopt(gpu);
  EXPECT_EQ(agreement.numeric_profile(), "cuda");
  EXPECT_EQ(Reason(agreement.Check(AttentionHello("a"))), "PROFILE_UNSUPPORTED");
  EXPECT_THAT(MessageOf(agreement.Check(AttentionHello("a"))), HasSubstr("numeric profile cuda"));
  EXPECT_TRUE(agreement.Check(gpu).ok());
  Agreement of_cpus(kTestVersion, {}, "");
  of_cpus.Adopt(ExpertHello("e"));
  EXPECT_EQ(Reason(of_cpus.Check(gpu)), "PROFILE_UNSUPPORTED");
}

TEST_F(AgreementTest, EpochsThatNoClusterReachesAreRefused) {
  v1::Hello hello = ExpertHello("e");
  hello.set_newest_epoch(~std::uint64_t{0});
  EXPECT_EQ(agreement_.Check(hello).code(), absl::StatusCode::kInvalidArgument);
  hello.set_newest_epoch(0);
  hello.mutable_holding()->set_epoch(~std::uint64_t{0});
  EXPECT_EQ(agreement_.Check(hello).code(), absl::StatusCode::kInvalidArgument);
  hello.mutable_holding()->set_epoch(7);
  EXPECT_TRUE(agreement_.Check(hello).ok());
}

TEST_F(AgreementTest, AnotherVersionIsRefused) {
  v1::Hello hello = ExpertHello("e");
  hello.set_version("9.9");
  ExpectMismatch(hello, "VERSION_MISMATCH", "9.9", kTestVersion);
}

TEST_F(AgreementTest, AnotherModelIsRefused) {
  v1::Hello hello = ExpertHello("e");
  hello.mutable_model()->set_fingerprint("beef");
  ExpectMismatch(hello, "MODEL_MISMATCH", "beef", "f00d");
  hello = ExpertHello("e");
  hello.mutable_model()->set_dtype("fp32");
  ExpectMismatch(hello, "MODEL_MISMATCH", "fp32", "bf16");
  hello = ExpertHello("e");
  hello.mutable_model()->set_num_layers(61);
  ExpectMismatch(hello, "MODEL_MISMATCH", "61", "3");
  hello = ExpertHello("e");
  hello.mutable_model()->set_num_experts(64);
  ExpectMismatch(hello, "MODEL_MISMATCH", "64", "8");
}

TEST_F(AgreementTest, NamesAreComparedWhereBothSidesHaveOne) {
  v1::ModelIdentity named;
  named.set_id("demo");
  Agreement agreement(kTestVersion, named, "");
  v1::Hello hello = ExpertHello("e");
  EXPECT_TRUE(agreement.Check(hello).ok());
  hello.mutable_model()->set_id("other");
  EXPECT_EQ(Reason(agreement.Check(hello)), "MODEL_MISMATCH");
}

TEST_F(AgreementTest, WorkerWithoutTheProfileIsRefused) {
  v1::Hello hello = ExpertHello("e");
  hello.clear_numeric_profiles();
  hello.add_numeric_profiles("good");
  ExpectMismatch(hello, "PROFILE_UNSUPPORTED", "good", "best");
}

TEST_F(AgreementTest, ConfiguredProfileComesBeforeTheBest) {
  Agreement agreement(kTestVersion, {}, "good");
  ASSERT_TRUE(agreement.Check(ExpertHello("e")).ok());
  agreement.Adopt(ExpertHello("e"));
  EXPECT_EQ(agreement.numeric_profile(), "good");
}

TEST_F(AgreementTest, HelloThatMakesNoSenseNamesItsField) {
  const auto field_of = [this](void (*spoil)(v1::Hello&)) {
    v1::Hello hello = AttentionHello("a");
    spoil(hello);
    const absl::Status status = agreement_.Check(hello);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    const auto problems = FieldProblems(status);
    return problems.empty() ? "" : problems[0].field;
  };
  EXPECT_EQ(field_of([](v1::Hello& h) { h.clear_worker_id(); }), "hello.worker_id");
  EXPECT_EQ(field_of([](v1::Hello& h) { h.clear_role(); }), "hello.role");
  EXPECT_EQ(field_of([](v1::Hello& h) { h.clear_endpoint(); }), "hello.endpoint");
  EXPECT_EQ(field_of([](v1::Hello& h) { h.clear_cache_blocks(); }), "hello.cache_blocks");
  EXPECT_EQ(field_of([](v1::Hello& h) { h.clear_model(); }), "hello.model");
  EXPECT_EQ(field_of([](v1::Hello& h) { h.mutable_model()->set_num_experts(-1); }),
            "hello.model.num_experts");
  EXPECT_EQ(field_of([](v1::Hello& h) { h.clear_numeric_profiles(); }), "hello.numeric_profiles");
  EXPECT_EQ(
      field_of([](v1::Hello& h) { h.mutable_holding()->add_expert_workers()->add_experts(8); }),
      "hello.holding");
}

}  // namespace
}  // namespace sextant
