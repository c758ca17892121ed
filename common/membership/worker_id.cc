#include <unistd.h>

#include <array>
#include <random>

#include "absl/strings/str_cat.h"
#include "common/membership/member.h"
#include "common/membership/roles.h"

namespace sextant {

std::string NewWorkerId(v1::Role role) {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host = {'h', 'o', 's', 't'};
  std::random_device random;
  return absl::StrCat(RoleName(role), "-", host.data(), "-", getpid(), "-",
                      absl::Hex(random() & 0xffffU, absl::kZeroPad4));
}

}  // namespace sextant
