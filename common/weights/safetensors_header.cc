#include "common/weights/safetensors_header.h"

#include <algorithm>
#include <limits>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status.h"
#include "common/weights/header_json.h"

namespace sextant {
namespace {

constexpr std::uint64_t kLengthBytes = 8;

absl::Status Invalid(const std::string& source, absl::string_view message) {
  return absl::InvalidArgumentError(absl::StrCat(source, ": ", message));
}

absl::Status InvalidTensor(const std::string& source, const TensorEntry& entry,
                           absl::string_view message) {
  return Invalid(source,
                 absl::StrCat("tensor \"", absl::Utf8SafeCEscape(entry.name), "\" ", message));
}

std::uint64_t LittleEndian64(absl::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i) {
    value |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  }
  return value;
}

// Bytes per element of the types that the format names; 0 for one that it does not (some newer
// ones are narrower than a byte), whose size then goes unchecked.
std::uint64_t ElementBytes(absl::string_view dtype) {
  if (dtype == "F64" || dtype == "I64" || dtype == "U64" || dtype == "C64") return 8;
  if (dtype == "F32" || dtype == "I32" || dtype == "U32") return 4;
  if (dtype == "BF16" || dtype == "F16" || dtype == "I16" || dtype == "U16") return 2;
  if (dtype == "BOOL" || dtype == "I8" || dtype == "U8") return 1;
  if (dtype == "F8_E4M3" || dtype == "F8_E5M2" || dtype == "F8_E8M0") return 1;
  return 0;
}

// The bytes that shape and dtype ask for, or nullopt when they do not fit 63 bits.
std::optional<std::uint64_t> BytesOfShape(const std::vector<std::int64_t>& shape,
                                          std::uint64_t element_bytes) {
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  std::uint64_t bytes = element_bytes;
  for (const std::int64_t dimension : shape) {
    const auto size = static_cast<std::uint64_t>(dimension);
    if (bytes > kMax / size) return std::nullopt;
    bytes *= size;
  }
  return bytes;
}

absl::Status CheckEntry(const TensorEntry& entry, std::uint64_t data_bytes,
                        const std::string& source) {
  if (entry.begin > entry.end) {
    return InvalidTensor(source, entry,
                         absl::StrCat("ends at ", entry.end, ", before its begin ", entry.begin));
  }
  if (entry.end > data_bytes) {
    return InvalidTensor(
        source, entry,
        absl::StrCat("ends at byte ", entry.end, " of the data, but the file holds only ",
                     data_bytes, ": it is truncated; download or copy it again"));
  }
  const std::uint64_t element_bytes = ElementBytes(entry.dtype_name);
  if (element_bytes == 0) return absl::OkStatus();
  const std::optional<std::uint64_t> expected = BytesOfShape(entry.shape, element_bytes);
  if (!expected) {
    return InvalidTensor(source, entry,
                         absl::StrCat("has the impossible shape ", ShapeText(entry.shape)));
  }
  if (*expected != entry.end - entry.begin) {
    return InvalidTensor(
        source, entry,
        absl::StrCat("has ", entry.end - entry.begin, " bytes of data, but ", entry.dtype_name, " ",
                     ShapeText(entry.shape), " needs ", *expected));
  }
  return absl::OkStatus();
}

// Entries sorted by their data must follow each other from 0 to the end of the file.
absl::Status CheckCoverage(const std::vector<TensorEntry>& entries, std::uint64_t data_bytes,
                           const std::string& source) {
  std::uint64_t covered = 0;
  for (const TensorEntry& entry : entries) {
    if (entry.begin < covered) {
      return InvalidTensor(
          source, entry,
          absl::StrCat("begins at byte ", entry.begin,
                       " of the data, inside the tensor before it, which ends at ", covered));
    }
    if (entry.begin > covered) {
      return InvalidTensor(source, entry,
                           absl::StrCat("begins at byte ", entry.begin,
                                        " of the data, but the one before it ends at ", covered,
                                        ": the bytes between belong to no tensor"));
    }
    covered = entry.end;
  }
  if (covered != data_bytes) {
    return Invalid(source, absl::StrCat("has ", data_bytes - covered,
                                        " bytes after its last tensor; is it damaged?"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::uint64_t> HeaderBytes(absl::string_view start, std::uint64_t file_size,
                                          const std::string& source) {
  if (file_size < kLengthBytes || start.size() < kLengthBytes) {
    return Invalid(source, absl::StrCat("has ", file_size,
                                        " bytes, too few for a safetensors file; download or copy "
                                        "it again"));
  }
  const std::uint64_t header_bytes = LittleEndian64(start);
  if (header_bytes > kMaxSafetensorsHeaderBytes) {
    return Invalid(
        source, absl::StrCat("says that its header has ", header_bytes, " bytes, more than the ",
                             kMaxSafetensorsHeaderBytes, " allowed; it is not a safetensors file"));
  }
  if (header_bytes > file_size - kLengthBytes || header_bytes > start.size() - kLengthBytes) {
    return Invalid(source, absl::StrCat("says that its header has ", header_bytes,
                                        " bytes, but the file has only ", file_size,
                                        ": it is truncated; download or copy it again"));
  }
  return header_bytes;
}

}  // namespace

std::optional<DType> TensorEntry::dtype() const {
  if (dtype_name == "BF16") return DType::kBf16;
  if (dtype_name == "F16") return DType::kFp16;
  if (dtype_name == "F32") return DType::kFp32;
  return std::nullopt;
}

std::string ShapeText(const std::vector<std::int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

absl::StatusOr<std::vector<TensorEntry>> ParseSafetensorsHeader(absl::string_view start,
                                                                std::uint64_t file_size,
                                                                const std::string& source) {
  ASSIGN_OR_RETURN(const std::uint64_t header_bytes, HeaderBytes(start, file_size, source));
  const absl::string_view json = start.substr(kLengthBytes, header_bytes);
  ASSIGN_OR_RETURN(std::vector<TensorEntry> entries, ParseHeaderJson(json, source));

  const std::uint64_t data_start = kLengthBytes + header_bytes;
  const std::uint64_t data_bytes = file_size - data_start;
  for (const TensorEntry& entry : entries) {
    RETURN_IF_ERROR(CheckEntry(entry, data_bytes, source));
  }
  std::sort(entries.begin(), entries.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  RETURN_IF_ERROR(CheckCoverage(entries, data_bytes, source));
  for (TensorEntry& entry : entries) {
    entry.begin += data_start;
    entry.end += data_start;
  }
  return entries;
}

}  // namespace sextant
