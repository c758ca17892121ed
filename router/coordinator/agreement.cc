#include "router/coordinator/agreement.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status.h"
#include "common/errors/error_details.h"
#include "common/membership/roles.h"
#include "router/coordinator/placed_workers.h"

namespace sextant {
namespace {

constexpr std::size_t kMostIdBytes = 256;
constexpr int kMostProfiles = 16;
constexpr int kMostExperts = 65'535;                           // frames number them with 16 bits
constexpr std::uint64_t kMostEpochs = std::uint64_t{1} << 62;  // numbers go on above a worker's

absl::Status CheckPlace(const v1::Hello& hello) {
  if (hello.worker_id().empty() || hello.worker_id().size() > kMostIdBytes) {
    return FieldError("hello.worker_id", absl::StrCat("must have 1 to ", kMostIdBytes, " bytes"));
  }
  if (std::find(kRoles.begin(), kRoles.end(), hello.role()) == kRoles.end()) {
    return FieldError("hello.role",
                      "must be ROLE_ATTENTION, ROLE_EXPERT, ROLE_WHOLE or ROLE_COLOCATED");
  }
  if (hello.rank() ? hello.role() == v1::ROLE_WHOLE : hello.role() == v1::ROLE_COLOCATED) {
    return FieldError("hello.rank", "a colocated worker is a rank, and a whole one is none");
  }
  if (hello.endpoint().unix_target().empty() && hello.endpoint().tcp_target().empty()) {
    return FieldError("hello.endpoint", "must have a unix_target or a tcp_target");
  }
  if (hello.role() != v1::ROLE_EXPERT &&
      (hello.cache_blocks() < 1 || hello.block_tokens() < 1 || hello.max_sequences() < 1)) {
    return FieldError("hello.cache_blocks",
                      "a worker that computes sequences has at least one cache block, of at least "
                      "one token, and runs at least one sequence");
  }
  return absl::OkStatus();
}

absl::Status CheckEpochs(const v1::Hello& hello) {
  if (hello.newest_epoch() > kMostEpochs || hello.holding().epoch() > kMostEpochs) {
    return FieldError("hello.newest_epoch",
                      absl::StrCat("epochs are numbered up to ", kMostEpochs, "; is ",
                                   std::max(hello.newest_epoch(), hello.holding().epoch())));
  }
  return absl::OkStatus();
}

absl::Status CheckComputation(const v1::Hello& hello) {
  const v1::ModelIdentity& model = hello.model();
  if (model.fingerprint().empty() || model.dtype().empty() || model.num_layers() < 1) {
    return FieldError("hello.model", "must have a fingerprint, a dtype and at least one layer");
  }
  if (model.num_experts() < 1 || model.num_experts() > kMostExperts) {
    return FieldError("hello.model.num_experts", absl::StrCat("must lie in [1, ", kMostExperts,
                                                              "], is ", model.num_experts()));
  }
  if (hello.numeric_profiles().empty() || hello.numeric_profiles_size() > kMostProfiles) {
    return FieldError("hello.numeric_profiles",
                      absl::StrCat("must name 1 to ", kMostProfiles, " profiles"));
  }
  for (const v1::PlacedWorker& placed : PlacedWorkers(hello.holding())) {
    for (const std::int32_t expert : placed.experts()) {
      if (expert >= 0 && expert < model.num_experts()) continue;
      return FieldError("hello.holding", absl::StrCat("expert ", expert, " is not in [0, ",
                                                      model.num_experts(), ")"));
    }
  }
  return absl::OkStatus();
}

std::string Shown(const std::string& value) { return value; }
std::string Shown(std::int32_t value) { return absl::StrCat(value); }
bool IsOpen(const std::string& value) { return value.empty(); }
bool IsOpen(std::int32_t value) { return value == 0; }

absl::Status Mismatch(const char* reason, const char* what, const std::string& worker,
                      const std::string& cluster) {
  return WithReason(absl::FailedPreconditionError(absl::StrCat(
                        "the ", what, " of this worker is ", worker, ", that of the cluster is ",
                        cluster, "; all members must have the same")),
                    reason, {{"field", what}, {"worker", worker}, {"cluster", cluster}});
}

template <typename T>
absl::Status CheckModelPart(const char* what, const T& worker, const T& cluster) {
  if (IsOpen(cluster) || IsOpen(worker) || worker == cluster) return absl::OkStatus();
  return Mismatch("MODEL_MISMATCH", what, Shown(worker), Shown(cluster));
}

std::string ExchangeName(const v1::Hello& hello) {
  if (!hello.rank()) return "streams";
  return hello.rank_layout().empty() ? "ranks" : absl::StrCat("ranks, ", hello.rank_layout());
}

void AdoptPart(std::string& open, const std::string& value) {
  if (open.empty()) open = value;
}

}  // namespace

Agreement::Agreement(std::string version, v1::ModelIdentity model, std::string numeric_profile)
    : version_(std::move(version)),
      model_(std::move(model)),
      numeric_profile_(std::move(numeric_profile)) {}

absl::Status Agreement::Check(const v1::Hello& hello) const {
  // First of all: another version may mean something else by every other field.
  if (hello.version() != version_) {
    return Mismatch("VERSION_MISMATCH", "version", hello.version(), version_);
  }
  RETURN_IF_ERROR(CheckPlace(hello));
  RETURN_IF_ERROR(CheckEpochs(hello));
  RETURN_IF_ERROR(CheckComputation(hello));
  const v1::ModelIdentity& model = hello.model();
  RETURN_IF_ERROR(CheckModelPart("model id", model.id(), model_.id()));
  RETURN_IF_ERROR(CheckModelPart("dtype", model.dtype(), model_.dtype()));
  RETURN_IF_ERROR(CheckModelPart("number of layers", model.num_layers(), model_.num_layers()));
  RETURN_IF_ERROR(CheckModelPart("number of experts", model.num_experts(), model_.num_experts()));
  RETURN_IF_ERROR(CheckModelPart("model's fingerprint", model.fingerprint(), model_.fingerprint()));
  const auto& offered = hello.numeric_profiles();
  if (!numeric_profile_.empty() &&
      std::find(offered.begin(), offered.end(), numeric_profile_) == offered.end()) {
    const std::string all = absl::StrJoin(offered, ", ");
    return WithReason(
        absl::FailedPreconditionError(
            absl::StrCat("the cluster computes with numeric profile ", numeric_profile_,
                         "; this worker can compute only ", all,
                         "; start the router with a profile that every worker has")),
        "PROFILE_UNSUPPORTED",
        {{"field", "numeric profile"}, {"worker", all}, {"cluster", numeric_profile_}});
  }
  if (hello.rank_layout().size() > kMostIdBytes) {
    return FieldError("hello.rank_layout",
                      absl::StrCat("must have at most ", kMostIdBytes, " bytes"));
  }
  const std::string exchange = ExchangeName(hello);
  if (hello.role() != v1::ROLE_WHOLE && ranks_.has_value() && exchange != exchange_) {
    return Mismatch("EXCHANGE_MISMATCH", "exchange of rows", exchange, exchange_);
  }
  return absl::OkStatus();
}

void Agreement::Adopt(const v1::Hello& hello) {
  const v1::ModelIdentity& model = hello.model();
  AdoptPart(*model_.mutable_id(), model.id());
  AdoptPart(*model_.mutable_fingerprint(), model.fingerprint());
  AdoptPart(*model_.mutable_dtype(), model.dtype());
  if (IsOpen(model_.num_layers())) model_.set_num_layers(model.num_layers());
  if (IsOpen(model_.num_experts())) model_.set_num_experts(model.num_experts());
  AdoptPart(numeric_profile_, hello.numeric_profiles(0));
  if (hello.role() == v1::ROLE_WHOLE) return;
  ranks_ = hello.rank();
  exchange_ = ExchangeName(hello);
}

}  // namespace sextant
