// The requests that wait for an attention worker: a bounded number of them. Their deadlines are
// their owner's, who removes what has expired.
//
// Order:     higher priority first; within one, the clients take turns, one answer at a time, and
//            each client's requests go first come first served.
// Threads:   one.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "router/admission/departure_rate.h"

namespace sextant::router {

struct Ticket {
  std::uint64_t request = 0;  // unique among those that wait
  std::string client;
  std::int32_t priority = 0;
  std::int32_t answers = 1;  // that have to be taken before it leaves; at least one
};

class AdmissionQueue {
 public:
  // At least 1.
  explicit AdmissionQueue(std::int64_t capacity);

  // Errors: ResourceExhausted with reason QUEUE_FULL and the delay after which there should be
  // room again.
  [[nodiscard]] absl::Status Push(Ticket ticket, absl::Time now);

  // Whose answer goes next.
  [[nodiscard]] std::optional<std::uint64_t> Next() const;
  // Takes one answer of that request.
  void TakeNext(absl::Time now);

  // Forgets a request, if it waits.
  void Remove(std::uint64_t request);

  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(waiting_.size()); }
  [[nodiscard]] std::int64_t capacity() const { return capacity_; }

  // How long a client that is refused now should wait: until all that waits now has left, as fast
  // as requests left lately; between 0.1 s and a minute, and a second where none has left yet.
  [[nodiscard]] absl::Duration RetryDelay(absl::Time now) const;
  [[nodiscard]] absl::Status FullError(absl::Duration delay) const;

 private:
  struct Client {
    std::string name;
    std::list<std::uint64_t> requests = {};  // first come first; never empty
  };
  struct Level {
    std::list<Client> turns;  // the first one is next; never empty
    std::unordered_map<std::string, std::list<Client>::iterator> by_name;
  };
  struct Waiting {
    Ticket ticket;
    std::list<Client>::iterator client;
    std::list<std::uint64_t>::iterator place;
  };

  const std::int64_t capacity_;
  std::map<std::int32_t, Level, std::greater<>> levels_;  // by priority; none is empty
  std::unordered_map<std::uint64_t, Waiting> waiting_;
  DepartureRate rate_;
};

}  // namespace sextant::router
