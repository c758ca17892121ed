// The attention worker's end of a stream in tests: makes dispatches, and keeps the answers.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "common/exchange/wire_values.h"
#include "expert_worker/dispatch/pending_dispatch.h"

namespace sextant {

// A frame of rows whose row r holds the value first + r everywhere, parsed from its bytes.
struct SomeDispatch {
  SomeDispatch(DispatchHeader header, float first) {
    auto frame = std::make_shared<FrameBytes>(StartDispatchFrame(header));
    std::uint8_t* to = frame->rows;
    for (std::int32_t row = 0; row < header.num_rows; ++row) {
      const std::vector<float> values(static_cast<std::size_t>(header.hidden),
                                      first + static_cast<float>(row));
      PackValues(values.data(), header.hidden, header.type, to);
      to += header.hidden * BytesOf(header.type);
    }
    chunks = std::make_shared<ByteChunks>();
    chunks->Add({frame->data.get(), frame->size});
    bytes = frame;
    EXPECT_TRUE(ParseDispatchFrame(*chunks, parsed).ok());
  }

  std::shared_ptr<ByteChunks> chunks;
  std::shared_ptr<FrameBytes> bytes;
  DispatchFrame parsed;
};

struct SomeAnswer {
  std::int32_t code = 0;
  std::string message;
  std::vector<float> rows;
};

inline SomeAnswer ReadAnswer(const FrameBytes& bytes, std::uint64_t* dispatch = nullptr) {
  ByteChunks chunks;
  chunks.Add({bytes.data.get(), bytes.size});
  OutputFrame frame;
  EXPECT_TRUE(ParseOutputFrame(chunks, frame).ok());
  SomeAnswer answer{.code = frame.header.code, .message = frame.header.message, .rows = {}};
  answer.rows.resize(frame.rows_bytes / static_cast<std::size_t>(BytesOf(frame.header.type)));
  frame.rows.ReadValues(static_cast<std::int64_t>(answer.rows.size()), frame.header.type,
                        answer.rows.data());
  if (dispatch != nullptr) *dispatch = frame.header.dispatch;
  return answer;
}

class FakeSource final : public DispatchSource {
 public:
  [[nodiscard]] PendingDispatch Make(const DispatchHeader& header, float first) {
    auto made = std::make_shared<SomeDispatch>(header, first);
    return {.frame = made->parsed, .bytes = made, .source = self_};
  }
  // So that pending dispatches can name their source; the test owns it.
  static std::shared_ptr<FakeSource> Create() {
    auto source = std::make_shared<FakeSource>();
    source->self_ = std::shared_ptr<DispatchSource>(source.get(), [](DispatchSource*) {});
    return source;
  }

  void Vanish() {
    const std::lock_guard<std::mutex> lock(mutex_);
    gone_ = true;
  }
  [[nodiscard]] bool gone() const override {
    const std::lock_guard<std::mutex> lock(mutex_);
    return gone_;
  }
  void Answer(FrameBytes frame) override {
    std::uint64_t dispatch = 0;
    SomeAnswer answer = ReadAnswer(frame, &dispatch);
    const std::lock_guard<std::mutex> lock(mutex_);
    EXPECT_TRUE(answers_.emplace(dispatch, std::move(answer)).second) << "answered twice";
    changed_.notify_all();
  }

  [[nodiscard]] SomeAnswer WaitFor(std::uint64_t dispatch) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return answers_.contains(dispatch); });
    return answers_.at(dispatch);
  }
  [[nodiscard]] std::size_t answers() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return answers_.size();
  }

 private:
  std::shared_ptr<DispatchSource> self_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::uint64_t, SomeAnswer> answers_;
  bool gone_ = false;
};

}  // namespace sextant
