// How threads that compute share the processors of this machine with others.
#pragma once

#include <thread>
#include <vector>

namespace sextant {

// From now on the calling thread, and threads that it makes, give way: when woken, none pushes
// aside a thread that is running (SCHED_BATCH, where the system lets it), and a ThreadPool made by
// it sleeps instead of spinning. For who computes for others that have work of their own meanwhile:
// what the giver of the work still has to hand out is not held up, and no processor spins while
// another process could use it.
void GiveWay();
// Whether the calling thread has called GiveWay.
[[nodiscard]] bool GivesWay();

// Binds the calling thread and `others` to a processor each, if there is exactly one for each and
// the caller is not the process's first thread (threads made by it later would inherit that).
// Threads of one pool take turns in spinning and running, so the scheduler, left alone, keeps two
// of them on one processor for many steps while another one idles. Threads that give way are bound
// in the opposite order: their first one does not share its processor with the first of those for
// whom they compute.
void BindEachToOneProcessor(std::vector<std::thread>& others);

}  // namespace sextant
