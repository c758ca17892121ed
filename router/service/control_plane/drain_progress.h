// How far the draining of a worker has come, from one status of the cluster to the next.
#pragma once

#include <optional>
#include <string>

#include "proto/sextant/v1/admin.pb.h"

namespace sextant {

class DrainProgress {
 public:
  explicit DrainProgress(std::string worker_id) : worker_id_(std::move(worker_id)) {}

  // Nothing when it is where it was. `done` is set in the last one: the worker has gone.
  [[nodiscard]] std::optional<v1::ChangeProgress> Update(const v1::ClusterStatus& status);

 private:
  const std::string worker_id_;
  std::string said_;
  std::int64_t first_experts_ = -1;
};

}  // namespace sextant
