// A network of ranks that are threads, each with an emulated GPU of its own: what NCCL's
// communicators do, for tests of what exchanges through them.
//
// An Exchange happens when its stream comes to it, on the thread that waits for the stream: it
// copies what it sends into bounded mailboxes, and waits there until it has got what it receives.
// After Abort receives are 0xff in every byte that did not arrive. Strict where NCCL is lenient.
// These fail the test: a message of another size than its receiver expects, or captured by one side
// only; one that nobody ever receives, where nobody aborts; a graph or a stream that outlives the
// communicator of what it holds. These are refused: messages out of the GPU's memory, and receives
// that overlap anything of the same Exchange.
//
// Death:     a rank dies when its thread ends: the others notice nothing, and wait until they are
//            aborted themselves.
// Abort:     what an aborted rank has not sent looks to the others as if it had, as it may with
//            NCCL: it arrives, as 0xff, and their health is OK. So whoever aborts a rank before all
//            others know better has them compute with garbage.
// Threads:   a rank's communicator and GPU belong to its thread, but for Health and Abort; the
//            communicator may end on any.
#pragma once

#include <memory>

#include "common/exchange/ranks/communicator.h"
#include "tests/support/device/emulated_gpu.h"
#include "tests/support/ranks/mailboxes.h"

namespace sextant {

class FakeNetwork {
 public:
  explicit FakeNetwork(int size) : mailboxes_(std::make_shared<Mailboxes>(size)) {}
  ~FakeNetwork();
  FakeNetwork(const FakeNetwork&) = delete;
  FakeNetwork& operator=(const FakeNetwork&) = delete;

  [[nodiscard]] int size() const { return mailboxes_->size(); }

  // Once for each rank, by any thread. The GPU outlives what is returned, as does this network.
  [[nodiscard]] std::unique_ptr<Communicator> Join(int rank, EmulatedGpu& gpu);

 private:
  std::shared_ptr<Mailboxes> mailboxes_;
};

}  // namespace sextant
