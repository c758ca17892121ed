// What timing kernels on a GPU takes: memory with values, the machine's ceilings, and the table
// that says what share of them each case reaches.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/tensor/float_types.h"
#include "kernels/cuda/launch.h"

namespace sextant {

// Aborts with the message of a launch that was refused.
void CheckLaunch(const DeviceStatus& status);

// bf16 on the device, by repeating a few million random values.
class RandomMemory {
 public:
  explicit RandomMemory(std::int64_t count, double deviation = 0.02);
  ~RandomMemory();
  RandomMemory(const RandomMemory&) = delete;
  RandomMemory& operator=(const RandomMemory&) = delete;

  [[nodiscard]] Bf16* data() const { return data_; }
  [[nodiscard]] std::vector<Bf16> Read() const;

 private:
  std::int64_t count_;
  Bf16* data_;
};

// Seconds of one run; `run` gets the number of the repetition.
[[nodiscard]] double Seconds(const std::function<void(int)>& run);

[[nodiscard]] int Multiprocessors();

struct Ceilings {
  double bytes_per_second;
  double operations_per_second;
};
[[nodiscard]] Ceilings MeasureCeilings();

class Report {
 public:
  // Of the cases whose name contains `only`.
  Report(const Ceilings& ceilings, std::string only);

  [[nodiscard]] bool Wants(const std::string& name) const {
    return name.find(only_) != std::string::npos;
  }

  // Times `run` and prints its line; aborts where its `result` is not the same twice.
  void Case(const std::string& name, double bytes, double operations,
            const std::function<void(int)>& run, const std::function<std::vector<Bf16>()>& result);

 private:
  Ceilings ceilings_;
  std::string only_;
};

}  // namespace sextant
