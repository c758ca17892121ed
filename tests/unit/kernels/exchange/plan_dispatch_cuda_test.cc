#include "kernels/exchange/plan_dispatch_cuda.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "tests/support/device/device_memory.h"
#include "tests/unit/kernels/exchange/routing.h"

namespace sextant {
namespace {

constexpr std::int32_t kUntouched = -7;
constexpr std::int32_t kExperts = 64;

struct Routing {
  Ids ids;  // [T, K]
  std::int32_t chosen;
  std::vector<ExpertSeatCuda> seats;
  std::int32_t destinations;
  std::optional<std::int32_t> live_rows = {};

  [[nodiscard]] std::size_t rows() const { return ids.size() / static_cast<std::size_t>(chosen); }
};

struct Room {
  std::size_t rows;       // C
  std::size_t pairs = 0;  // P, or packed
};

struct Plan {
  Ids source_rows;
  Ids local_ids;
  Ids places;
  Ids counts;
  std::int32_t overflow;
};

// A routing over kExperts experts that are held in turn.
Routing Random(std::int64_t rows, std::int32_t chosen, std::int32_t destinations) {
  return {.ids = RandomChoices(rows, chosen, kExperts, 1),
          .chosen = chosen,
          .seats = SeatsFor(HeldExperts(kExperts, destinations, 0), kExperts, 0),
          .destinations = destinations};
}

Plan Planned(const Routing& routing, const Room& room) {
  const auto slots = static_cast<std::size_t>(routing.destinations) * room.rows;
  const DeviceArray<std::int32_t> ids(routing.ids);
  const DeviceArray<std::int32_t> live(1, routing.live_rows.value_or(0));
  const DeviceArray<ExpertSeatCuda> seats(routing.seats);
  const DeviceArray<std::int32_t> source_rows(slots, kUntouched);
  const DeviceArray<std::int32_t> local_ids(slots * static_cast<std::size_t>(routing.chosen),
                                            kUntouched);
  const DeviceArray<std::int32_t> places(routing.ids.size(), kUntouched);
  const DeviceArray<std::int32_t> counts(2 * static_cast<std::size_t>(routing.destinations),
                                         kUntouched);
  const DeviceArray<std::int32_t> overflow(1, kUntouched);
  EXPECT_TRUE(Ran(PlanDispatchCuda({}, {.expert_ids = ids.data(),
                                        .rows = static_cast<std::int64_t>(routing.rows()),
                                        .live_rows = routing.live_rows ? live.data() : nullptr,
                                        .chosen = routing.chosen,
                                        .seats = seats.data(),
                                        .experts = static_cast<std::int32_t>(routing.seats.size()),
                                        .destinations = routing.destinations,
                                        .slot_rows = static_cast<std::int64_t>(room.rows),
                                        .slot_pairs = static_cast<std::int64_t>(room.pairs),
                                        .source_rows = source_rows.data(),
                                        .local_ids = local_ids.data(),
                                        .places = places.data(),
                                        .counts = counts.data(),
                                        .overflow = overflow.data()})));
  return {source_rows.Read(), local_ids.Read(), places.Read(), counts.Read(), overflow.Read()[0]};
}

Plan Expected(const Routing& routing, const Room& room) {
  const auto chosen = static_cast<std::size_t>(routing.chosen);
  const auto destinations = static_cast<std::size_t>(routing.destinations);
  const std::size_t live =
      std::min(routing.rows(), static_cast<std::size_t>(routing.live_rows.value_or(1 << 30)));
  Plan plan{Ids(destinations * room.rows, -1), Ids(destinations * room.rows * chosen, -1),
            Ids(routing.ids.size(), kUntouched), Ids(), kUntouched};
  std::fill_n(plan.places.begin(), live * chosen, 0);
  std::size_t packed = 0;
  for (std::size_t d = 0; d < destinations; ++d) {
    std::size_t rows = 0;
    std::size_t pairs = 0;
    for (std::size_t t = 0; t < live; ++t) {
      bool goes = false;
      for (std::size_t k = 0; k < chosen; ++k) {
        const std::int32_t id = routing.ids[t * chosen + k];
        if (id < 0 || static_cast<std::size_t>(id) >= routing.seats.size()) continue;
        const ExpertSeatCuda& seat = routing.seats[static_cast<std::size_t>(id)];
        if (static_cast<std::size_t>(seat.destination) != d) continue;
        if (!goes) ++rows;
        goes = true;
        const std::size_t pair = pairs++;
        if (rows > room.rows) continue;
        const std::size_t row = d * room.rows + rows - 1;
        plan.source_rows[row] = static_cast<std::int32_t>(t);
        plan.local_ids[row * chosen + k] = seat.local;
        if (room.pairs > 0 && pair >= room.pairs) continue;
        const std::size_t first = room.pairs > 0 ? d * room.pairs : packed;
        plan.places[t * chosen + k] = static_cast<std::int32_t>(first + pair);
      }
    }
    plan.counts.push_back(static_cast<std::int32_t>(rows));
    plan.counts.push_back(static_cast<std::int32_t>(pairs));
    if (rows > room.rows || (room.pairs > 0 && pairs > room.pairs)) plan.overflow = 1;
    packed += pairs;
  }
  return plan;
}

// What the fullest slot has.
Room FullestSlot(const Routing& routing) {
  const Plan plan = Expected(routing, {.rows = routing.rows()});
  std::int32_t rows = 0;
  std::int32_t pairs = 0;
  for (std::size_t d = 0; d < plan.counts.size(); d += 2) {
    rows = std::max(rows, plan.counts[d]);
    pairs = std::max(pairs, plan.counts[d + 1]);
  }
  return {static_cast<std::size_t>(rows), static_cast<std::size_t>(pairs)};
}

Plan ExpectPlan(const Routing& routing, const Room& room) {
  SCOPED_TRACE(testing::Message() << routing.rows() << " rows, " << routing.chosen << " chosen, "
                                  << routing.destinations << " destinations, slots of " << room.rows
                                  << " rows and " << room.pairs << " pairs");
  Plan plan = Planned(routing, room);
  const Plan expected = Expected(routing, room);
  EXPECT_EQ(plan.source_rows, expected.source_rows);
  EXPECT_EQ(plan.local_ids, expected.local_ids);
  EXPECT_EQ(plan.places, expected.places);
  EXPECT_EQ(plan.counts, expected.counts);
  EXPECT_EQ(plan.overflow, expected.overflow);
  return plan;
}

void ExpectPlans(const Routing& routing) {
  const std::size_t rows = routing.rows() + 3;
  ExpectPlan(routing, {.rows = rows, .pairs = rows * static_cast<std::size_t>(routing.chosen)});
  ExpectPlan(routing, {.rows = rows});
}

class PlanDispatchCudaTest : public DeviceTest {};

TEST_F(PlanDispatchCudaTest, ARowGoesOnceToEachDestinationOfItsExperts) {
  const Routing routing{.ids = {0, 2, 3, 0, 1, 3},
                        .chosen = 2,
                        .seats = {{0, 0}, {1, 0}, {0, 1}, {1, 1}},
                        .destinations = 2};
  const Plan slots = Planned(routing, {.rows = 3, .pairs = 4});
  EXPECT_EQ(slots.source_rows, Ids({0, 1, -1, 1, 2, -1}));
  EXPECT_EQ(slots.local_ids, Ids({0, 1, -1, 0, -1, -1, 1, -1, 0, 1, -1, -1}));
  EXPECT_EQ(slots.places, Ids({0, 1, 4, 2, 5, 6}));
  EXPECT_EQ(slots.counts, Ids({2, 3, 2, 3}));
  EXPECT_EQ(slots.overflow, kUntouched);
  const Plan packed = Planned(routing, {.rows = 2});
  EXPECT_EQ(packed.source_rows, Ids({0, 1, 1, 2}));
  EXPECT_EQ(packed.local_ids, Ids({0, 1, -1, 0, 1, -1, 0, 1}));
  EXPECT_EQ(packed.places, Ids({0, 1, 3, 2, 4, 5}));
}

TEST_F(PlanDispatchCudaTest, AnyNumberOfTokensGoesToAnyNumberOfDestinations) {
  for (const std::int64_t rows : {0, 1, 7, 64, 511, 512, 513, 2048}) {
    for (const std::int32_t destinations : {1, 2, 3, 8, 64}) {
      ExpectPlans(Random(rows, 6, destinations));
    }
  }
}

TEST_F(PlanDispatchCudaTest, ATokenMayChooseFewExpertsOrMany) {
  for (const std::int32_t chosen : {1, 2, 8, 32}) {
    for (const std::int64_t rows : {1, 64, 513}) {
      for (const std::int32_t destinations : {1, 3, 8}) {
        ExpectPlans(Random(rows, chosen, destinations));
      }
    }
  }
}

TEST_F(PlanDispatchCudaTest, TokensThatAreNotLiveGoNowhere) {
  for (const std::int32_t live : {0, 1, 40, 512, 599, 600, 700}) {
    Routing routing = Random(600, 6, 3);
    routing.live_rows = live;
    ExpectPlans(routing);
  }
}

TEST_F(PlanDispatchCudaTest, SourcesMayUseOtherReplicas) {
  const std::vector<Ids> held = HeldExperts(kExperts, 4, 20);
  Routing routing = Random(100, 6, 4);
  std::vector<Plan> plans;
  for (const std::int32_t source : {0, 1}) {
    routing.seats = SeatsFor(held, kExperts, source);
    ExpectPlans(routing);
    plans.push_back(Planned(routing, {.rows = 100}));
  }
  EXPECT_NE(plans[0].source_rows, plans[1].source_rows);
}

TEST_F(PlanDispatchCudaTest, ADestinationMayGetNothing) {
  for (const std::int32_t idle : {0, 1, 2}) {
    Routing routing = Random(70, 6, 3);
    for (ExpertSeatCuda& seat : routing.seats) {
      if (seat.destination == idle) seat.destination = (idle + 1) % 3;
    }
    ExpectPlans(routing);
  }
}

TEST_F(PlanDispatchCudaTest, OneDestinationMayGetAll) {
  for (const std::int32_t busy : {0, 1, 7}) {
    Routing routing = Random(600, 6, 8);
    for (ExpertSeatCuda& seat : routing.seats) seat.destination = busy;
    ExpectPlan(routing, {.rows = 600, .pairs = 3600});
    ExpectPlan(routing, {.rows = 600});
  }
}

TEST_F(PlanDispatchCudaTest, RowsThatDoNotFitAreSaid) {
  for (const std::int64_t rows : {7, 64, 600}) {
    const Routing routing = Random(rows, 6, 8);
    const Room fullest = FullestSlot(routing);
    ASSERT_GE(fullest.rows, 2U);
    for (const std::size_t pairs : {std::size_t{0}, fullest.pairs}) {
      EXPECT_EQ(ExpectPlan(routing, {fullest.rows, pairs}).overflow, kUntouched);
      EXPECT_EQ(ExpectPlan(routing, {fullest.rows - 1, pairs}).overflow, 1);
      EXPECT_EQ(ExpectPlan(routing, {1, pairs}).overflow, 1);
      EXPECT_EQ(ExpectPlan(routing, {0, pairs}).overflow, 1);
    }
  }
}

TEST_F(PlanDispatchCudaTest, PairsThatDoNotFitAreSaid) {
  for (const std::int64_t rows : {7, 64, 600}) {
    const Routing routing = Random(rows, 6, 3);
    const Room fullest = FullestSlot(routing);
    ASSERT_GE(fullest.pairs, 2U);
    EXPECT_EQ(ExpectPlan(routing, fullest).overflow, kUntouched);
    EXPECT_EQ(ExpectPlan(routing, {fullest.rows, fullest.pairs - 1}).overflow, 1);
    EXPECT_EQ(ExpectPlan(routing, {fullest.rows, 1}).overflow, 1);
  }
}

TEST_F(PlanDispatchCudaTest, AnIdThatIsNoExpertsGoesNowhere) {
  Routing routing = Random(40, 2, 3);
  for (std::size_t i = 0; i < routing.ids.size(); i += 3) routing.ids[i] = kExperts;
  routing.ids[4] = routing.ids[5] = -1;  // all that a token has
  ExpectPlans(routing);
}

TEST_F(PlanDispatchCudaTest, RefusesWhatDoesNotFit) {
  const PlanDispatchCudaArgs good{
      .rows = 1, .chosen = 6, .experts = 64, .destinations = 8, .slot_rows = 1, .slot_pairs = 6};
  const auto expect_refused = [&good](auto change) {
    PlanDispatchCudaArgs args = good;
    change(args);
    EXPECT_EQ(PlanDispatchCuda({}, args).error, DeviceError::kInvalidArgument);
  };
  expect_refused([](PlanDispatchCudaArgs& args) { args.experts = 0; });
  expect_refused([](PlanDispatchCudaArgs& args) { args.chosen = 0; });
  expect_refused([](PlanDispatchCudaArgs& args) { args.chosen = 33; });
  expect_refused([](PlanDispatchCudaArgs& args) { args.destinations = 0; });
  expect_refused([](PlanDispatchCudaArgs& args) { args.destinations = 65; });
  expect_refused([](PlanDispatchCudaArgs& args) { args.rows = -1; });
  expect_refused([](PlanDispatchCudaArgs& args) { args.rows = std::int64_t{1} << 30; });
  expect_refused([](PlanDispatchCudaArgs& args) { args.slot_rows = -1; });
  expect_refused([](PlanDispatchCudaArgs& args) { args.slot_rows = std::int64_t{1} << 26; });
  expect_refused([](PlanDispatchCudaArgs& args) { args.slot_pairs = -1; });
  expect_refused([](PlanDispatchCudaArgs& args) { args.slot_pairs = std::int64_t{1} << 28; });
}

}  // namespace
}  // namespace sextant
