#include "router/tokenizer/incremental_detokenizer.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "router/tokenizer/utf8.h"

namespace sextant {

IncrementalDetokenizer::IncrementalDetokenizer(const Tokenizer& tokenizer,
                                               const std::vector<std::string>& stop_strings)
    : tokenizer_(tokenizer), stop_(stop_strings) {}

absl::StatusOr<IncrementalDetokenizer::Delta> IncrementalDetokenizer::Push(Tokenizer::Id id) {
  const std::optional<std::string_view> bytes = tokenizer_.Bytes(id);
  if (!bytes) return absl::NotFoundError(absl::StrCat("no token has the id ", id));
  Delta delta;
  delta.stopped = stopped_;
  if (stopped_) return delta;
  delta.stopped = stopped_ = stop_.Push(*bytes, pending_);
  const std::size_t whole = stopped_ ? pending_.size() : WholeCharacters(pending_);
  AppendReplacingBroken(std::string_view(pending_).substr(0, whole), delta.text);
  pending_.erase(0, whole);
  return delta;
}

std::string IncrementalDetokenizer::Flush() {
  std::string text;
  if (!stopped_) stop_.Flush(pending_);
  AppendReplacingBroken(pending_, text);
  pending_.clear();
  return text;
}

}  // namespace sextant
