// Reads a YAML file into typed structs in one pass, refusing whatever the structs do not name.
//
//   RETURN_IF_ERROR(ReadYamlFile(path, [&](YamlReader& root) {
//     root.Section("engine", [&](YamlReader& engine) {
//       engine.Int("threads", &config.threads, {.min = 0, .max = 1024});
//     });
//   }));
//
// A key that is absent leaves its variable alone, so defaults stand in the struct. An empty file
// sets nothing. Numbers and truth values are plain scalars: a quoted "8" is a string. One document
// per file; merge keys (<<) are not applied.
//
// Errors: InvalidArgument "FILE:LINE: engine.threads ..." for a key that is unknown or occurs
//         twice, a wrong type, a value out of range, and for text that is not YAML. The first one
//         is kept; after an error the variables hold a mixture and must not be used.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/config/json_fields.h"
#include "yaml-cpp/node/node.h"

namespace sextant {

// A longer file is refused.
inline constexpr std::int64_t kMaxYamlBytes = 1 << 20;

class YamlReader {
 public:
  using Read = absl::FunctionRef<void(YamlReader&)>;

  void Int(absl::string_view key, std::int64_t* value, IntRange range);
  void Double(absl::string_view key, double* value, DoubleRange range);
  void Bool(absl::string_view key, bool* value);
  void String(absl::string_view key, std::string* value);
  // A list of at most `most` texts.
  void Strings(absl::string_view key, std::vector<std::string>* values, std::size_t most);
  // "512MB", "4GiB": byte_size.h.
  void ByteSize(absl::string_view key, std::int64_t* value, IntRange range);
  // One of a few words.
  template <typename T>
  void Choice(absl::string_view key, T* value,
              const std::vector<std::pair<absl::string_view, T>>& choices);
  // A nested mapping. `read` is called once when the key is there.
  void Section(absl::string_view key, Read read);

 private:
  friend absl::Status ReadYaml(absl::string_view text, const std::string& source, Read read);

  struct Member {
    std::string key;
    int line = 0;
    YAML::Node value;
    bool taken = false;
  };

  YamlReader(const std::string& source, std::string prefix, absl::Status* status)
      : source_(source), prefix_(std::move(prefix)), status_(status) {}

  void ReadMapping(const YAML::Node& node, int line);
  // The member, marked as known; null when absent or after an error.
  Member* Take(absl::string_view key);
  // Its text when it is a scalar that was written without quotes; null after recording an error.
  const std::string* PlainScalar(absl::string_view key, const Member& member,
                                 absl::string_view wanted);
  // Position of the scalar in `words`, or -1 after recording an error.
  int ChoiceIndex(absl::string_view key, const Member& member,
                  const std::vector<absl::string_view>& words);
  void FailUnknown();
  void Fail(int line, absl::string_view key, absl::string_view message);

  const std::string& source_;
  const std::string prefix_;
  absl::Status* status_;  // shared by all sections of the file
  std::vector<Member> members_;
  std::vector<std::string> known_;
};

// `source` names the text in errors, usually its path.
[[nodiscard]] absl::Status ReadYaml(absl::string_view text, const std::string& source,
                                    YamlReader::Read read);

// Errors: those of ReadFile as well; a file above 1 MiB is refused.
[[nodiscard]] absl::Status ReadYamlFile(const std::string& path, YamlReader::Read read);

template <typename T>
void YamlReader::Choice(absl::string_view key, T* value,
                        const std::vector<std::pair<absl::string_view, T>>& choices) {
  const Member* member = Take(key);
  if (member == nullptr) return;
  std::vector<absl::string_view> words;
  for (const auto& [word, meaning] : choices) words.push_back(word);
  const int index = ChoiceIndex(key, *member, words);
  if (index >= 0) *value = choices[static_cast<std::size_t>(index)].second;
}

}  // namespace sextant
