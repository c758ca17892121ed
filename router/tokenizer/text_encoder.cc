#include "router/tokenizer/text_encoder.h"

#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/status.h"

namespace sextant {

struct TextEncoder::Walk {
  Workspace& workspace;
  std::vector<Id>& ids;
};

absl::Status TextEncoder::Append(std::string_view text, std::vector<Id>& ids) const {
  if (text.size() > INT32_MAX) {
    return absl::InvalidArgumentError(absl::StrCat("the text has ", text.size(), " bytes; at most ",
                                                   INT32_MAX, " can be tokenized"));
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (parts_.merger.ByteId(byte) < 0) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "the text is not UTF-8: the byte 0x%02X at offset %d has no token", byte, i));
    }
  }
  if (text.empty()) return absl::OkStatus();
  std::unique_ptr<Workspace> workspace = Borrow();
  parts_.pre_tokenizer.Prepare(text, workspace->pre_tokenizer);
  Walk walk{*workspace, ids};
  absl::Status status = Descend(0, text.data(), text.data() + text.size(), walk);
  GiveBack(std::move(workspace));
  return status;
}

absl::Status TextEncoder::Descend(std::size_t step, const char* begin, const char* end,
                                  Walk& walk) const {
  const std::string_view piece(begin, static_cast<std::size_t>(end - begin));
  const bool looked_up = step == kCachedStep || step == parts_.pre_tokenizer.StepCount();
  if (!looked_up || piece.size() > PieceCache::kMaxBytes) return Compute(step, begin, end, walk);

  const PieceCache::Key key(piece, step);
  PieceCache& cache = walk.workspace.cache;
  if (const PieceCache::Ids* known = cache.Find(key); known != nullptr) {
    walk.ids.insert(walk.ids.end(), known->ids.begin(), known->ids.begin() + known->count);
    return absl::OkStatus();
  }
  const std::size_t before = walk.ids.size();
  RETURN_IF_ERROR(Compute(step, begin, end, walk));
  const std::span<const Id> fresh = std::span<const Id>(walk.ids).subspan(before);
  if (fresh.size() <= PieceCache::kMaxIds) cache.Put(key, fresh);
  return absl::OkStatus();
}

absl::Status TextEncoder::Compute(std::size_t step, const char* begin, const char* end,
                                  Walk& walk) const {
  if (step == parts_.pre_tokenizer.StepCount()) {
    parts_.merger.Encode({begin, static_cast<std::size_t>(end - begin)}, walk.workspace.merger,
                         walk.ids);
    return absl::OkStatus();
  }
  return parts_.pre_tokenizer.Cut(
      step, begin, end, walk.workspace.pre_tokenizer,
      [&](const char* b, const char* e) { return Descend(step + 1, b, e, walk); });
}

std::unique_ptr<TextEncoder::Workspace> TextEncoder::Borrow() const {
  {
    const MutexLock lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Workspace> workspace = std::move(idle_.back());
      idle_.pop_back();
      return workspace;
    }
  }
  return std::make_unique<Workspace>();
}

void TextEncoder::GiveBack(std::unique_ptr<Workspace> workspace) const {
  const MutexLock lock(mutex_);
  if (idle_.size() < kKeptWorkspaces) idle_.push_back(std::move(workspace));
}

}  // namespace sextant
