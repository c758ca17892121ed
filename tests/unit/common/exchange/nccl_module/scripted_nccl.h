// A libnccl for tests of what uses one: it connects nobody, is done when it is told to be, and
// fails the test where it is used as NCCL forbids: two threads in one communicator, one that is
// used before it is ready or after its abort has begun, or is never freed.
//
// As NCCL does, an abort waits for the graphs that hold an exchange (kept here as a number).
// Threads:   any. One at a time exists.
#pragma once

#include <nccl.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace sextant {

class ScriptedNccl {
 public:
  ScriptedNccl();
  ~ScriptedNccl();
  ScriptedNccl(const ScriptedNccl&) = delete;
  ScriptedNccl& operator=(const ScriptedNccl&) = delete;

  // What is asked for from now on ends with `result`, when somebody has asked `questions` times
  // whether it is done; kNever: it does not end.
  static constexpr int kNever = -1;
  void Answer(ncclResult_t result, int questions);
  void SetGraphs(int graphs);
  // Waits until somebody has asked after something that is not done.
  void AwaitQuestion();
  // Waits until so many communicators are freed.
  void AwaitFreed(int communicators);

  // What was called since the last of these, but for questions and the groups' ends.
  [[nodiscard]] std::vector<std::string> TakeCalls();

  // NCCL's functions.
  ncclResult_t Init(ncclComm_t* comm);
  ncclResult_t Message(ncclComm_t comm, const std::string& call);
  ncclResult_t EndGroup();
  ncclResult_t State(ncclComm_t comm, ncclResult_t* state);
  ncclResult_t Finalize(ncclComm_t comm);
  ncclResult_t Destroy(ncclComm_t comm);
  ncclResult_t Abort(ncclComm_t comm);

 private:
  class Visit;

  // The following hold the mutex.
  ncclResult_t Begin(ncclComm_t comm);
  ncclComm_t Make();

  std::mutex mutex_;
  std::condition_variable changed_;
  ncclResult_t result_ = ncclSuccess;
  int questions_ = 0;
  int graphs_ = 0;
  int asked_ = 0;  // after what was not done
  int freed_ = 0;
  ncclComm_t in_group_ = nullptr;
  std::vector<std::string> calls_;
  std::vector<std::unique_ptr<ncclComm>> comms_;
};

}  // namespace sextant
