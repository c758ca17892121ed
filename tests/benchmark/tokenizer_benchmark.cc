// Times encoding of a text on one thread, for comparison with tokenizer_peer.py on the same text.
//
//   tokenizer_benchmark MODEL_DIR TEXT_FILE
//
// Prints megabytes per second (the best of several passes), the number of tokens and a checksum of
// their ids. Every pass has a tokenizer of its own, so that none finds pieces of an earlier one in
// a cache. Checks first that decoding gives the text back.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "common/base/file.h"
#include "common/base/status.h"
#include "router/tokenizer/tokenizer.h"

namespace sextant {
namespace {

constexpr int kPasses = 7;
constexpr std::int64_t kMostBytes = std::int64_t{1} << 30;

// FNV-1a over the ids as 32-bit values.
std::uint64_t Checksum(const std::vector<Tokenizer::Id>& ids) {
  std::uint64_t value = 0xcbf29ce484222325;
  for (const Tokenizer::Id id : ids) {
    value = (value ^ static_cast<std::uint32_t>(id)) * 0x100000001b3;
  }
  return value;
}

absl::Status Run(const std::string& model_dir, const std::string& text_file) {
  ASSIGN_OR_RETURN(const std::string json, ReadFile(model_dir + "/tokenizer.json", kMostBytes));
  ASSIGN_OR_RETURN(const std::string text, ReadFile(text_file, kMostBytes));
  double best = 1e30;
  std::vector<Tokenizer::Id> ids;
  for (int pass = 0; pass < kPasses; ++pass) {
    ASSIGN_OR_RETURN(const auto tokenizer, Tokenizer::FromJson(json));
    const auto begin = std::chrono::steady_clock::now();
    ASSIGN_OR_RETURN(ids, tokenizer->Encode(text));
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
    best = std::min(best, elapsed.count());
    if (pass > 0) continue;
    ASSIGN_OR_RETURN(const std::string decoded, tokenizer->Decode(ids));
    if (decoded != text) return absl::InternalError("decoding does not give the text back");
  }
  absl::PrintF("sextant: %.2f MB/s, %d tokens, checksum %016x\n",
               static_cast<double>(text.size()) / best * 1e-6, ids.size(), Checksum(ids));
  return absl::OkStatus();
}

}  // namespace
}  // namespace sextant

int main(int argc, char** argv) {
  if (argc != 3) {
    absl::FPrintF(stderr, "tokenizer_benchmark MODEL_DIR TEXT_FILE\n");
    return EXIT_FAILURE;
  }
  const absl::Status status = sextant::Run(argv[1], argv[2]);
  if (!status.ok()) {
    absl::FPrintF(stderr, "tokenizer_benchmark: %s\n", status.ToString());
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
