// What all members of a cluster have in common: version, model, numeric profile; and but for whole
// workers, which exchange nothing, whether they are ranks, and how these lay out what they
// exchange.
//
// Parts of the model that the configuration leaves open, and an open profile, are those of the
// first worker that joins; they stay for the router's life, so that a sequence that moves between
// workers keeps its bytes. So does the exchange.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "proto/sextant/v1/cluster.pb.h"

namespace sextant {

class Agreement {
 public:
  // Empty strings and zeros are open.
  Agreement(std::string version, v1::ModelIdentity model, std::string numeric_profile);

  // Errors: InvalidArgument naming the field of a hello that no worker can mean;
  // FailedPrecondition with a reason (VERSION_MISMATCH, MODEL_MISMATCH, PROFILE_UNSUPPORTED,
  // EXCHANGE_MISMATCH) and both values, for one that does not fit.
  [[nodiscard]] absl::Status Check(const v1::Hello& hello) const;

  // Settles what is open; after Check.
  void Adopt(const v1::Hello& hello);

  [[nodiscard]] const v1::ModelIdentity& model() const { return model_; }
  [[nodiscard]] const std::string& numeric_profile() const { return numeric_profile_; }
  // Nothing before the first worker that exchanges rows has joined.
  [[nodiscard]] std::optional<bool> ranks() const { return ranks_; }

 private:
  const std::string version_;
  v1::ModelIdentity model_;
  std::string numeric_profile_;
  std::optional<bool> ranks_;
  std::string exchange_;  // of those, in words
};

}  // namespace sextant
