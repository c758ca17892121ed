// One compiled PCRE2 pattern and its JIT code. PCRE2's types stay in the source file.
//
// Threads:   Find is const; each thread brings its own Workspace.
// Errors:    InvalidArgument from Compile; ResourceExhausted from Find when a match takes more
// steps
//            than PCRE2_MATCH_LIMIT below (a pattern that backtracks without end).
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace sextant {

class Pcre2Pattern {
 public:
  // Refuses patterns that match the empty text. `subject`s must be UTF-8.
  [[nodiscard]] static absl::StatusOr<Pcre2Pattern> Compile(std::string_view pattern);

  class Workspace {
   public:
    Workspace();
    ~Workspace();
    Workspace(const Workspace&) = delete;
    Workspace& operator=(const Workspace&) = delete;

   private:
    friend class Pcre2Pattern;
    struct State;
    std::unique_ptr<State> state_;
  };

  struct Match {
    bool found = false;
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  // The first match in `subject` that begins at or after `from`.
  [[nodiscard]] absl::StatusOr<Match> Find(std::string_view subject, std::size_t from,
                                           Workspace& workspace) const;

 private:
  explicit Pcre2Pattern(std::shared_ptr<const void> code) : code_(std::move(code)) {}
  std::shared_ptr<const void> code_;
};

}  // namespace sextant
