// ldmatrix and mma.m16n8k16 as the PTX ISA defines their fragments ("Matrix Fragments for
// mma.m16n8k16", "Warp-level matrix load instruction: ldmatrix").
#include <array>
#include <cstring>

#include "kernels/cuda/emulation/device_emulated.h"

namespace sextant::emulation {
namespace {

constexpr std::size_t kRowBytes = 16;  // 8 values of a row of an 8x8 matrix

float Low(std::uint32_t pair) { return FloatFromBits(pair << 16); }
float High(std::uint32_t pair) { return FloatFromBits(pair & 0xffff0000U); }

std::uint16_t Element(const std::byte* row, std::size_t col) {
  std::uint16_t value;
  std::memcpy(&value, row + 2 * col, sizeof(value));
  return value;
}

}  // namespace

void LoadMatrices(std::uint32_t (&reg)[4], std::size_t row, std::size_t span_begin,
                  std::size_t span_end, bool transposed, Where where) {
  Block& block = Block::Current();
  // The lane that names a row answers for it; all have looked before any goes on.
  (void)block.Access(row, kRowBytes, span_begin, span_end, false, where);
  const auto& rows = block.Exchange("LoadMatrix4", {static_cast<std::uint32_t>(row)}, where);
  const auto lane = static_cast<std::size_t>(CurrentLane());
  for (std::size_t matrix = 0; matrix < 4; ++matrix) {
    if (lane == 0) {
      std::array<std::uint32_t, 8> places;
      for (std::size_t r = 0; r < 8; ++r) places[r] = rows[matrix * 8 + r][0];
      block.CountMatrixRows(places);
    }
    const auto element = [&](std::size_t r, std::size_t c) {
      return Element(block.memory().data() + rows[matrix * 8 + r][0], c);
    };
    const std::size_t across = lane / 4;
    const std::size_t along = 2 * (lane % 4);
    const std::uint32_t first = transposed ? element(along, across) : element(across, along);
    const std::uint32_t second =
        transposed ? element(along + 1, across) : element(across, along + 1);
    reg[matrix] = first | second << 16;
  }
}

// The 16 products and what is there already are added without error and rounded once. A tensor core
// truncates instead, by a few units of the last place of the largest term (kernels/README.md).
void Multiply(float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1,
              Where where) {
  const auto& given = Block::Current().Exchange("MmaBf16", {a[0], a[1], a[2], a[3], b0, b1}, where);
  const int lane = CurrentLane();
  const int group = lane / 4;
  const int pair = lane % 4;
  double sums[4] = {double{c[0]}, double{c[1]}, double{c[2]}, double{c[3]}};
  for (int quad = 0; quad < 4; ++quad) {
    const Operands& row = given[static_cast<std::size_t>(group * 4 + quad)];
    for (int half = 0; half < 2; ++half) {  // k = 8 half + 2 quad, + 1
      const auto upper = static_cast<std::size_t>(2 * half);
      const auto b = static_cast<std::size_t>(4 + half);
      for (int side = 0; side < 2; ++side) {
        const std::uint32_t col = given[static_cast<std::size_t>((2 * pair + side) * 4 + quad)][b];
        for (std::size_t lower = 0; lower < 2; ++lower) {
          const std::uint32_t left = row[upper + lower];
          double& sum = sums[2 * lower + static_cast<std::size_t>(side)];
          sum += double{Low(left)} * double{Low(col)} + double{High(left)} * double{High(col)};
        }
      }
    }
  }
  for (std::size_t i = 0; i < 4; ++i) c[i] = static_cast<float>(sums[i]);
}

}  // namespace sextant::emulation
