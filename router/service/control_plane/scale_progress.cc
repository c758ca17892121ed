#include "router/service/control_plane/scale_progress.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/membership/roles.h"
#include "router/coordinator/scaling.h"
#include "router/service/control_plane/change_text.h"

namespace sextant {
namespace {

std::string WorkersText(const v1::ScaleStatus& scale, const v1::ClusterStatus& status) {
  std::string text = absl::StrCat(scale.ready(), " of ", scale.count(), " ",
                                  RoleText(scale.role(), scale.count()), " ready");
  const int surplus = scale.present() - scale.count();
  if (surplus > 0) absl::StrAppend(&text, ", ", surplus, " to leave");
  const int missing = -surplus;
  if (missing <= 0) return text;
  if (status.has_host()) {
    absl::StrAppend(&text, ", ", missing, " to join");
    if (!status.host().problem().empty()) absl::StrAppend(&text, "; ", status.host().problem());
    return text;
  }
  const bool is_whole = scale.role() == v1::ROLE_WHOLE;
  if (!is_whole && (status.ranks() || scale.role() == v1::ROLE_COLOCATED)) {
    return absl::StrCat(text, "; nobody starts ranks, so start ", missing, " more by hand");
  }
  const std::string program =
      is_whole ? "sextant worker" : absl::StrCat(RoleName(scale.role()), "_worker");
  return absl::StrCat(text, "; nobody starts processes for this router, so start ", missing,
                      " more: ", program, " --model DIR --router ADDRESS (docs/cluster.md)");
}

std::string DoneText(const v1::ScaleStatus& scale, const v1::ClusterStatus& status) {
  std::string text = absl::StrCat(scale.count(), " ", RoleText(scale.role(), scale.count()));
  if (scale.role() != v1::ROLE_WHOLE) {
    absl::StrAppend(&text, ", epoch ", status.epoch(), "; ",
                    MovedText(scale.experts_moved(), scale.bytes_moved()), " moved");
  }
  return absl::StrCat(text, ", all after ", absl::StrFormat("%.2f s", scale.seconds()));
}

}  // namespace

absl::StatusOr<std::optional<v1::ChangeProgress>> ScaleProgress::Update(
    const v1::ClusterStatus& status) {
  const auto scale =
      std::find_if(status.scales().begin(), status.scales().end(),
                   [this](const v1::ScaleStatus& shown) { return shown.role() == role_; });
  if (scale == status.scales().end() || scale->number() < number_) return std::nullopt;  // too old
  if (scale->number() > number_) {
    return absl::AbortedError(absl::StrCat("a later change to ", scale->count(), " ",
                                           RoleText(role_, scale->count()),
                                           " has taken the place of this one"));
  }
  v1::ChangeProgress progress;
  progress.set_experts_moved(scale->experts_moved());
  progress.set_bytes_moved(scale->bytes_moved());
  progress.set_done(scale->done());
  if (scale->done()) {
    progress.set_phase("done");
    progress.set_message(DoneText(*scale, status));
  } else if (role_ != v1::ROLE_WHOLE && IsUnderWay(status.change())) {
    progress.set_phase(status.change().phase());
    progress.set_message(EpochText(status.change()));
  } else {
    progress.set_phase("workers");
    progress.set_message(WorkersText(*scale, status));
  }
  const std::string said = absl::StrCat(progress.phase(), ": ", progress.message());
  if (said == said_) return std::nullopt;
  said_ = said;
  return progress;
}

}  // namespace sextant
