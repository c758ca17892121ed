// Makes safetensors files, right and wrong ones, byte by byte.
#pragma once

#include <cstdint>
#include <string>

namespace sextant {

// The length field, the JSON as given, and `data_bytes` of data.
inline std::string SafetensorsBytes(const std::string& json, std::size_t data_bytes) {
  std::string file(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) {
    file[i] = static_cast<char>((static_cast<std::uint64_t>(json.size()) >> (8 * i)) & 0xff);
  }
  file += json;
  for (std::size_t i = 0; i < data_bytes; ++i) file += static_cast<char>('a' + i % 26);
  return file;
}

// {"a": bf16 [2, 3], "b": f32 [2]}: 20 bytes of data, padded so that they are aligned.
inline std::string TwoTensors() {
  return SafetensorsBytes(R"({"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},)"
                          R"("b":{"dtype":"F32","shape":[2],"data_offsets":[12,20]}}   )",
                          20);
}

}  // namespace sextant
