#include "attention_worker/service/attention_service.h"

#include <algorithm>
#include <functional>

#include "absl/strings/str_cat.h"
#include "attention_worker/service/run_reactor.h"

namespace sextant {

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* AttentionService::Run(
    grpc::CallbackServerContext* /*context*/) {
  return RunReactor::Start(*this);
}

absl::StatusOr<BannedIds> AttentionService::ShareBannedIds(absl::Span<const std::int32_t> ids) {
  const bool ascending =
      std::adjacent_find(ids.begin(), ids.end(), std::greater_equal<>()) == ids.end();
  if (!ids.empty() && (!ascending || ids.front() < 0 || ids.back() >= vocab_size_)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "configure.banned_ids: give ascending ids from 0 to ", vocab_size_ - 1, ", each once"));
  }
  const MutexLock lock(mutex_);
  if (absl::MakeConstSpan(*last_) != ids) {
    last_ = std::make_shared<const std::vector<std::int32_t>>(ids.begin(), ids.end());
  }
  return last_;
}

}  // namespace sextant
