// Rows to the experts and their outputs back, on the device but for what lies between ranks: every
// choice of every token must find the output of its own expert for its own row.
#include <algorithm>
#include <vector>

#include "kernels/embedding/embedding_cuda.h"
#include "kernels/exchange/plan_dispatch_cuda.h"
#include "kernels/exchange/plan_return_cuda.h"
#include "kernels/moe/group_rows_cuda.h"
#include "tests/support/device/device_memory.h"
#include "tests/support/device/values.h"
#include "tests/unit/kernels/exchange/routing.h"

namespace sextant {
namespace {

using Rows = std::vector<Bf16>;  // [rows, kHidden]

constexpr std::int32_t kExperts = 32;
constexpr std::int32_t kChosen = 6;
constexpr std::int64_t kHidden = 8;
constexpr std::int32_t kUntouched = -7;

struct Cluster {
  std::vector<std::int32_t> live_rows;  // [A]
  std::int32_t destinations;            // D
  std::int32_t replicated = 0;          // experts that two destinations hold
};

struct Slots {
  bool packed = false;     // else every slot travels whole
  std::int64_t rows = 0;   // C
  std::int64_t pairs = 0;  // P, of slots that are not packed
};

// Bits that no other row has: those of token t of source a, before and after expert e.
Rows RowOf(std::size_t a, std::int64_t t) {
  return {Bf16{static_cast<std::uint16_t>(a + 1)},
          Bf16{static_cast<std::uint16_t>(t + 1)},
          Bf16{0},
          Bf16{0},
          Bf16{0},
          Bf16{0},
          Bf16{0},
          Bf16{7}};
}
Rows OutputOf(Rows row, std::int32_t e) {
  row[2] = Bf16{static_cast<std::uint16_t>(e + 1)};
  return row;
}

template <typename T>
void Append(std::vector<T>& to, const std::vector<T>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

Rows Gather(Rows table, const Ids& ids) {
  const auto size = static_cast<std::int64_t>(table.size()) / kHidden;
  table.resize(table.size() + kHidden, Bf16{9});  // beyond the table
  const DeviceArray<Bf16> from(table);
  const DeviceArray<std::int32_t> wanted(ids);
  const DeviceArray<Bf16> rows(ids.size() * kHidden, Bf16{9});
  EXPECT_TRUE(Ran(EmbeddingCuda({}, {.table = from.data(),
                                     .vocab_size = size,
                                     .ids = wanted.data(),
                                     .rows_out = rows.data(),
                                     .rows = static_cast<std::int64_t>(ids.size()),
                                     .hidden = kHidden})));
  return rows.Read();
}

// What a source sends, slot by slot, and what it remembers.
struct Sent {
  Ids choices;    // [T, K]
  Ids places;     // [T, K]
  Rows rows;      // [D, C, H]
  Ids local_ids;  // [D, C, K]
  Ids counts;     // [D, 2]
};

Sent Send(std::size_t source, std::int32_t live_rows, const std::vector<Ids>& held,
          const Slots& slots) {
  const auto destinations = static_cast<std::int32_t>(held.size());
  const auto all_rows = static_cast<std::size_t>(destinations * slots.rows);
  Rows tokens;
  for (std::int64_t t = 0; t < slots.rows; ++t) Append(tokens, RowOf(source, t));
  Sent sent;
  sent.choices =
      RandomChoices(slots.rows, kChosen, kExperts, static_cast<std::uint32_t>(source) + 1);
  const DeviceArray<std::int32_t> choices(sent.choices);
  const DeviceArray<std::int32_t> live(1, live_rows);
  const DeviceArray<ExpertSeatCuda> seats(
      SeatsFor(held, kExperts, static_cast<std::int32_t>(source)));
  const DeviceArray<std::int32_t> source_rows(all_rows, kUntouched);
  const DeviceArray<std::int32_t> local_ids(all_rows * kChosen, kUntouched);
  const DeviceArray<std::int32_t> places(sent.choices.size(), kUntouched);
  const DeviceArray<std::int32_t> counts(2 * held.size(), kUntouched);
  const DeviceArray<std::int32_t> overflow(1, kUntouched);
  EXPECT_TRUE(Ran(PlanDispatchCuda({}, {.expert_ids = choices.data(),
                                        .rows = slots.rows,
                                        .live_rows = live.data(),
                                        .chosen = kChosen,
                                        .seats = seats.data(),
                                        .experts = kExperts,
                                        .destinations = destinations,
                                        .slot_rows = slots.rows,
                                        .slot_pairs = slots.packed ? 0 : slots.pairs,
                                        .source_rows = source_rows.data(),
                                        .local_ids = local_ids.data(),
                                        .places = places.data(),
                                        .counts = counts.data(),
                                        .overflow = overflow.data()})));
  EXPECT_EQ(overflow.Read()[0], kUntouched);
  sent.places = places.Read();
  sent.rows = Gather(tokens, source_rows.Read());
  sent.local_ids = local_ids.Read();
  sent.counts = counts.Read();
  return sent;
}

// What a destination has received, and where what comes from each source begins.
struct Received {
  Rows rows;      // [R, H]
  Ids local_ids;  // [R, K]
  Ids first_rows = {0};
  Ids first_pairs = {0};
};

void Receive(Received& received, const Sent& sent, std::size_t destination, const Slots& slots) {
  const auto first = static_cast<std::int64_t>(destination) * slots.rows;
  std::int64_t rows = slots.rows;
  std::int64_t pairs = slots.pairs;
  if (slots.packed) {
    rows = sent.counts[2 * destination];
    pairs = sent.counts[2 * destination + 1];
  }
  Append(received.rows, RowsOf(sent.rows, first, rows, kHidden));
  Append(received.local_ids, RowsOf(sent.local_ids, first, rows, kChosen));
  received.first_rows.push_back(received.first_rows.back() + static_cast<std::int32_t>(rows));
  received.first_pairs.push_back(received.first_pairs.back() + static_cast<std::int32_t>(pairs));
}

// The outputs in the order in which they go back, those of a source from first_pairs on.
Rows Answer(const Ids& experts, const Received& received, const Slots& slots) {
  const DeviceArray<std::int32_t> local_ids(received.local_ids);
  const DeviceArray<std::int32_t> offsets(experts.size() + 1, kUntouched);
  const DeviceArray<std::int32_t> source_rows(received.local_ids.size(), kUntouched);
  const DeviceArray<std::int32_t> places(received.local_ids.size(), kUntouched);
  EXPECT_TRUE(Ran(GroupRowsCuda({}, {.expert_ids = local_ids.data(),
                                     .rows = received.first_rows.back(),
                                     .chosen = kChosen,
                                     .experts = static_cast<std::int32_t>(experts.size()),
                                     .offsets = offsets.data(),
                                     .source_rows = source_rows.data(),
                                     .places = places.data()})));
  const Ids first_places = offsets.Read();
  const Ids row_of_place = source_rows.Read();
  Rows outputs;
  for (std::size_t local = 0; local < experts.size(); ++local) {
    for (std::int32_t place = first_places[local]; place < first_places[local + 1]; ++place) {
      const std::int32_t row = row_of_place[static_cast<std::size_t>(place)];
      Append(outputs, OutputOf(RowsOf(received.rows, row, 1, kHidden), experts[local]));
    }
  }

  const DeviceArray<std::int32_t> first_rows(received.first_rows);
  const DeviceArray<std::int32_t> first_pairs(received.first_pairs);
  const std::int32_t pairs = received.first_pairs.back();
  const DeviceArray<std::int32_t> source_places(static_cast<std::size_t>(pairs), kUntouched);
  EXPECT_TRUE(
      Ran(PlanReturnCuda({}, {.places = places.data(),
                              .chosen = kChosen,
                              .sources = static_cast<std::int32_t>(received.first_rows.size()) - 1,
                              .slot_rows = slots.packed ? 0 : slots.rows,
                              .slot_pairs = slots.packed ? 0 : slots.pairs,
                              .first_rows = slots.packed ? first_rows.data() : nullptr,
                              .first_pairs = slots.packed ? first_pairs.data() : nullptr,
                              .most_pairs = slots.packed ? pairs : 0,
                              .source_places = source_places.data()})));
  return Gather(outputs, source_places.Read());
}

void ExpectOwnOutputs(std::size_t source, std::int32_t live_rows, const Sent& sent,
                      const Rows& returned) {
  for (std::int32_t t = 0; t < live_rows; ++t) {
    for (std::int32_t k = 0; k < kChosen; ++k) {
      const auto choice = static_cast<std::size_t>(t * kChosen + k);
      ASSERT_EQ(RowsOf(returned, sent.places[choice], 1, kHidden),
                OutputOf(RowOf(source, t), sent.choices[choice]))
          << "choice " << k << " of token " << t << " of source " << source;
    }
  }
  // And all else is zeros.
  const auto zeros = std::count(returned.begin(), returned.end(), Bf16{0});
  const auto outputs = static_cast<std::ptrdiff_t>(live_rows) * kChosen;
  EXPECT_EQ(static_cast<std::ptrdiff_t>(returned.size()) - zeros, 4 * outputs);
}

void ExpectRoundTrip(const Cluster& cluster, bool packed) {
  SCOPED_TRACE(testing::Message() << "rows " << testing::PrintToString(cluster.live_rows) << ", "
                                  << cluster.destinations << " destinations"
                                  << (packed ? ", packed" : ""));
  Slots slots{packed, *std::max_element(cluster.live_rows.begin(), cluster.live_rows.end()) + 1};
  slots.pairs =
      std::min(slots.rows * kChosen, 2 * slots.rows * kChosen / cluster.destinations + 16);
  const std::vector<Ids> held = HeldExperts(kExperts, cluster.destinations, cluster.replicated);
  std::vector<Sent> sent;
  for (std::size_t a = 0; a < cluster.live_rows.size(); ++a) {
    sent.push_back(Send(a, cluster.live_rows[a], held, slots));
  }
  std::vector<Rows> returned(sent.size());
  for (std::size_t d = 0; d < held.size(); ++d) {
    Received received;
    for (const Sent& from : sent) Receive(received, from, d, slots);
    const Rows outputs = Answer(held[d], received, slots);
    for (std::size_t a = 0; a < sent.size(); ++a) {
      const std::int32_t first = received.first_pairs[a];
      Append(returned[a], RowsOf(outputs, first, received.first_pairs[a + 1] - first, kHidden));
    }
  }
  for (std::size_t a = 0; a < sent.size(); ++a) {
    ExpectOwnOutputs(a, cluster.live_rows[a], sent[a], returned[a]);
  }
}

class RoundTripCudaTest : public DeviceTest {
 protected:
  static void ExpectRoundTrips(bool packed) {
    ExpectRoundTrip({.live_rows = {5}, .destinations = 1}, packed);
    ExpectRoundTrip({.live_rows = {7, 7}, .destinations = 3}, packed);
    ExpectRoundTrip({.live_rows = {0, 1, 40}, .destinations = 2}, packed);
    ExpectRoundTrip({.live_rows = {12, 9, 33, 1}, .destinations = 4, .replicated = 10}, packed);
    ExpectRoundTrip({.live_rows = {3, 64, 0, 17, 8, 1, 30, 2}, .destinations = 8}, packed);
    ExpectRoundTrip({.live_rows = {2}, .destinations = 32, .replicated = 32}, packed);
    ExpectRoundTrip({.live_rows = {700, 513}, .destinations = 2, .replicated = 5}, packed);
  }
};

TEST_F(RoundTripCudaTest, EveryChoiceFindsItsOutputInWholeSlots) { ExpectRoundTrips(false); }
TEST_F(RoundTripCudaTest, EveryChoiceFindsItsOutputAmongPackedOnes) { ExpectRoundTrips(true); }

}  // namespace
}  // namespace sextant
