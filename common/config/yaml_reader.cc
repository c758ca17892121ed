#include "common/config/yaml_reader.h"

#include <algorithm>
#include <exception>
#include <map>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/file.h"
#include "common/base/status.h"
#include "common/config/byte_size.h"
#include "common/config/yaml_document.h"
#include "yaml-cpp/yaml.h"

namespace sextant {
namespace {

int LineOf(const YAML::Node& node) { return std::max(node.Mark().line, 0) + 1; }

std::string Shown(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Map:
      return "a mapping";
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Scalar:
      return absl::StrCat("\"", absl::Utf8SafeCEscape(node.Scalar().substr(0, 60)), "\"");
    default:
      return "empty";
  }
}

absl::Status Invalid(const std::string& source, int line, absl::string_view message) {
  return absl::InvalidArgumentError(absl::StrCat(source, ":", line, ": ", message));
}

}  // namespace

void YamlReader::Fail(int line, absl::string_view key, absl::string_view message) {
  if (!status_->ok()) return;
  *status_ =
      Invalid(source_, line, absl::StrCat(prefix_, absl::Utf8SafeCEscape(key), " ", message));
}

void YamlReader::ReadMapping(const YAML::Node& node, int line) {
  if (node.IsNull()) return;  // nothing under the key: all defaults
  if (!node.IsMap()) {
    const absl::string_view name =
        prefix_.empty() ? "the file" : absl::string_view(prefix_).substr(0, prefix_.size() - 1);
    *status_ =
        Invalid(source_, line,
                absl::StrCat(name, " must be a mapping of keys to values, is ", Shown(node)));
    return;
  }
  std::map<std::string, int> first_line;
  for (const auto& pair : node) {
    const int key_line = LineOf(pair.first);
    if (!pair.first.IsScalar()) return Fail(key_line, "", "has a key that is not a word");
    const std::string& key = pair.first.Scalar();
    const auto [first, added] = first_line.emplace(key, key_line);
    if (!added) {
      return Fail(key_line, key, absl::StrCat("occurs twice, first in line ", first->second));
    }
    members_.push_back({key, key_line, pair.second, false});
  }
}

YamlReader::Member* YamlReader::Take(absl::string_view key) {
  known_.emplace_back(key);
  if (!status_->ok()) return nullptr;
  for (Member& member : members_) {
    if (member.key != key) continue;
    member.taken = true;
    return &member;
  }
  return nullptr;
}

void YamlReader::FailUnknown() {
  for (const Member& member : members_) {
    if (member.taken) continue;
    Fail(member.line, member.key,
         absl::StrCat("is not a known key; known here: ", absl::StrJoin(known_, ", ")));
  }
}

const std::string* YamlReader::PlainScalar(absl::string_view key, const Member& member,
                                           absl::string_view wanted) {
  // yaml-cpp tags a scalar "?" when it was plain and "!" when it was quoted.
  if (member.value.IsScalar() && member.value.Tag() == "?") return &member.value.Scalar();
  const bool quoted = member.value.IsScalar();
  Fail(member.line, key,
       absl::StrCat("must be ", wanted, ", is ", quoted ? "the text " : "", Shown(member.value)));
  return nullptr;
}

void YamlReader::Int(absl::string_view key, std::int64_t* value, IntRange range) {
  const Member* member = Take(key);
  if (member == nullptr) return;
  const std::string wanted = absl::StrCat("an integer from ", range.min, " to ", range.max);
  const std::string* text = PlainScalar(key, *member, wanted);
  if (text == nullptr) return;
  std::int64_t read = 0;
  if (!absl::SimpleAtoi(*text, &read) || read < range.min || read > range.max) {
    return Fail(member->line, key, absl::StrCat("must be ", wanted, ", is ", Shown(member->value)));
  }
  *value = read;
}

void YamlReader::Double(absl::string_view key, double* value, DoubleRange range) {
  const Member* member = Take(key);
  if (member == nullptr) return;
  const std::string wanted = absl::StrCat("a number from ", range.min, " to ", range.max);
  const std::string* text = PlainScalar(key, *member, wanted);
  if (text == nullptr) return;
  double read = 0;
  if (!absl::SimpleAtod(*text, &read) || !(read >= range.min && read <= range.max)) {
    return Fail(member->line, key, absl::StrCat("must be ", wanted, ", is ", Shown(member->value)));
  }
  *value = read;
}

