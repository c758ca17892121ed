// A member of the cluster as the coordinator knows it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "proto/sextant/v1/cluster.pb.h"
#include "router/coordinator/coordinator_output.h"

namespace sextant {

struct Worker {
  StreamId stream = 0;
  v1::Hello hello;
  v1::Heartbeat beat;  // the last one
  absl::Time last_heard;
  bool started = false;  // it has sent a heartbeat, so it takes part in epochs, unless it is whole
  // A halt that it was told of and has not answered: the number, or 0; and until when.
  std::uint64_t halting = 0;
  absl::Time halt_deadline;
  bool leaving = false;
  int idle_beats = 0;           // in a row, without a sequence, while leaving
  bool took_part = false;       // in an epoch: it has been told to commit
  std::uint64_t committed = 0;  // since it joined this coordinator
  int failures = 0;             // to prepare, in a row
  // What it held when it joined, and has not been told to drop since.
  std::uint64_t held_epoch = 0;
  std::vector<std::int32_t> held;

  [[nodiscard]] v1::Role role() const { return hello.role(); }
  // It computes sequences.
  [[nodiscard]] bool attends() const { return hello.role() != v1::ROLE_EXPERT; }
  // It holds the experts that a placement gives it.
  [[nodiscard]] bool holds() const {
    return hello.role() == v1::ROLE_EXPERT || hello.role() == v1::ROLE_COLOCATED;
  }
  // It exchanges rows as a rank: in an epoch, it is in lockstep with the others.
  [[nodiscard]] bool is_rank() const { return hello.rank(); }
  // It computes all experts itself: no placement concerns it.
  [[nodiscard]] bool is_whole() const { return hello.role() == v1::ROLE_WHOLE; }
  [[nodiscard]] const std::string& id() const { return hello.worker_id(); }
  // Where it is reached: on its host, if it has a unix socket.
  [[nodiscard]] const std::string& target() const {
    const v1::Endpoint& endpoint = hello.endpoint();
    return endpoint.unix_target().empty() ? endpoint.tcp_target() : endpoint.unix_target();
  }
  // Takes part in an epoch that begins now, if it is not whole.
  [[nodiscard]] bool is_there() const { return started && halting == 0; }
  // Has no sequence any more, and gets none.
  [[nodiscard]] bool is_drained() const { return leaving && idle_beats >= 2; }
  // May be given experts.
  [[nodiscard]] bool is_candidate() const { return holds() && is_there() && !leaving; }
  // Computes sequences in an epoch that begins now.
  [[nodiscard]] bool will_attend() const {
    return attends() && !is_whole() && is_there() && !is_drained();
  }
};

using WorkerTable = std::map<std::string, Worker>;  // by id

}  // namespace sextant
