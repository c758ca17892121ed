#include "tests/unit/common/exchange/nccl_module/scripted_nccl.h"

#include <gtest/gtest.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"

// NCCL's own name.
struct ncclComm {
  ncclResult_t state = ncclSuccess;
  ncclResult_t result = ncclSuccess;  // what `state` will be
  int questions = 0;                  // until then
  int visitors = 0;
  bool ending = false;
  bool freed = false;
};

namespace sextant {
namespace {

ScriptedNccl* current = nullptr;

}  // namespace

// A thread that is inside a communicator, with the mutex but for where it waits.
class ScriptedNccl::Visit {
 public:
  Visit(ScriptedNccl& nccl, ncclComm_t comm) : lock(nccl.mutex_), comm_(comm) {
    if (comm->freed) ADD_FAILURE() << "a communicator is used after it was freed";
    if (comm->ending) ADD_FAILURE() << "a communicator is used after its abort has begun";
    if (comm->visitors++ > 0) ADD_FAILURE() << "two threads are in one communicator";
  }
  ~Visit() { --comm_->visitors; }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;

  std::unique_lock<std::mutex> lock;

 private:
  ncclComm_t comm_;
};

ScriptedNccl::ScriptedNccl() {
  CHECK(current == nullptr);
  current = this;
}

ScriptedNccl::~ScriptedNccl() {
  current = nullptr;
  for (const auto& comm : comms_) {
    if (!comm->freed) ADD_FAILURE() << "a communicator was never freed";
  }
}

void ScriptedNccl::Answer(ncclResult_t result, int questions) {
  const std::lock_guard<std::mutex> lock(mutex_);
  result_ = result;
  questions_ = questions;
}

void ScriptedNccl::SetGraphs(int graphs) {
  const std::lock_guard<std::mutex> lock(mutex_);
  graphs_ = graphs;
  changed_.notify_all();
}

void ScriptedNccl::AwaitQuestion() {
  std::unique_lock<std::mutex> lock(mutex_);
  const int before = asked_;
  changed_.wait(lock, [&] { return asked_ > before; });
}

void ScriptedNccl::AwaitFreed(int communicators) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [&] { return freed_ >= communicators; });
}

std::vector<std::string> ScriptedNccl::TakeCalls() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(calls_, {});
}

ncclComm_t ScriptedNccl::Make() {
  comms_.push_back(std::make_unique<ncclComm>());
  return comms_.back().get();
}

ncclResult_t ScriptedNccl::Begin(ncclComm_t comm) {
  if (comm->state == ncclInProgress) {
    ADD_FAILURE() << "a communicator is used before it is ready";
    return ncclInvalidArgument;
  }
  comm->result = result_;
  comm->questions = questions_;
  comm->state = questions_ == 0 ? result_ : ncclInProgress;
  return comm->state;
}

ncclResult_t ScriptedNccl::Init(ncclComm_t* comm) {
  const std::lock_guard<std::mutex> lock(mutex_);
  *comm = Make();
  return Begin(*comm);
}

ncclResult_t ScriptedNccl::Message(ncclComm_t comm, const std::string& call) {
  const Visit visit(*this, comm);
  calls_.push_back(call);
  if (in_group_ == nullptr && comm->state == ncclInProgress) {
    ADD_FAILURE() << "a communicator is used before it is ready";
  }
  in_group_ = comm;
  return ncclSuccess;
}

ncclResult_t ScriptedNccl::EndGroup() {
  const ncclComm_t comm = std::exchange(in_group_, nullptr);
  const Visit visit(*this, comm);
  return Begin(comm);
}

ncclResult_t ScriptedNccl::State(ncclComm_t comm, ncclResult_t* state) {
  const Visit visit(*this, comm);
  if (comm->state == ncclInProgress) {
    ++asked_;
    changed_.notify_all();
    if (comm->questions != kNever && --comm->questions <= 0) comm->state = comm->result;
  }
  *state = comm->state;
  return ncclSuccess;
}

ncclResult_t ScriptedNccl::Finalize(ncclComm_t comm) {
  const Visit visit(*this, comm);
  calls_.emplace_back("finalize");
  return Begin(comm);
}

ncclResult_t ScriptedNccl::Destroy(ncclComm_t comm) {
  const Visit visit(*this, comm);
  calls_.emplace_back("destroy");
  if (graphs_ > 0) ADD_FAILURE() << "a graph outlives its communicator";
  comm->freed = true;
  ++freed_;
  changed_.notify_all();
  return ncclSuccess;
}

ncclResult_t ScriptedNccl::Abort(ncclComm_t comm) {
  if (comm == nullptr) return ncclSuccess;
  Visit visit(*this, comm);
  calls_.emplace_back("abort");
  comm->ending = true;
  changed_.wait(visit.lock, [this] { return graphs_ == 0; });
  comm->freed = true;
  ++freed_;
  changed_.notify_all();
  return ncclSuccess;
}

}  // namespace sextant

using sextant::current;

ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int, ncclUniqueId, int,
                                    ncclConfig_t* config) {
  if (config->blocking != 0) ADD_FAILURE() << "the communicator is blocking";
  return current->Init(comm);
}
ncclResult_t ncclGroupStart() { return ncclSuccess; }
ncclResult_t ncclGroupEnd() { return current->EndGroup(); }
ncclResult_t ncclSend(const void*, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t) {
  EXPECT_EQ(type, ncclUint8);
  return current->Message(comm, absl::StrCat("send ", count, " to ", peer));
}
ncclResult_t ncclRecv(void*, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t) {
  EXPECT_EQ(type, ncclUint8);
  return current->Message(comm, absl::StrCat("receive ", count, " of ", peer));
}
ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* state) {
  return current->State(comm, state);
}
ncclResult_t ncclCommFinalize(ncclComm_t comm) { return current->Finalize(comm); }
ncclResult_t ncclCommDestroy(ncclComm_t comm) { return current->Destroy(comm); }
ncclResult_t ncclCommAbort(ncclComm_t comm) { return current->Abort(comm); }
const char* ncclGetErrorString(ncclResult_t result) {
  return result == ncclRemoteError ? "somebody is gone" : "something else";
}
