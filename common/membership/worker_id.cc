#include <unistd.h>

#include <array>
#include <random>

#include "absl/strings/str_cat.h"
#include "common/membership/member.h"

namespace sextant {

std::string NewWorkerId(v1::Role role) {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host = {'h', 'o', 's', 't'};
  const char* name = role == v1::ROLE_EXPERT ? "expert" : "attention";
  std::random_device random;
  return absl::StrCat(name, "-", host.data(), "-", getpid(), "-",
                      absl::Hex(random() & 0xffffU, absl::kZeroPad4));
}

}  // namespace sextant
