#include "kernels/exchange/plan_return_cuda.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

#include "tests/support/device/device_memory.h"

namespace sextant {
namespace {

using Ids = std::vector<std::int32_t>;

constexpr std::int32_t kUntouched = -7;
constexpr std::size_t kBeyond = 5;  // values after the last pair, which nobody may touch

struct Received {
  Ids places;  // [R, K]
  std::int32_t chosen;
};

// About one choice of `apart` is an expert's here; their outputs are in any order.
Received Random(std::int64_t rows, std::int32_t chosen, std::uint32_t apart, std::uint32_t seed) {
  std::mt19937 generator(seed);
  Received received{Ids(static_cast<std::size_t>(rows * chosen), -1), chosen};
  std::vector<std::size_t> here;
  for (std::size_t choice = 0; choice < received.places.size(); ++choice) {
    if (generator() % apart == 0) here.push_back(choice);
  }
  std::shuffle(here.begin(), here.end(), generator);
  for (std::size_t place = 0; place < here.size(); ++place) {
    received.places[here[place]] = static_cast<std::int32_t>(place);
  }
  return received;
}

Ids SlotPlaces(const Received& received, std::int32_t sources, std::int64_t rows,
               std::int64_t pairs) {
  const DeviceArray<std::int32_t> places(received.places);
  const DeviceArray<std::int32_t> source_places(static_cast<std::size_t>(sources * pairs) + kBeyond,
                                                kUntouched);
  EXPECT_TRUE(Ran(PlanReturnCuda({}, {.places = places.data(),
                                      .chosen = received.chosen,
                                      .sources = sources,
                                      .slot_rows = rows,
                                      .slot_pairs = pairs,
                                      .source_places = source_places.data()})));
  return source_places.Read();
}

Ids ExactPlaces(const Received& received, const Ids& first_rows, const Ids& first_pairs,
                std::int64_t most_pairs) {
  const DeviceArray<std::int32_t> places(received.places);
  const DeviceArray<std::int32_t> rows(first_rows);
  const DeviceArray<std::int32_t> pairs(first_pairs);
  const DeviceArray<std::int32_t> source_places(static_cast<std::size_t>(most_pairs) + kBeyond,
                                                kUntouched);
  EXPECT_TRUE(Ran(PlanReturnCuda({}, {.places = places.data(),
                                      .chosen = received.chosen,
                                      .sources = static_cast<std::int32_t>(first_rows.size()) - 1,
                                      .first_rows = rows.data(),
                                      .first_pairs = pairs.data(),
                                      .most_pairs = most_pairs,
                                      .source_places = source_places.data()})));
  return source_places.Read();
}

// In the first `most_pairs` values.
Ids Expected(const Received& received, const Ids& first_rows, const Ids& first_pairs,
             std::int64_t most_pairs) {
  Ids expected(static_cast<std::size_t>(most_pairs) + kBeyond, kUntouched);
  for (std::size_t source = 0; source + 1 < first_rows.size(); ++source) {
    Ids back;
    for (std::int32_t choice = first_rows[source] * received.chosen;
         choice < first_rows[source + 1] * received.chosen; ++choice) {
      const std::int32_t place = received.places[static_cast<std::size_t>(choice)];
      if (place >= 0) back.push_back(place);
    }
    const std::int64_t end = std::min<std::int64_t>(first_pairs[source + 1], most_pairs);
    back.resize(static_cast<std::size_t>(std::max<std::int64_t>(end - first_pairs[source], 0)), -1);
    std::copy(back.begin(), back.end(), expected.begin() + first_pairs[source]);
  }
  return expected;
}

// Where everything begins when each source has as much as the others.
Ids Even(std::int32_t sources, std::int64_t each) {
  Ids first;
  for (std::int64_t source = 0; source <= sources; ++source) {
    first.push_back(static_cast<std::int32_t>(source * each));
  }
  return first;
}

// How many pairs each source has, and where they begin when they are packed.
Ids Counts(const Received& received, const Ids& first_rows) {
  Ids counts;
  for (std::size_t source = 0; source + 1 < first_rows.size(); ++source) {
    const auto begin = received.places.begin();
    counts.push_back(
        static_cast<std::int32_t>(std::count_if(begin + first_rows[source] * received.chosen,
                                                begin + first_rows[source + 1] * received.chosen,
                                                [](std::int32_t place) { return place >= 0; })));
  }
  return counts;
}
Ids Packed(const Ids& counts) {
  Ids first = {0};
  for (const std::int32_t count : counts) first.push_back(first.back() + count);
  return first;
}

void ExpectSlots(const Received& received, std::int32_t sources, std::int64_t rows,
                 std::int64_t pairs) {
  SCOPED_TRACE(testing::Message() << sources << " sources, slots of " << rows << " rows and "
                                  << pairs << " pairs, " << received.chosen << " chosen");
  EXPECT_EQ(SlotPlaces(received, sources, rows, pairs),
            Expected(received, Even(sources, rows), Even(sources, pairs), sources * pairs));
}

void ExpectPacked(const Received& received, const Ids& first_rows) {
  SCOPED_TRACE(testing::Message() << "rows of sources begin at "
                                  << testing::PrintToString(first_rows));
  const Ids first_pairs = Packed(Counts(received, first_rows));
  const Ids places = ExactPlaces(received, first_rows, first_pairs, first_pairs.back());
  EXPECT_EQ(places, Expected(received, first_rows, first_pairs, first_pairs.back()));
  EXPECT_EQ(std::count(places.begin(), places.end(), -1), 0);
}

class PlanReturnCudaTest : public DeviceTest {};

TEST_F(PlanReturnCudaTest, PairsOfASourceKeepTheOrderOfItsRows) {
  const Received received{{3, -1, 1, 4, -1, -1, -1, 0, 2, -1, -1, 5}, 2};
  EXPECT_EQ(SlotPlaces(received, 2, 3, 4), Ids({3, 1, 4, -1, 0, 2, 5, -1, -7, -7, -7, -7, -7}));
  EXPECT_EQ(ExactPlaces(received, {0, 1, 1, 6}, {0, 1, 1, 6}, 6),
            Ids({3, 1, 4, 0, 2, 5, -7, -7, -7, -7, -7}));
}

TEST_F(PlanReturnCudaTest, AnyNumberOfSourcesFillsSlotsOfAnySize) {
  for (const std::int32_t sources : {1, 2, 3, 8, 64}) {
    for (const std::int64_t rows : {0, 1, 7, 64, 341, 342}) {
      const Received received = Random(sources * rows, 6, 3, 1);
      ExpectSlots(received, sources, rows, rows * 6);
    }
  }
  for (const std::int32_t chosen : {1, 2, 8}) {
    const Received received = Random(std::int64_t{3} * 2048, chosen, 2, 2);
    ExpectSlots(received, 3, 2048, 2048 * chosen);
  }
}

TEST_F(PlanReturnCudaTest, PairsBeyondTheSlotAreLeftOut) {
  for (const std::int64_t rows : {7, 64, 600}) {
    const Received received = Random(4 * rows, 6, 4, 3);
    const Ids counts = Counts(received, Even(4, rows));
    const std::int64_t most = *std::max_element(counts.begin(), counts.end());
    ASSERT_GE(most, 2);
    for (const std::int64_t pairs : {most + 1, most, most - 1, std::int64_t{1}, std::int64_t{0}}) {
      ExpectSlots(received, 4, rows, pairs);
    }
  }
}

TEST_F(PlanReturnCudaTest, ASourceMayHaveNoPairs) {
  Received received = Random(3 * 50, 6, 2, 4);
  std::fill_n(received.places.begin() + 50 * 6, 50 * 6, -1);
  ExpectSlots(received, 3, 50, 200);
  ExpectPacked(received, Even(3, 50));
  ExpectSlots({Ids(3 * 50 * 6, -1), 6}, 3, 50, 20);
}

TEST_F(PlanReturnCudaTest, SourcesMaySendAsManyRowsAsTheyLike) {
  for (const std::int32_t chosen : {1, 2, 6, 8}) {
    const Received received = Random(1030, chosen, 3, 5);
    ExpectPacked(received, {0, 1030});
    ExpectPacked(received, {0, 0, 1, 1, 8, 72, 585, 585, 1030});
  }
  ExpectPacked(Random(0, 6, 3, 6), {0, 0, 0});
}

TEST_F(PlanReturnCudaTest, FewerPairsThanASourceSaidLeaveAGap) {
  const Received received = Random(40, 6, 3, 7);
  const Ids first_rows = {0, 10, 40};
  Ids first_pairs = Packed(Counts(received, first_rows));
  first_pairs[1] += 2;
  first_pairs[2] += 7;
  const Ids places = ExactPlaces(received, first_rows, first_pairs, first_pairs.back());
  EXPECT_EQ(places, Expected(received, first_rows, first_pairs, first_pairs.back()));
  EXPECT_EQ(std::count(places.begin(), places.end(), -1), 7);
}

TEST_F(PlanReturnCudaTest, NothingIsWrittenBeyondTheMostPairs) {
  const Received received = Random(40, 6, 2, 8);
  const Ids first_rows = {0, 20, 40};
  const Ids first_pairs = Packed(Counts(received, first_rows));
  ASSERT_GE(first_pairs[1], 2);
  for (const std::int64_t most : {first_pairs[2] - 1, first_pairs[1] + 1, first_pairs[1] - 1}) {
    EXPECT_EQ(ExactPlaces(received, first_rows, first_pairs, most),
              Expected(received, first_rows, first_pairs, most));
  }
}

TEST_F(PlanReturnCudaTest, RefusesWhatDoesNotFit) {
  const Ids first = {0, 0};
  const PlanReturnCudaArgs good{.chosen = 6, .sources = 1, .slot_rows = 1, .slot_pairs = 6};
  const auto expect_refused = [&good](auto change) {
    PlanReturnCudaArgs args = good;
    change(args);
    EXPECT_EQ(PlanReturnCuda({}, args).error, DeviceError::kInvalidArgument);
  };
  expect_refused([](PlanReturnCudaArgs& args) { args.chosen = 0; });
  expect_refused([](PlanReturnCudaArgs& args) { args.sources = 0; });
  expect_refused([](PlanReturnCudaArgs& args) { args.sources = 65; });
  expect_refused([](PlanReturnCudaArgs& args) { args.slot_rows = -1; });
  expect_refused([](PlanReturnCudaArgs& args) { args.slot_rows = std::int64_t{1} << 30; });
  expect_refused([](PlanReturnCudaArgs& args) { args.slot_pairs = -1; });
  expect_refused([](PlanReturnCudaArgs& args) { args.slot_pairs = std::int64_t{1} << 31; });
  expect_refused([&first](PlanReturnCudaArgs& args) { args.first_rows = first.data(); });
  expect_refused([&first](PlanReturnCudaArgs& args) { args.first_pairs = first.data(); });
  expect_refused([&first](PlanReturnCudaArgs& args) {
    args.first_rows = args.first_pairs = first.data();
    args.most_pairs = std::int64_t{1} << 31;
  });
}

}  // namespace
}  // namespace sextant