void YamlReader::Bool(absl::string_view key, bool* value) {
  const std::vector<std::pair<absl::string_view, bool>> choices = {{"true", true},
                                                                   {"false", false}};
  Choice(key, value, choices);
}

void YamlReader::String(absl::string_view key, std::string* value) {
  const Member* member = Take(key);
  if (member == nullptr) return;
  if (!member->value.IsScalar()) {
    return Fail(member->line, key, absl::StrCat("must be a text, is ", Shown(member->value)));
  }
  *value = member->value.Scalar();
}

void YamlReader::Strings(absl::string_view key, std::vector<std::string>* values,
                         std::size_t most) {
  const Member* member = Take(key);
  if (member == nullptr) return;
  const YAML::Node& list = member->value;
  const std::string wanted = absl::StrCat("a list of at most ", most, " texts");
  if (!list.IsSequence() || list.size() > most) {
    return Fail(member->line, key,
                absl::StrCat("must be ", wanted, ", ",
                             list.IsSequence() ? absl::StrCat("has ", list.size())
                                               : absl::StrCat("is ", Shown(list))));
  }
  std::vector<std::string> read;
  for (const YAML::Node& item : list) {
    if (!item.IsScalar()) {
      return Fail(LineOf(item), key, absl::StrCat("must be ", wanted, ", holds ", Shown(item)));
    }
    read.push_back(item.Scalar());
  }
  *values = std::move(read);
}

void YamlReader::ByteSize(absl::string_view key, std::int64_t* value, IntRange range) {
  const Member* member = Take(key);
  if (member == nullptr) return;
  const std::string* text = PlainScalar(key, *member, "a size such as 512MB");
  if (text == nullptr) return;
  const absl::StatusOr<std::int64_t> read = ParseByteSize(*text);
  if (!read.ok())
    return Fail(member->line, key, absl::StrCat("is wrong: ", read.status().message()));
  if (*read < range.min || *read > range.max) {
    return Fail(member->line, key,
                absl::StrCat("must be from ", range.min, " to ", range.max, " bytes, is ",
                             Shown(member->value)));
  }
  *value = *read;
}

int YamlReader::ChoiceIndex(absl::string_view key, const Member& member,
                            const std::vector<absl::string_view>& words) {
  const std::string wanted = absl::StrJoin(words, " or ");
  const std::string* text = PlainScalar(key, member, wanted);
  if (text == nullptr) return -1;
  const auto found = std::find(words.begin(), words.end(), *text);
  if (found == words.end()) {
    Fail(member.line, key, absl::StrCat("must be ", wanted, ", is ", Shown(member.value)));
    return -1;
  }
  return static_cast<int>(found - words.begin());
}

void YamlReader::Section(absl::string_view key, Read read) {
  const Member* member = Take(key);
  if (member == nullptr) return;
  YamlReader section(source_, absl::StrCat(prefix_, key, "."), status_);
  section.ReadMapping(member->value, member->line);
  if (!status_->ok()) return;
  read(section);
  section.FailUnknown();
}

absl::Status ReadYaml(absl::string_view text, const std::string& source, YamlReader::Read read) {
  absl::Status status;
  try {
    const YAML::Node document = LoadYamlDocument(std::string(text));
    YamlReader root(source, "", &status);
    root.ReadMapping(document, LineOf(document));
    if (!status.ok()) return status;
    read(root);
    root.FailUnknown();
  } catch (const YAML::Exception& error) {
    return Invalid(source, std::max(error.mark.line, 0) + 1,
                   absl::StrCat("is not valid YAML: ", error.msg));
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(source, ": is not valid YAML: ", error.what()));
  }
  return status;
}

absl::Status ReadYamlFile(const std::string& path, YamlReader::Read read) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxYamlBytes));
  return ReadYaml(text, path, read);
}

}  // namespace sextant
