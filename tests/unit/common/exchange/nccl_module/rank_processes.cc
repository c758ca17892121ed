#include "tests/unit/common/exchange/nccl_module/rank_processes.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"

namespace sextant {

Meeting::Meeting(int ranks) {
  pthread_barrierattr_t attributes;
  CHECK_EQ(pthread_barrierattr_init(&attributes), 0);
  CHECK_EQ(pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED), 0);
  CHECK_EQ(pthread_barrier_init(&barrier_, &attributes, static_cast<unsigned>(ranks)), 0);
  CHECK_EQ(pthread_barrierattr_destroy(&attributes), 0);
}

void Meeting::Wait() { (void)pthread_barrier_wait(&barrier_); }

void Meeting::Write(absl::string_view text) {
  length_ = text.copy(text_, std::min(text.size(), sizeof(text_)));
}

// A barrier that killed processes wait at cannot be destroyed; its memory can.
class MeetingMemory {
 public:
  explicit MeetingMemory(int ranks)
      : memory_(mmap(nullptr, sizeof(Meeting), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                     -1, 0)) {
    CHECK(memory_ != MAP_FAILED);
    meeting_ = new (memory_) Meeting(ranks);
  }
  ~MeetingMemory() { (void)munmap(memory_, sizeof(Meeting)); }
  MeetingMemory(const MeetingMemory&) = delete;
  MeetingMemory& operator=(const MeetingMemory&) = delete;

  [[nodiscard]] Meeting& meeting() { return *meeting_; }

 private:
  void* memory_;
  Meeting* meeting_ = nullptr;
};

namespace {

[[noreturn]] void End(int status) {
  std::fflush(nullptr);
  std::_Exit(status);
}

[[noreturn]] void BeRank(int rank, Meeting& meeting,
                         absl::FunctionRef<void(int rank, Meeting& meeting)> body) {
  setenv("NCCL_HOSTID", absl::StrCat("rank-", rank).c_str(), 1);
  setenv("NCCL_SOCKET_IFNAME", "lo", 1);
  setenv("NCCL_IB_DISABLE", "1", 1);
  body(rank, meeting);
  End(testing::Test::HasFailure() ? 1 : 0);
}

// Waits for all; kills the rest when one ends badly.
testing::AssertionResult WaitForAll(const std::vector<pid_t>& processes) {
  testing::AssertionResult result = testing::AssertionSuccess();
  std::vector<bool> ended(processes.size());
  for (std::size_t i = 0; i < processes.size(); ++i) {
    int status = 0;
    const pid_t process = wait(&status);
    const auto found = std::find(processes.begin(), processes.end(), process);
    CHECK(found != processes.end());
    const auto rank = static_cast<std::size_t>(found - processes.begin());
    ended[rank] = true;
    if (!result || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) continue;
    result = testing::AssertionFailure()
             << "rank " << rank << " has ended badly ("
             << (WIFSIGNALED(status) ? "signal " : "exit status ")
             << (WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)) << ")";
    for (std::size_t other = 0; other < processes.size(); ++other) {
      if (!ended[other]) (void)kill(processes[other], SIGKILL);
    }
  }
  return result;
}

}  // namespace

void Die() { End(0); }

testing::AssertionResult RunRankProcesses(int size,
                                          absl::FunctionRef<void(int rank, Meeting& meeting)> body,
                                          std::string* said) {
  MeetingMemory memory(size);
  std::vector<pid_t> processes;
  std::fflush(nullptr);
  for (int rank = 0; rank < size; ++rank) {
    const pid_t process = fork();
    CHECK_GE(process, 0);
    if (process == 0) BeRank(rank, memory.meeting(), body);
    processes.push_back(process);
  }
  testing::AssertionResult result = WaitForAll(processes);
  if (said != nullptr) *said = memory.meeting().Read();
  return result;
}

}  // namespace sextant
