// What the steps of a change of epochs are called.
#pragma once

#include <string>

#include "proto/sextant/v1/admin.pb.h"

namespace sextant {

// Halt, prepare, commit or retire.
[[nodiscard]] bool IsUnderWay(const v1::EpochStatus& change);

// "epoch 4: 2 of 5 workers have answered; 16 experts (3.10 MB) to move"
[[nodiscard]] std::string EpochText(const v1::EpochStatus& change);

}  // namespace sextant
