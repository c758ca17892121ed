// The router's events over a whole run: its status shows only the newest.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/sextant/v1/admin.pb.h"

namespace sextant::chaos {

class EventLines {
 public:
  // To be called often enough that no event falls out of the status between.
  void Add(const absl::StatusOr<v1::ClusterStatus>& status);

  // Workers whose end was a surprise: no silence, no draining.
  [[nodiscard]] int broken_streams() const;
  // How many deaths were seen and how, and how long epochs took.
  [[nodiscard]] std::string Summary() const;
  [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::vector<std::string> lines_;
};

}  // namespace sextant::chaos
