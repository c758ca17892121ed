#include "common/config/json_document.h"

#include <set>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/file.h"
#include "common/base/status.h"
#include "nlohmann/json.hpp"

namespace sextant {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 100;

// Follows the parser to see what a finished document no longer shows.
class DocumentRules {
 public:
  bool operator()(int depth, json::parse_event_t event, json& parsed) {
    switch (event) {
      case json::parse_event_t::object_start:
        keys_.emplace_back();
        break;
      case json::parse_event_t::object_end:
        keys_.pop_back();
        break;
      case json::parse_event_t::key:
        if (const auto& key = parsed.get_ref<const std::string&>();
            !keys_.back().insert(key).second && broken_.empty()) {
          broken_ = absl::StrCat("the key \"", absl::Utf8SafeCEscape(key), "\" occurs twice");
        }
        break;
      default:
        break;
    }
    if (depth > kMaxDepth && broken_.empty()) {
      broken_ = absl::StrCat("values are nested deeper than ", kMaxDepth, " levels");
    }
    return true;
  }

  const std::string& broken() const { return broken_; }

 private:
  std::vector<std::set<std::string>> keys_;  // of the objects that are open
  std::string broken_;
};

}  // namespace

std::string JsonErrorText(absl::string_view what) {
  const std::size_t prefix = what.find("] ");
  if (prefix != absl::string_view::npos) what.remove_prefix(prefix + 2);
  // The last token is quoted whole, however long it is and whatever bytes it has.
  constexpr absl::string_view kLastRead = "last read: '";
  constexpr std::size_t kShown = 32;
  const std::size_t quote = what.find(kLastRead);
  const std::size_t end = what.rfind('\'');
  if (quote == absl::string_view::npos || end < quote + kLastRead.size()) return std::string(what);
  const std::size_t begin = quote + kLastRead.size();
  const absl::string_view token = what.substr(begin, end - begin);
  const bool cut = token.size() > kShown;
  return absl::StrCat(what.substr(0, begin), cut ? "..." : "",
                      absl::CEscape(cut ? token.substr(token.size() - kShown) : token),
                      what.substr(end));
}

absl::StatusOr<json> ParseJson(absl::string_view text, absl::string_view source) {
  DocumentRules rules;
  try {
    json document = json::parse(text.data(), text.data() + text.size(),
                                [&rules](int depth, json::parse_event_t event, json& parsed) {
                                  return rules(depth, event, parsed);
                                });
    if (rules.broken().empty()) return document;
  } catch (const json::exception& error) {
    return absl::InvalidArgumentError(
        absl::StrCat(source, ": is not valid JSON: ", JsonErrorText(error.what())));
  }
  return absl::InvalidArgumentError(absl::StrCat(source, ": ", rules.broken()));
}

absl::StatusOr<json> ReadJsonFile(const std::string& path, std::int64_t max_bytes) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, max_bytes));
  return ParseJson(text, path);
}

}  // namespace sextant
