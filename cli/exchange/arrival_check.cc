#include "cli/exchange/arrival_check.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace sextant::cli {
namespace {

template <typename T>
absl::StatusOr<std::vector<T>> Read(const GpuStream& stream, const T* from, std::int64_t count) {
  std::vector<T> values(static_cast<std::size_t>(count));
  RETURN_IF_ERROR(ToStatus(stream.gpu().CopyOut(stream.handle(), values.data(), from,
                                                count * static_cast<std::int64_t>(sizeof(T))),
                           "what has arrived"));
  RETURN_IF_ERROR(stream.Synchronize());
  return values;
}

bool SameRow(const Bf16* a, const Bf16* b, std::int64_t hidden) {
  return std::equal(a, a + hidden, b);
}

// Of so many rows of the attention rank `attention` those that go to this rank, ascending.
std::vector<std::int64_t> RowsFor(const ArrivalCheck& check, int attention, int rank) {
  const std::vector<ExpertSeat> seats = check.layout.SeatsFor(attention);
  const absl::Span<const int> holders = check.layout.expert_ranks();
  const std::vector<std::int32_t> ids = check.known.ExpertIds(attention, check.rows);
  const auto chosen = check.model.num_experts_per_tok;
  std::vector<std::int64_t> rows;
  for (std::int64_t row = 0; row < check.rows; ++row) {
    const auto first = ids.begin() + row * chosen;
    const bool goes = std::any_of(first, first + chosen, [&](std::int32_t expert) {
      const ExpertSeat& seat = seats[static_cast<std::size_t>(expert)];
      return holders[static_cast<std::size_t>(seat.destination)] == rank;
    });
    if (goes) rows.push_back(row);
  }
  return rows;
}

}  // namespace

absl::Status CheckRows(const ArrivalCheck& check, const ReceivedRows& received, int rank) {
  const std::int64_t hidden = check.model.hidden_size;
  const absl::Span<const std::int64_t> first = received.first_rows();
  ASSIGN_OR_RETURN(const std::vector<Bf16> came,
                   Read(check.stream, received.rows(), first.back() * hidden));
  const absl::Span<const int> senders = check.layout.attention_ranks();
  for (std::size_t a = 0; a < senders.size(); ++a) {
    const auto attention = static_cast<int>(a);
    const std::vector<Bf16> sent = check.known.Rows(attention, check.rows);
    const std::vector<std::int64_t> rows = RowsFor(check, attention, rank);
    const auto count = static_cast<std::int64_t>(rows.size());
    if (count > first[a + 1] - first[a]) {
      return absl::DataLossError(absl::StrCat("rank ", rank, " got ", first[a + 1] - first[a],
                                              " rows of the ", count, " of rank ", senders[a]));
    }
    for (std::int64_t i = 0; i < count; ++i) {
      if (SameRow(came.data() + (first[a] + i) * hidden,
                  sent.data() + rows[static_cast<std::size_t>(i)] * hidden, hidden)) {
        continue;
      }
      return absl::DataLossError(absl::StrCat("rank ", rank, " got another row than row ",
                                              rows[static_cast<std::size_t>(i)], " of rank ",
                                              senders[a]));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckOutputs(const ArrivalCheck& check, const DeviceExpertOutputs& outputs,
                          int attention) {
  const std::int64_t hidden = check.model.hidden_size;
  const std::vector<std::int32_t> ids = check.known.ExpertIds(attention, check.rows);
  ASSIGN_OR_RETURN(const std::vector<std::int32_t> places,
                   Read(check.stream, outputs.places, static_cast<std::int64_t>(ids.size())));
  const auto [least, most] = std::minmax_element(places.begin(), places.end());
  if (*least < 0) return absl::DataLossError("an output of an expert has no place");
  ASSIGN_OR_RETURN(const std::vector<Bf16> came,
                   Read(check.stream, outputs.rows, (std::int64_t{*most} + 1) * hidden));
  const std::vector<Bf16> wanted = check.known.Outputs(ids);
  for (std::size_t choice = 0; choice < ids.size(); ++choice) {
    if (SameRow(came.data() + places[choice] * hidden,
                wanted.data() + static_cast<std::int64_t>(choice) * hidden, hidden)) {
      continue;
    }
    return absl::DataLossError(
        absl::StrCat("rank ", check.layout.attention_ranks()[static_cast<std::size_t>(attention)],
                     " got another output than that of expert ", ids[choice], " for row ",
                     static_cast<std::int64_t>(choice) / check.model.num_experts_per_tok));
  }
  return absl::OkStatus();
}

}  // namespace sextant::cli
