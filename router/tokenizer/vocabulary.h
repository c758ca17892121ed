// Which bytes each token id stands for. Ids may have holes; added tokens live beside the others.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace sextant {

class Vocabulary {
 public:
  using Id = std::int32_t;
  static constexpr Id kMaxId = (1 << 20) - 1;  // ten times the largest of the family

  // InvalidArgument when `id` is outside [0, kMaxId] or taken.
  [[nodiscard]] absl::Status Add(std::int64_t id, std::string_view bytes, bool added);

  // Borrowed from this object until the next Add.
  [[nodiscard]] std::optional<std::string_view> Bytes(Id id) const {
    if (id < 0 || static_cast<std::size_t>(id) >= tokens_.size()) return std::nullopt;
    const Token& token = tokens_[static_cast<std::size_t>(id)];
    if (!token.exists) return std::nullopt;
    return std::string_view(bytes_).substr(token.begin, token.size);
  }
  [[nodiscard]] bool IsAdded(Id id) const {
    return Bytes(id).has_value() && tokens_[static_cast<std::size_t>(id)].added;
  }
  // One more than the largest id that has a token.
  [[nodiscard]] std::int64_t IdLimit() const { return static_cast<std::int64_t>(tokens_.size()); }

 private:
  struct Token {
    std::uint32_t begin = 0;
    std::uint32_t size = 0;
    bool exists = false;
    bool added = false;
  };
  std::vector<Token> tokens_;
  std::string bytes_;
};

}  // namespace sextant
