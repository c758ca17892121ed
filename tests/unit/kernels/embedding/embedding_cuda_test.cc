#include "kernels/embedding/embedding_cuda.h"

#include <vector>

#include "tests/support/device/device_memory.h"
#include "tests/support/device/values.h"

namespace sextant {
namespace {

class EmbeddingCudaTest : public DeviceTest {};

TEST_F(EmbeddingCudaTest, CopiesTheRowOfEachId) {
  constexpr std::int64_t kVocab = 30;
  for (const std::int64_t hidden : {8, 1024, 1032, 2048}) {
    const std::vector<Bf16> table = NormalBf16(kVocab * hidden, 1.0, 1);
    const std::vector<std::int32_t> ids = {29, 0, 7, 7, -1, 30, 5};
    for (const std::int64_t stride : {1, 3}) {
      std::vector<std::int32_t> strided(ids.size() * static_cast<std::size_t>(stride), 11);
      for (std::size_t i = 0; i < ids.size(); ++i) {
        strided[i * static_cast<std::size_t>(stride)] = ids[i];
      }
      const DeviceArray<Bf16> rows_of_table(table);
      const DeviceArray<std::int32_t> wanted(strided);
      const DeviceArray<std::int32_t> live(1, 6);
      const DeviceArray<Bf16> out(ids.size() * static_cast<std::size_t>(hidden), ToBf16(7.0F));
      ASSERT_TRUE(Ran(EmbeddingCuda({}, {.table = rows_of_table.data(),
                                         .vocab_size = kVocab,
                                         .ids = wanted.data(),
                                         .id_stride = stride,
                                         .rows_out = out.data(),
                                         .rows = 7,
                                         .live_rows = live.data(),
                                         .hidden = hidden})));
      const std::vector<Bf16> rows = out.Read();
      for (std::int64_t t = 0; t < 7; ++t) {
        const std::int64_t id = ids[static_cast<std::size_t>(t)];
        std::vector<Bf16> expected(static_cast<std::size_t>(hidden), ToBf16(t == 6 ? 7.0F : 0.0F));
        if (id >= 0 && id < kVocab && t != 6) expected = RowsOf(table, id, 1, hidden);
        EXPECT_EQ(RowsOf(rows, t, 1, hidden), expected) << "row " << t;
      }
    }
  }
}

TEST_F(EmbeddingCudaTest, RefusesWhatDoesNotFit) {
  const DeviceArray<Bf16> memory(64, ToBf16(1.0F));
  const auto error = [&](const Bf16* table, std::int64_t hidden, std::int64_t stride) {
    return EmbeddingCuda(
               {},
               {.table = table, .id_stride = stride, .rows_out = memory.data(), .hidden = hidden})
        .error;
  };
  EXPECT_EQ(error(memory.data(), 16, 1), DeviceError::kNone);
  EXPECT_EQ(error(memory.data(), 12, 1), DeviceError::kInvalidArgument);
  EXPECT_EQ(error(memory.data(), 16, 0), DeviceError::kInvalidArgument);
  EXPECT_EQ(error(memory.data() + 1, 16, 1), DeviceError::kInvalidArgument);
}

}  // namespace
}  // namespace sextant
