// Finds the first of several stop strings in a stream of bytes, however the stream is cut.
//
// The string that ends first stops the stream; of several that end on the same byte, the longest.
// Held back is exactly the longest suffix that is a proper start of a stop string.
// One pass over the bytes (Aho and Corasick, 1975).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sextant {

class StopMatcher {
 public:
  explicit StopMatcher(const std::vector<std::string>& stop_strings);

  // Appends to `out` the bytes that are known not to belong to a stop string. True when a stop
  // string is complete: the stream ends before it, and nothing more may be pushed.
  [[nodiscard]] bool Push(std::string_view bytes, std::string& out);

  // Appends what is held back; the matcher starts anew.
  void Flush(std::string& out);

 private:
  struct Node {
    std::vector<std::pair<unsigned char, std::int32_t>> next;  // few: searched in order
    std::int32_t fallback = 0;  // the longest proper suffix that is in the tree
    std::int32_t depth = 0;     // bytes from the root
    std::int32_t match = 0;     // length of the longest stop string that ends here, or 0
  };
  [[nodiscard]] Node& At(std::int32_t node) { return nodes_[static_cast<std::size_t>(node)]; }
  [[nodiscard]] const Node& At(std::int32_t node) const {
    return nodes_[static_cast<std::size_t>(node)];
  }
  [[nodiscard]] std::int32_t Child(std::int32_t node, unsigned char byte) const;  // -1: none
  [[nodiscard]] std::int32_t Step(std::int32_t node, unsigned char byte) const;

  std::vector<Node> nodes_;
  std::int32_t state_ = 0;
  std::string held_;
};

}  // namespace sextant
