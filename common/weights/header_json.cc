#include "common/weights/header_json.h"

#include <cstdint>
#include <limits>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/config/json_document.h"
#include "nlohmann/json.hpp"

namespace sextant {
namespace {

using nlohmann::json;

// Where the reader is; each place accepts one kind of token.
enum class Place {
  kStart,
  kTop,
  kTensor,
  kMetadata,
  kDType,
  kShape,
  kOffsets,
  kInShape,
  kInOffsets,
  kEnd
};

// A handler of nlohmann's SAX interface: each method returns whether to go on.
class HeaderReader {
 public:
  explicit HeaderReader(const std::string& source) : source_(source) {}

  bool start_object(std::size_t) {
    if (place_ == Place::kStart) return Go(Place::kTop);
    if (place_ != Place::kTop) return Unexpected("an object");
    if (name_ == "__metadata__") return Go(Place::kMetadata);
    entries_.emplace_back();
    entries_.back().name = name_;
    seen_ = {};
    return Go(Place::kTensor);
  }

  bool end_object() {
    switch (place_) {
      case Place::kTop:
        return Go(Place::kEnd);
      case Place::kMetadata:
        return Go(Place::kTop);
      case Place::kTensor:
        if (!seen_.dtype) return Fail("lacks dtype");
        if (!seen_.shape) return Fail("lacks shape");
        if (!seen_.offsets) return Fail("lacks data_offsets");
        return Go(Place::kTop);
      default:  // after "dtype", "shape" or "data_offsets" the parser itself demands a value
        return Unexpected("the end of an object");
    }
  }

  bool key(json::string_t& key) {
    if (place_ == Place::kTop) {
      name_ = key;
      return names_.insert(key).second || Fail("occurs twice in this file");
    }
    if (place_ == Place::kMetadata) return true;
    if (key == "dtype") return Field(seen_.dtype, Place::kDType, key);
    if (key == "shape") return Field(seen_.shape, Place::kShape, key);
    if (key == "data_offsets") return Field(seen_.offsets, Place::kOffsets, key);
    return Fail(absl::StrCat("has the unknown field \"", absl::Utf8SafeCEscape(key), "\""));
  }

  bool string(json::string_t& value) {
    if (place_ == Place::kMetadata) return true;
    if (place_ != Place::kDType) return Unexpected("a string");
    entries_.back().dtype_name = value;
    return Go(Place::kTensor);
  }

  bool start_array(std::size_t) {
    if (place_ == Place::kShape) return Go(Place::kInShape);
    if (place_ == Place::kOffsets) return Go(Place::kInOffsets);
    return Unexpected("a list");
  }

  bool end_array() {
    if (place_ == Place::kInOffsets && offsets_read_ != 2) {
      return Fail("needs two data_offsets, begin and end");
    }
    return Go(Place::kTensor);
  }

  bool number_unsigned(json::number_unsigned_t value) {
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return Fail(absl::StrCat("has the number ", value, ", which is too large"));
    }
    if (place_ == Place::kInShape) {
      if (entries_.back().shape.size() == kMaxRank) {
        return Fail(absl::StrCat("has more than ", kMaxRank, " dimensions"));
      }
      entries_.back().shape.push_back(static_cast<std::int64_t>(value));
      return true;
    }
    if (place_ != Place::kInOffsets) return Unexpected("a number");
    if (++offsets_read_ > 2) return Fail("needs two data_offsets, begin and end");
    (offsets_read_ == 1 ? entries_.back().begin : entries_.back().end) = value;
    return true;
  }

  bool number_integer(json::number_integer_t value) {
    return Fail(absl::StrCat("has the negative number ", value));
  }
  bool number_float(json::number_float_t, const json::string_t& text) {
    return Fail(absl::StrCat("has the number ", text, " where an integer belongs"));
  }
  bool null() { return Unexpected("null"); }
  bool boolean(bool) { return Unexpected("a truth value"); }
  bool binary(json::binary_t&) { return Unexpected("binary data"); }

  bool parse_error(std::size_t, const std::string&, const json::exception& error) {
    error_ = absl::StrCat("the header is not valid JSON: ", JsonErrorText(error.what()));
    return false;
  }

  [[nodiscard]] absl::Status status() const {
    if (error_.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(source_, ": ", error_));
  }
  std::vector<TensorEntry> TakeEntries() { return std::move(entries_); }

 private:
  static constexpr std::size_t kMaxRank = 16;

  struct Seen {
    bool dtype = false;
    bool shape = false;
    bool offsets = false;
  };

  bool Go(Place next) {
    place_ = next;
    return true;
  }

  bool Field(bool& seen, Place next, const std::string& key) {
    if (seen) return Fail(absl::StrCat("has ", key, " twice"));
    seen = true;
    if (next == Place::kOffsets) offsets_read_ = 0;
    return Go(next);
  }

  bool Fail(absl::string_view what) {
    error_ = absl::StrCat("tensor \"", absl::Utf8SafeCEscape(name_), "\" ", what);
    return false;
  }

  bool Unexpected(absl::string_view found) {
    if (place_ == Place::kStart) {
      error_ = absl::StrCat("the header must be a JSON object, is ", found);
      return false;
    }
    return Fail(absl::StrCat("has ", found, " where it does not belong in a header"));
  }

  const std::string& source_;
  Place place_ = Place::kStart;
  std::string name_;
  Seen seen_;
  int offsets_read_ = 0;
  absl::flat_hash_set<std::string> names_;
  std::vector<TensorEntry> entries_;
  std::string error_;
};

}  // namespace

absl::StatusOr<std::vector<TensorEntry>> ParseHeaderJson(absl::string_view json_text,
                                                         const std::string& source) {
  HeaderReader reader(source);
  const bool complete =
      json::sax_parse(json_text.data(), json_text.data() + json_text.size(), &reader);
  if (!reader.status().ok()) return reader.status();
  if (!complete) return absl::InvalidArgumentError(absl::StrCat(source, ": has no valid header"));
  return reader.TakeEntries();
}

}  // namespace sextant
