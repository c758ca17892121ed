#include "router/tokenizer/pcre2_pattern.h"

#include <pcre2.h>

#include <array>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"

namespace sextant {
namespace {

constexpr std::uint32_t kMatchLimit = 1'000'000;
constexpr std::uint32_t kHeapLimitKib = 16 * 1024;

std::string Message(int code) {
  std::array<unsigned char, 256> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

PCRE2_SPTR Bytes(std::string_view text) {
  return reinterpret_cast<PCRE2_SPTR>(text.data() == nullptr ? "" : text.data());
}

}  // namespace

struct Pcre2Pattern::Workspace::State {
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
};

Pcre2Pattern::Workspace::Workspace() : state_(std::make_unique<State>()) {
  CHECK(state_->data != nullptr && state_->context != nullptr);
  pcre2_set_match_limit(state_->context, kMatchLimit);
  pcre2_set_heap_limit(state_->context, kHeapLimitKib);
}

Pcre2Pattern::Workspace::~Workspace() {
  pcre2_match_data_free(state_->data);
  pcre2_match_context_free(state_->context);
}

absl::StatusOr<Pcre2Pattern> Pcre2Pattern::Compile(std::string_view pattern) {
  pcre2_compile_context* context = pcre2_compile_context_create(nullptr);
  CHECK(context != nullptr);
  pcre2_set_newline(context, PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE place = 0;
  pcre2_code* code = pcre2_compile(Bytes(pattern), pattern.size(),
                                   PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &error, &place, context);
  pcre2_compile_context_free(context);
  if (code == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("PCRE2 refuses the pattern: ", Message(error)));
  }
  std::shared_ptr<const void> owner(code, [code](const void*) { pcre2_code_free(code); });
  std::uint32_t matches_empty = 0;
  pcre2_pattern_info(code, PCRE2_INFO_MATCHEMPTY, &matches_empty);
  if (matches_empty != 0) {
    return absl::InvalidArgumentError(
        "the pattern can match the empty text; that is not supported");
  }
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // without JIT the interpreter does the same, slowly
  return Pcre2Pattern(std::move(owner));
}

absl::StatusOr<Pcre2Pattern::Match> Pcre2Pattern::Find(std::string_view subject, std::size_t from,
                                                       Workspace& workspace) const {
  const auto* code = static_cast<const pcre2_code*>(code_.get());
  const int rc = pcre2_match(code, Bytes(subject), subject.size(), from, PCRE2_NO_UTF_CHECK,
                             workspace.state_->data, workspace.state_->context);
  if (rc == PCRE2_ERROR_NOMATCH) return Match{};
  if (rc < 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a regular expression of the tokenizer failed on this text: ", Message(rc)));
  }
  const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(workspace.state_->data);
  return Match{true, ends[0], ends[1]};
}

}  // namespace sextant
