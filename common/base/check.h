// CHECK: a broken invariant is a bug in Sextant, so it prints the values and aborts.
// What comes from outside (files, peers, requests) is never checked here: see status.h.
#pragma once

#include <sstream>
#include <string>

namespace sextant::internal {

[[noreturn]] void CheckFailed(const char* file, int line, const std::string& message);

template <typename A, typename B>
[[noreturn]] __attribute__((noinline)) void CheckOpFailed(const char* file, int line,
                                                          const char* text, const A& a,
                                                          const B& b) {
  std::ostringstream message;
  message << text << " (" << a << " vs " << b << ")";
  CheckFailed(file, line, message.str());
}

}  // namespace sextant::internal

#define CHECK(condition)                                                \
  do {                                                                  \
    if (!(condition)) [[unlikely]]                                      \
      ::sextant::internal::CheckFailed(__FILE__, __LINE__, #condition); \
  } while (false)

#define SEXTANT_CHECK_OP(op, a, b)                                                         \
  do {                                                                                     \
    const auto& sextant_a = (a);                                                           \
    const auto& sextant_b = (b);                                                           \
    if (!(sextant_a op sextant_b)) [[unlikely]]                                            \
      ::sextant::internal::CheckOpFailed(__FILE__, __LINE__, #a " " #op " " #b, sextant_a, \
                                         sextant_b);                                       \
  } while (false)

#define CHECK_EQ(a, b) SEXTANT_CHECK_OP(==, a, b)
#define CHECK_NE(a, b) SEXTANT_CHECK_OP(!=, a, b)
#define CHECK_LT(a, b) SEXTANT_CHECK_OP(<, a, b)
#define CHECK_LE(a, b) SEXTANT_CHECK_OP(<=, a, b)
#define CHECK_GT(a, b) SEXTANT_CHECK_OP(>, a, b)
#define CHECK_GE(a, b) SEXTANT_CHECK_OP(>=, a, b)
