#include "cli/client/conversation.h"

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace sextant::cli {
namespace {

constexpr std::chrono::milliseconds kAskEvery{50};

// Between gRPC's thread, which receives, and the one that prints.
struct Mailbox {
  std::mutex mutex;
  std::condition_variable changed;
  std::string text;  // not yet printed
  Conversation::End end;
  std::optional<absl::Status> status;  // the answer is over

  void Put(const v1::GenerateResponse& piece) {
    const std::lock_guard<std::mutex> lock(mutex);
    text += piece.text();
    if (piece.has_seed()) end.seed = piece.seed();
    if (piece.finish_reason() != v1::FINISH_REASON_UNSPECIFIED) end.reason = piece.finish_reason();
    if (piece.has_usage()) end.usage = piece.usage();
    if (piece.has_timings()) end.timings = piece.timings();
    changed.notify_one();
  }
  void Close(const absl::Status& how) {
    const std::lock_guard<std::mutex> lock(mutex);
    status = how;
    changed.notify_one();
  }
};

}  // namespace

Conversation::Conversation(InferenceClient& client, Options options)
    : client_(client), options_(std::move(options)) {
  Forget();
}

void Conversation::Forget() {
  request_.Clear();
  request_.set_model(options_.model);
  *request_.mutable_params() = options_.params;
  if (options_.system.empty()) return;
  v1::ChatMessage& message = *request_.add_messages();
  message.set_role("system");
  message.set_content(options_.system);
}

absl::StatusOr<Conversation::End> Conversation::Ask(
    const std::string& question, absl::FunctionRef<void(absl::string_view)> print,
    absl::FunctionRef<bool()> cancelled) {
  v1::ChatMessage& message = *request_.add_messages();
  message.set_role("user");
  message.set_content(question);

  const auto mailbox = std::make_shared<Mailbox>();
  const std::shared_ptr<Answer> answer = client_.Chat(
      request_, {.timeout = options_.timeout},
      [mailbox](const v1::GenerateResponse& piece) { mailbox->Put(piece); },
      [mailbox](const absl::Status& status) { mailbox->Close(status); });

  std::string whole;
  bool was_cancelled = false;
  std::unique_lock<std::mutex> lock(mailbox->mutex);
  while (true) {
    mailbox->changed.wait_for(
        lock, kAskEvery, [&] { return !mailbox->text.empty() || mailbox->status.has_value(); });
    const std::string fresh = std::exchange(mailbox->text, "");
    const bool over = mailbox->status.has_value();
    lock.unlock();
    print(fresh);
    whole += fresh;
    if (!was_cancelled && cancelled()) {
      was_cancelled = true;
      answer->Cancel();
    }
    lock.lock();
    if (over && mailbox->text.empty()) break;
  }
  if (!mailbox->status->ok() && !was_cancelled) {
    request_.mutable_messages()->RemoveLast();
    return *mailbox->status;
  }
  mailbox->end.cancelled = was_cancelled;
  v1::ChatMessage& said = *request_.add_messages();
  said.set_role("assistant");
  said.set_content(whole);
  return mailbox->end;
}

}  // namespace sextant::cli
