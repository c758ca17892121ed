// An input of two parts: what comes before the first NUL byte, and what comes after it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sextant {

struct PartedInput {
  std::string_view first;
  std::string_view second;  // empty without a NUL byte
};

inline PartedInput Parted(const std::uint8_t* data, std::size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const std::size_t nul = all.find('\0');
  if (nul == std::string_view::npos) return {all, {}};
  return {all.substr(0, nul), all.substr(nul + 1)};
}

}  // namespace sextant
