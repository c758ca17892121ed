#include "router/service/control_plane/change_text.h"

#include "absl/strings/str_cat.h"
#include "router/coordinator/scaling.h"

namespace sextant {

bool IsUnderWay(const v1::EpochStatus& change) {
  return change.phase() == "prepare" || change.phase() == "commit" || change.phase() == "retire";
}

std::string EpochText(const v1::EpochStatus& change) {
  return absl::StrCat("epoch ", change.epoch(), ": ", change.answered(), " of ",
                      change.participants(), " workers have answered; ",
                      MovedText(change.experts_moved(), change.bytes_moved()), " to move");
}

}  // namespace sextant
