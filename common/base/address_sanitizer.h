// Whether this is built with AddressSanitizer: g++ says so by a macro, clang by a feature.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define SEXTANT_ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SEXTANT_ADDRESS_SANITIZER
#endif
#endif

namespace sextant {

#ifdef SEXTANT_ADDRESS_SANITIZER
inline constexpr bool kAddressSanitizer = true;
#else
inline constexpr bool kAddressSanitizer = false;
#endif

}  // namespace sextant
