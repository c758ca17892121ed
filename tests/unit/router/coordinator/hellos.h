// Hellos of workers that fit each other.
#pragma once

#include <string>

#include "proto/sextant/v1/cluster.pb.h"

namespace sextant {

inline constexpr char kTestVersion[] = "0.0-test";

inline v1::Hello TestHello(const std::string& worker_id, v1::Role role, int num_experts) {
  v1::Hello hello;
  hello.set_worker_id(worker_id);
  hello.set_role(role);
  hello.set_version(kTestVersion);
  hello.mutable_endpoint()->set_unix_target("unix:/run/" + worker_id);
  hello.mutable_model()->set_fingerprint("f00d");
  hello.mutable_model()->set_dtype("bf16");
  hello.mutable_model()->set_num_layers(3);
  hello.mutable_model()->set_num_experts(num_experts);
  hello.add_numeric_profiles("best");
  hello.add_numeric_profiles("good");
  return hello;
}

inline v1::Hello ExpertHello(const std::string& worker_id, int num_experts = 8) {
  return TestHello(worker_id, v1::ROLE_EXPERT, num_experts);
}

inline v1::Hello AttentionHello(const std::string& worker_id, int num_experts = 8) {
  v1::Hello hello = TestHello(worker_id, v1::ROLE_ATTENTION, num_experts);
  hello.set_cache_blocks(100);
  hello.set_block_tokens(64);
  hello.set_max_sequences(16);
  return hello;
}

inline v1::Hello WholeHello(const std::string& worker_id, int num_experts = 8) {
  v1::Hello hello = AttentionHello(worker_id, num_experts);
  hello.set_role(v1::ROLE_WHOLE);
  return hello;
}

// Of a worker that is a rank: attention, expert or colocated.
inline v1::Hello RankHello(v1::Role role, const std::string& worker_id, int num_experts = 8) {
  v1::Hello hello = role == v1::ROLE_EXPERT ? ExpertHello(worker_id, num_experts)
                                            : AttentionHello(worker_id, num_experts);
  hello.set_role(role);
  hello.set_rank(true);
  return hello;
}

inline v1::Hello HelloOf(v1::Role role, const std::string& worker_id, int num_experts) {
  if (role == v1::ROLE_COLOCATED) return RankHello(role, worker_id, num_experts);
  if (role == v1::ROLE_EXPERT) return ExpertHello(worker_id, num_experts);
  return role == v1::ROLE_WHOLE ? WholeHello(worker_id, num_experts)
                                : AttentionHello(worker_id, num_experts);
}

}  // namespace sextant
