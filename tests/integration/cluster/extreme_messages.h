// Variants of a message in which one field, at any depth, has an extreme value.
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <vector>

namespace sextant {

struct ExtremeMessage {
  std::string what;   // "params.sampling.top_p = nan"
  std::string bytes;  // the message; no valid one where a text is not UTF-8
  bool valid = true;
};

// For every field of `base` and of the messages in it: the ends of its type's range, values around
// zero, no number at all, texts that are empty, long, or not UTF-8, lists that are empty or long,
// enumerators that do not exist, messages that are absent.
[[nodiscard]] std::vector<ExtremeMessage> ExtremesOf(const google::protobuf::Message& base);

}  // namespace sextant
