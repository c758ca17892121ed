#include "common/weights/shard_index.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/file.h"
#include "common/base/status.h"
#include "common/config/json_document.h"
#include "nlohmann/json.hpp"

namespace sextant {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMaxIndexBytes = 100'000'000;
constexpr absl::string_view kSuffix = ".safetensors";

// The file must lie in the directory itself: an index must not reach out of it.
bool IsPlainName(absl::string_view name) {
  return absl::EndsWith(name, kSuffix) && name.size() > kSuffix.size() &&
         name.find('/') == absl::string_view::npos && name.find('\0') == absl::string_view::npos &&
         name[0] != '.';
}

// 4 of "model-00002-of-000004.safetensors"; nullopt for a name of another form.
std::optional<std::int64_t> ShardCount(absl::string_view name) {
  name.remove_suffix(kSuffix.size());
  std::size_t digits = 0;
  while (digits < name.size() &&
         std::isdigit(static_cast<unsigned char>(name[name.size() - 1 - digits])) != 0) {
    ++digits;
  }
  std::int64_t count = 0;
  const absl::string_view number = name.substr(name.size() - digits);
  if (!absl::EndsWith(name.substr(0, name.size() - digits), "-of-")) return std::nullopt;
  if (!absl::SimpleAtoi(number, &count)) return std::nullopt;
  return count;
}

absl::StatusOr<ShardIndex> ListShards(const std::string& dir) {
  ShardIndex index;
  std::error_code error;
  for (fs::directory_iterator entry(dir, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (IsPlainName(name)) index.files.push_back(name);
  }
  if (error) return FileError(error.value(), dir, "cannot be listed");
  if (index.files.empty()) {
    return absl::NotFoundError(absl::StrCat(
        dir, ": holds no .safetensors file; give the directory of a downloaded checkpoint"));
  }
  std::sort(index.files.begin(), index.files.end());
  const auto expected = ShardCount(index.files.front());
  if (expected && *expected != static_cast<std::int64_t>(index.files.size())) {
    return absl::NotFoundError(absl::StrCat(dir, ": has ", index.files.size(),
                                            " .safetensors files, but ", index.files.front(),
                                            " is one of ", *expected, "; download the others"));
  }
  return index;
}

}  // namespace

absl::StatusOr<ShardIndex> ParseShardIndex(absl::string_view text, const std::string& source) {
  ASSIGN_OR_RETURN(const nlohmann::json document, ParseJson(text, source));
  const auto invalid = [&source](absl::string_view message) {
    return absl::InvalidArgumentError(absl::StrCat(source, ": ", message));
  };
  if (!document.is_object() || !document.contains("weight_map") ||
      !document["weight_map"].is_object()) {
    return invalid("must be an object with a weight_map that names the file of each tensor");
  }
  ShardIndex index;
  index.has_index = true;
  std::set<std::string> files;
  for (const auto& [tensor, file] : document["weight_map"].items()) {
    if (!file.is_string() || !IsPlainName(file.get_ref<const std::string&>())) {
      return invalid(absl::StrCat("weight_map gives tensor \"", absl::Utf8SafeCEscape(tensor),
                                  "\" something that is not the name of a .safetensors file "
                                  "beside the index"));
    }
    files.insert(file.get<std::string>());
    index.shard_of.emplace(tensor, file.get<std::string>());
  }
  if (files.empty()) return invalid("its weight_map is empty");
  index.files.assign(files.begin(), files.end());
  return index;
}

absl::StatusOr<ShardIndex> FindShards(const std::string& dir) {
  std::error_code ignored;
  if (!fs::is_directory(dir, ignored)) {
    return absl::NotFoundError(absl::StrCat(
        dir, ": is not a directory; give the directory that holds config.json and the weights"));
  }
  const fs::path root(dir);
  const std::string index_path = (root / kIndexFileName).string();
  if (!fs::exists(index_path, ignored)) return ListShards(dir);

  ASSIGN_OR_RETURN(const std::string text, ReadFile(index_path, kMaxIndexBytes));
  ASSIGN_OR_RETURN(ShardIndex index, ParseShardIndex(text, index_path));
  for (const std::string& file : index.files) {
    if (fs::exists(root / file, ignored)) continue;
    return absl::NotFoundError(absl::StrCat((root / file).string(), ": is missing, but ",
                                            kIndexFileName, " needs it; download it"));
  }
  return index;
}

}  // namespace sextant
