// Every metric of Sextant: its name, what it says, and for histograms the upper edges of the
// buckets. docs/metrics.md explains them, and a test holds the two lists to each other.
//
// The names that start with "vllm:" are those that vLLM exports (its documentation, "Production
// metrics"; its client library adds "_total" to counters), with the same meaning, so that
// dashboards and autoscalers made for it work here. Ours start with "sextant_".
#pragma once

#include <array>

#include "absl/types/span.h"

namespace sextant {

struct CounterName {
  const char* name;
  const char* help;
};

struct GaugeName {
  const char* name;
  const char* help;
};

struct HistogramName {
  const char* name;
  const char* help;
  absl::Span<const double> buckets;
};

// Edges in steps of 1, 2, 5.
inline constexpr std::array<double, 16> kSecondsBuckets = {
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100};
inline constexpr std::array<double, 16> kShortSecondsBuckets = {
    0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005,
    0.01,    0.02,    0.05,   0.1,    0.2,    0.5,   1,     5};
inline constexpr std::array<double, 15> kTokensBuckets = {
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000};

// The router: requests. Labels: model_name.
inline constexpr GaugeName kNumRequestsRunning = {"vllm:num_requests_running",
                                                  "Sequences that attention workers are computing"};
inline constexpr GaugeName kNumRequestsWaiting = {
    "vllm:num_requests_waiting", "Requests in the queue, not yet at an attention worker"};
inline constexpr CounterName kRequestSuccess = {
    "vllm:request_success_total", "Answers that ended, by finished_reason: stop, length, abort"};
inline constexpr CounterName kPromptTokens = {"vllm:prompt_tokens_total",
                                              "Tokens of the prompts that were started"};
inline constexpr CounterName kGenerationTokens = {"vllm:generation_tokens_total",
                                                  "Tokens that were generated"};
inline constexpr HistogramName kTimeToFirstToken = {"vllm:time_to_first_token_seconds",
                                                    "From a request's arrival to its first token",
                                                    kSecondsBuckets};
inline constexpr HistogramName kInterTokenLatency = {
    "vllm:inter_token_latency_seconds", "Between two tokens of one answer", kSecondsBuckets};
inline constexpr HistogramName kRequestLatency = {
    "vllm:e2e_request_latency_seconds", "From a request's arrival to its end", kSecondsBuckets};
inline constexpr HistogramName kRequestQueueTime = {
    "vllm:request_queue_time_seconds", "From a request's arrival to an attention worker",
    kSecondsBuckets};
inline constexpr HistogramName kRequestPromptTokens = {
    "vllm:request_prompt_tokens", "Tokens of the prompt of a request that ended", kTokensBuckets};
inline constexpr HistogramName kRequestGenerationTokens = {
    "vllm:request_generation_tokens", "Tokens that a request that ended has got", kTokensBuckets};
inline constexpr CounterName kRejections = {
    "sextant_request_rejections_total",
    "Requests that were refused, or given up unserved, by reason (the ErrorInfo of the answer)"};
inline constexpr CounterName kMigrations = {
    "sextant_sequence_migrations_total",
    "Sequences that went on at another attention worker, their own having died"};
inline constexpr HistogramName kStallSeconds = {
    "sextant_sequence_stall_seconds",
    "Pause that a stream saw because its attention worker or an expert worker had died",
    kSecondsBuckets};

// The router: the cluster.
inline constexpr GaugeName kClusterEpoch = {"sextant_cluster_epoch",
                                            "Number of the committed placement; 0 for none"};
inline constexpr GaugeName kClusterWorkers = {"sextant_cluster_workers",
                                              "Workers by role and state"};
inline constexpr GaugeName kExpertsCovered = {
    "sextant_cluster_experts_covered",
    "Routed experts that the committed placement has a holder for"};
inline constexpr CounterName kEpochs = {"sextant_cluster_epochs_total",
                                        "Placements that were committed, by cause"};
inline constexpr HistogramName kEpochPhaseSeconds = {
    "sextant_cluster_epoch_phase_seconds", "Time that a phase of a new placement took, by phase",
    kSecondsBuckets};
inline constexpr CounterName kExpertsMoved = {"sextant_cluster_experts_moved_total",
                                              "Experts that got another holder"};
inline constexpr GaugeName kRouterConfigValid = {
    "sextant_router_config_valid", "1; 0 while the configuration file is wrong or missing"};
inline constexpr GaugeName kRouterSettingsWaiting = {
    "sextant_router_settings_waiting",
    "Settings of the configuration file that a restart of the router would bring into force"};

// Attention workers. Labels: model_name, engine (the worker's id).
inline constexpr GaugeName kKvCacheUsage = {
    "vllm:kv_cache_usage_perc", "Share of the latent cache that sequences hold, 0 to 1"};
inline constexpr CounterName kPrefixCacheQueries = {
    "vllm:prefix_cache_queries_total", "Prompt tokens that were looked up in the prefix cache"};
inline constexpr CounterName kPrefixCacheHits = {"vllm:prefix_cache_hits_total",
                                                 "Prompt tokens that the prefix cache had"};
inline constexpr CounterName kPreemptions = {
    "vllm:num_preemptions_total",
    "Sequences that lost their cache to others and were computed again"};
inline constexpr HistogramName kIterationTokens = {
    "vllm:iteration_tokens_total", "Rows of one engine step: decode rows and prefill rows",
    kTokensBuckets};
inline constexpr HistogramName kStepSeconds = {"sextant_engine_step_seconds",
                                               "Time of one engine step", kSecondsBuckets};
inline constexpr HistogramName kExchangeSeconds = {
    "sextant_exchange_seconds",
    "One layer's exchange, by phase: dispatch (rows handed over), combine (waiting for outputs)",
    kShortSecondsBuckets};
inline constexpr CounterName kExchangeBytes = {"sextant_exchange_bytes_total",
                                               "Bytes of rows, by direction: dispatch, combine"};
inline constexpr CounterName kRowsResent = {
    "sextant_exchange_rows_resent_total",
    "Rows that were sent again because their expert worker had died or moved the expert"};

// Expert workers.
inline constexpr CounterName kExpertTokens = {"sextant_expert_tokens_total",
                                              "Rows computed, by layer and expert"};
inline constexpr GaugeName kExpertsHeld = {"sextant_experts_held",
                                           "Routed experts that this worker holds in every layer"};
inline constexpr HistogramName kDispatchSeconds = {"sextant_expert_dispatch_seconds",
                                                   "From the arrival of a dispatch to its answer",
                                                   kShortSecondsBuckets};
inline constexpr HistogramName kDispatchRows = {
    "sextant_expert_batch_rows", "Rows of one computation, all merged dispatches together",
    kTokensBuckets};

// `sextant node`.
inline constexpr GaugeName kNodeWorkersWanted = {"sextant_node_workers_wanted",
                                                 "Workers that this node is to run, by role"};
inline constexpr GaugeName kNodeWorkersReady = {
    "sextant_node_workers_ready", "Workers of this node that have joined the cluster, by role"};
inline constexpr CounterName kNodeWorkerDeaths = {
    "sextant_node_worker_deaths_total",
    "Workers of this node that died and were started again, by role"};
inline constexpr GaugeName kNodeConfigValid = {
    "sextant_node_config_valid", "1; 0 while the configuration file is wrong or missing"};

}  // namespace sextant
