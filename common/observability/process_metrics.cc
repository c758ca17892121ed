#include "common/observability/process_metrics.h"

#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace sextant {
namespace {

std::optional<double> ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  double pages = 0;
  double resident = 0;
  if (!(file >> pages >> resident)) return std::nullopt;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

std::optional<double> CpuSeconds() {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return std::nullopt;
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::optional<double> OpenFiles() {
  std::error_code error;
  const std::filesystem::directory_iterator files("/proc/self/fd", error);
  if (error) return std::nullopt;
  // The iterator has a descriptor of its own.
  return static_cast<double>(std::distance(begin(files), end(files)) - 1);
}

// Seconds since 1970: the boot's, from /proc/stat, and the process's since then (proc(5), field
// 22).
std::optional<double> StartSeconds() {
  std::ifstream machine("/proc/stat");
  std::string word;
  double boot = 0;
  while (machine >> word && word != "btime") {
  }
  std::ifstream self("/proc/self/stat");
  std::string line;
  if (!(machine >> boot) || !std::getline(self, line)) return std::nullopt;
  const std::size_t after_name = line.rfind(')');
  if (after_name == std::string::npos) return std::nullopt;
  const std::vector<std::string> fields = absl::StrSplit(line.substr(after_name + 2), ' ');
  constexpr std::size_t kStartField = 22 - 3;  // the first one after the name is field 3
  double ticks = 0;
  if (fields.size() <= kStartField || !absl::SimpleAtod(fields[kStartField], &ticks)) {
    return std::nullopt;
  }
  return boot + ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

void Append(std::vector<prometheus::MetricFamily>& families, const char* name, const char* help,
            prometheus::MetricType type, std::optional<double> value) {
  if (!value.has_value()) return;
  prometheus::ClientMetric metric;
  if (type == prometheus::MetricType::Counter) {
    metric.counter.value = *value;
  } else {
    metric.gauge.value = *value;
  }
  families.push_back({name, help, type, {metric}});
}

}  // namespace

std::vector<prometheus::MetricFamily> CollectProcessMetrics() {
  using prometheus::MetricType;
  std::vector<prometheus::MetricFamily> families;
  Append(families, "process_resident_memory_bytes", "Memory in use, mapped weights included",
         MetricType::Gauge, ResidentBytes());
  Append(families, "process_cpu_seconds_total", "Processor time, user and system",
         MetricType::Counter, CpuSeconds());
  Append(families, "process_open_fds", "Open file descriptors", MetricType::Gauge, OpenFiles());
  Append(families, "process_start_time_seconds", "When the process started, since 1970",
         MetricType::Gauge, StartSeconds());
  return families;
}

}  // namespace sextant
