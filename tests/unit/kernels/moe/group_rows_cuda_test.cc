#include "kernels/moe/group_rows_cuda.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <random>
#include <vector>

#include "tests/support/device/device_memory.h"

namespace sextant {
namespace {

using Ids = std::vector<std::int32_t>;

struct Groups {
  Ids offsets;
  Ids source_rows;
  Ids places;
};

Groups Group(const Ids& ids, std::int32_t chosen, std::int32_t experts,
             std::optional<std::int32_t> live_rows = {}) {
  const DeviceArray<std::int32_t> on_device(ids);
  const DeviceArray<std::int32_t> live(1, live_rows.value_or(0));
  const DeviceArray<std::int32_t> offsets(static_cast<std::size_t>(experts + 1), -7);
  const DeviceArray<std::int32_t> source_rows(ids.size(), -7);
  const DeviceArray<std::int32_t> places(ids.size(), -7);
  EXPECT_TRUE(Ran(GroupRowsCuda({}, {.expert_ids = on_device.data(),
                                     .rows = static_cast<std::int64_t>(ids.size()) / chosen,
                                     .live_rows = live_rows ? live.data() : nullptr,
                                     .chosen = chosen,
                                     .experts = experts,
                                     .offsets = offsets.data(),
                                     .source_rows = source_rows.data(),
                                     .places = places.data()})));
  return {offsets.Read(), source_rows.Read(), places.Read()};
}

Groups Expected(const Ids& ids, std::int32_t chosen, std::int32_t experts, std::int32_t live_rows) {
  Groups groups{{0}, Ids(ids.size(), -7), Ids(ids.size(), -7)};
  std::int32_t place = 0;
  const auto live = static_cast<std::size_t>(live_rows * chosen);
  for (std::int32_t expert = 0; expert < experts; ++expert) {
    for (std::size_t slot = 0; slot < live; ++slot) {
      if (ids[slot] != expert) continue;
      groups.source_rows[static_cast<std::size_t>(place)] =
          static_cast<std::int32_t>(slot) / chosen;
      groups.places[slot] = place++;
    }
    groups.offsets.push_back(place);
  }
  for (std::size_t slot = 0; slot < live; ++slot) {
    if (ids[slot] < 0 || ids[slot] >= experts) groups.places[slot] = -1;
  }
  return groups;
}

void ExpectGroups(const Ids& ids, std::int32_t chosen, std::int32_t experts,
                  std::optional<std::int32_t> live_rows = {}) {
  const auto rows = static_cast<std::int32_t>(ids.size()) / chosen;
  SCOPED_TRACE(testing::Message() << rows << " rows, " << chosen << " of " << experts);
  const Groups groups = Group(ids, chosen, experts, live_rows);
  const Groups expected = Expected(ids, chosen, experts, live_rows.value_or(rows));
  EXPECT_EQ(groups.offsets, expected.offsets);
  EXPECT_EQ(groups.source_rows, expected.source_rows);
  EXPECT_EQ(groups.places, expected.places);
}

// Each row chooses different experts, as a gate does.
Ids RandomIds(std::int64_t rows, std::int32_t chosen, std::int32_t experts, std::uint32_t seed) {
  std::mt19937 generator(seed);
  Ids all(static_cast<std::size_t>(experts));
  std::iota(all.begin(), all.end(), 0);
  Ids ids;
  for (std::int64_t t = 0; t < rows; ++t) {
    std::shuffle(all.begin(), all.end(), generator);
    ids.insert(ids.end(), all.begin(), all.begin() + chosen);
  }
  return ids;
}

class GroupRowsCudaTest : public DeviceTest {};

TEST_F(GroupRowsCudaTest, SortsByExpertAndKeepsTheOrderOfTheRows) {
  for (const std::int64_t rows : {0, 1, 2, 85, 86, 341, 342, 700}) {
    ExpectGroups(RandomIds(rows, 6, 64, 1), 6, 64);
  }
  ExpectGroups(RandomIds(33, 1, 3, 2), 1, 3);
  ExpectGroups(RandomIds(5, 8, 160, 3), 8, 160);
}

TEST_F(GroupRowsCudaTest, AllOnOneExpert) {
  ExpectGroups(Ids(2049, 2), 1, 4);
  ExpectGroups(Ids(2048, 0), 1, 1);
}

TEST_F(GroupRowsCudaTest, SlotsOfNoExpertHereHaveNoPlace) {
  ExpectGroups({3, -1, 0, 4, 2, 9, 0, 1}, 2, 4);
}

TEST_F(GroupRowsCudaTest, RowsThatAreNotLiveHaveNoPlace) {
  ExpectGroups(RandomIds(50, 6, 64, 4), 6, 64, 17);
  ExpectGroups(RandomIds(50, 6, 64, 4), 6, 64, 0);
}

TEST_F(GroupRowsCudaTest, RefusesWhatDoesNotFit) {
  EXPECT_EQ(GroupRowsCuda({}, {.rows = 1, .chosen = 1, .experts = 0}).error,
            DeviceError::kInvalidArgument);
  EXPECT_EQ(GroupRowsCuda({}, {.rows = 1, .chosen = 0, .experts = 4}).error,
            DeviceError::kInvalidArgument);
  EXPECT_EQ(GroupRowsCuda({}, {.rows = std::int64_t{1} << 30, .chosen = 6, .experts = 4}).error,
            DeviceError::kInvalidArgument);
}

}  // namespace
}  // namespace sextant
