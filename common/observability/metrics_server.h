// The metrics page of a process: GET /metrics on its admin port, in Prometheus' text format.
//
// Not prometheus-cpp's own server (civetweb): that one takes up to two seconds to stop, and every
// process of a cluster has a page.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/observability/metrics.h"

namespace sextant {

class MetricsServer {
 public:
  struct Options {
    std::string host = "127.0.0.1";  // an IPv4 address; "0.0.0.0": of every interface
    int port = 0;                    // 0: any free one
  };

  // Serves `metrics`, which outlive the server, and what the process itself uses (memory,
  // processor time, open files: process_metrics.h). One thread answers up to 16 clients at once,
  // and hangs up on one that is not done within a second.
  // Errors: InvalidArgument for a host that is no IPv4 address or a port outside [0, 65535];
  //         Unavailable naming the address that cannot be bound.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(const Metrics& metrics,
                                                                            const Options& options);
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  // "127.0.0.1:9402", with the port that was chosen.
  [[nodiscard]] const std::string& target() const { return target_; }

 private:
  class Client;

  explicit MetricsServer(const Metrics& metrics) : metrics_(metrics) {}
  absl::Status Listen(const Options& options);
  void Serve();
  void Accept(std::vector<Client>& clients) const;
  [[nodiscard]] std::string AnswerTo(absl::string_view head) const;

  const Metrics& metrics_;
  int listener_ = -1;
  int stop_ = -1;  // an eventfd, readable once the server is to end
  std::string target_;
  std::thread thread_;
};

}  // namespace sextant
