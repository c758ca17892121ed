#include "router/service/control_plane/change_text.h"

#include "absl/strings/str_cat.h"
#include "router/coordinator/scaling.h"

namespace sextant {

bool IsUnderWay(const v1::EpochStatus& change) {
  return change.phase() == "halt" || change.phase() == "prepare" || change.phase() == "commit" ||
         change.phase() == "retire";
}

std::string EpochText(const v1::EpochStatus& change) {
  const std::string answers = absl::StrCat("epoch ", change.epoch(), ": ", change.answered(),
                                           " of ", change.participants(), " workers have answered");
  if (change.phase() == "halt") return answers;  // nothing is planned yet
  return absl::StrCat(answers, "; ", MovedText(change.experts_moved(), change.bytes_moved()),
                      " to move");
}

}  // namespace sextant
