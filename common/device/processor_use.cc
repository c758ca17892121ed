#include "common/device/processor_use.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>

namespace sextant {
namespace {

thread_local bool gives_way = false;

std::vector<std::size_t> AllowedProcessors() {
  cpu_set_t allowed;
  std::vector<std::size_t> processors;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return processors;
  for (std::size_t i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &allowed)) processors.push_back(i);
  }
  return processors;
}

// Only makes things faster, so a system that refuses is left as it is.
void Bind(pthread_t thread, std::size_t processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  static_cast<void>(pthread_setaffinity_np(thread, sizeof(set), &set));
}

}  // namespace

void GiveWay() {
  gives_way = true;
  const sched_param parameters{};
  static_cast<void>(pthread_setschedparam(pthread_self(), SCHED_BATCH, &parameters));
}

bool GivesWay() { return gives_way; }

void BindEachToOneProcessor(std::vector<std::thread>& others) {
  std::vector<std::size_t> processors = AllowedProcessors();
  if (processors.size() != others.size() + 1 || gettid() == getpid()) return;
  if (gives_way) std::reverse(processors.begin(), processors.end());
  Bind(pthread_self(), processors[0]);
  for (std::size_t i = 0; i < others.size(); ++i)
    Bind(others[i].native_handle(), processors[i + 1]);
}

}  // namespace sextant
