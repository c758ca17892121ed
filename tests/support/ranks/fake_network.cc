#include "tests/support/ranks/fake_network.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "common/base/check.h"

namespace sextant {
namespace {

constexpr DeviceStatus kAborted = {DeviceError::kDevice, "the communicator was aborted"};
constexpr DeviceStatus kNoPeer = {DeviceError::kInvalidArgument,
                                  "a message to or from a rank that is not there"};
constexpr DeviceStatus kNotOurs = {DeviceError::kInvalidArgument,
                                   "a message reaches out of the GPU's memory"};
constexpr DeviceStatus kOverlap = {DeviceError::kInvalidArgument,
                                   "what is received overlaps another message"};
constexpr DeviceStatus kFreed = {DeviceError::kEmulation,
                                 "memory was freed before the stream came to its message"};
constexpr DeviceStatus kWrong = {DeviceError::kEmulation, "a message is not what was expected"};

const std::byte* Begin(const RankMessage& message) {
  return static_cast<const std::byte*>(message.data);
}
bool Overlap(const RankMessage& a, const RankMessage& b) {
  return Begin(a) < Begin(b) + b.bytes && Begin(b) < Begin(a) + a.bytes;
}

// A rank's end of the network. What was put on a stream or captured holds it as well.
struct Endpoint {
  std::shared_ptr<Mailboxes> mailboxes;
  int rank;
  EmulatedGpu* gpu;

  [[nodiscard]] bool Holds(const MessageGroup& group) const {
    for (const auto* messages : {&group.sends, &group.receives}) {
      for (const RankMessage& message : *messages) {
        if (!gpu->Holds(message.data, message.bytes)) return false;
      }
    }
    return true;
  }
  [[nodiscard]] DeviceStatus Run(const MessageGroup& group) const {
    if (!Holds(group)) return kFreed;
    return mailboxes->Run(rank, group) == Mailboxes::End::kWrong ? kWrong : DeviceStatus{};
  }
};

class FakeCommunicator final : public Communicator {
 public:
  explicit FakeCommunicator(Endpoint endpoint)
      : endpoint_(std::make_shared<const Endpoint>(std::move(endpoint))) {}
  ~FakeCommunicator() override {
    if (endpoint_.use_count() > 1) {
      ADD_FAILURE() << "the communicator of rank " << rank()
                    << " ends before a graph or a stream that holds an exchange of it";
    }
  }
  FakeCommunicator(const FakeCommunicator&) = delete;
  FakeCommunicator& operator=(const FakeCommunicator&) = delete;

  [[nodiscard]] int rank() const override { return endpoint_->rank; }
  [[nodiscard]] int size() const override { return endpoint_->mailboxes->size(); }

  DeviceStatus Exchange(DeviceStream stream, absl::Span<const RankMessage> sends,
                        absl::Span<const RankMessage> receives) override {
    RETURN_IF_DEVICE_FAILED(Health());
    auto group = std::make_shared<MessageGroup>();
    group->captured = endpoint_->gpu->IsCapturing(stream);
    RETURN_IF_DEVICE_FAILED(Take(sends, group->sends));
    RETURN_IF_DEVICE_FAILED(Take(receives, group->receives));
    if (!endpoint_->Holds(*group)) return kNotOurs;
    RETURN_IF_DEVICE_FAILED(RefuseOverlap(*group));
    if (group->sends.empty() && group->receives.empty()) return {};
    return endpoint_->gpu->PutOther(
        stream, [endpoint = endpoint_, group] { return endpoint->Run(*group); });
  }

  DeviceStatus Health() override {
    return endpoint_->mailboxes->IsAborted(rank()) ? kAborted : DeviceStatus{};
  }
  void Abort() override { endpoint_->mailboxes->Abort(rank()); }

 private:
  [[nodiscard]] DeviceStatus Take(absl::Span<const RankMessage> given,
                                  std::vector<RankMessage>& taken) const {
    for (const RankMessage& message : given) {
      if (message.peer < 0 || message.peer >= size()) return kNoPeer;
      if (message.bytes < 0) return kNotOurs;
      if (message.bytes > 0) taken.push_back(message);
    }
    return {};
  }

  static DeviceStatus RefuseOverlap(const MessageGroup& group) {
    for (std::size_t i = 0; i < group.receives.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (Overlap(group.receives[i], group.receives[j])) return kOverlap;
      }
      for (const RankMessage& send : group.sends) {
        if (Overlap(group.receives[i], send)) return kOverlap;
      }
    }
    return {};
  }

  std::shared_ptr<const Endpoint> endpoint_;
};

}  // namespace

FakeNetwork::~FakeNetwork() {
  const std::string leftovers = mailboxes_->Leftovers();
  if (!leftovers.empty()) ADD_FAILURE() << leftovers;
}

std::unique_ptr<Communicator> FakeNetwork::Join(int rank, EmulatedGpu& gpu) {
  CHECK_GE(rank, 0);
  CHECK_LT(rank, size());
  return std::make_unique<FakeCommunicator>(
      Endpoint{.mailboxes = mailboxes_, .rank = rank, .gpu = &gpu});
}

}  // namespace sextant
