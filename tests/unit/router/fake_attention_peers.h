// Attention workers that compute nothing: they write down what they are told.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "router/scheduling/attention_peer.h"

namespace sextant::router {

struct StartedSequence {
  SequenceNumber sequence = 0;
  std::vector<std::int32_t> prompt_ids;
  std::vector<std::int32_t> generated_ids;
  std::uint64_t seed = 0;
  std::int64_t max_tokens = 0;
  std::string request_id;
};

struct FakeStream {
  std::string worker_id;
  PeerNumber number = 0;
  std::vector<StartedSequence> starts;
  std::vector<SequenceNumber> cancels;
  bool open = true;
};

class FakeAttentionPeers final : public AttentionPeers {
 public:
  std::unique_ptr<AttentionPeer> Connect(const AttentionWorkerInfo& worker,
                                         PeerNumber number) override {
    auto stream = std::make_shared<FakeStream>();
    stream->worker_id = worker.worker_id;
    stream->number = number;
    streams_.push_back(stream);
    return std::make_unique<Peer>(stream);
  }

  // All streams that were ever opened, in order.
  [[nodiscard]] const std::vector<std::shared_ptr<FakeStream>>& streams() const { return streams_; }
  // The newest stream to that worker; null if there was none.
  [[nodiscard]] FakeStream* StreamOf(const std::string& worker_id) const {
    for (auto stream = streams_.rbegin(); stream != streams_.rend(); ++stream) {
      if ((*stream)->worker_id == worker_id) return stream->get();
    }
    return nullptr;
  }

 private:
  class Peer final : public AttentionPeer {
   public:
    explicit Peer(std::shared_ptr<FakeStream> stream) : stream_(std::move(stream)) {}
    ~Peer() override { stream_->open = false; }
    void Start(const SequenceStart& start) override {
      stream_->starts.push_back(
          {.sequence = start.sequence,
           .prompt_ids = {start.prompt_ids.begin(), start.prompt_ids.end()},
           .generated_ids = {start.generated_ids.begin(), start.generated_ids.end()},
           .seed = start.seed,
           .max_tokens = start.max_tokens,
           .request_id = std::string(start.request_id)});
    }
    void Cancel(SequenceNumber sequence) override { stream_->cancels.push_back(sequence); }

   private:
    std::shared_ptr<FakeStream> stream_;
  };

  std::vector<std::shared_ptr<FakeStream>> streams_;
};

}  // namespace sextant::router
