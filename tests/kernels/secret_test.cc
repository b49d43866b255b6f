// Secret memory is zero before it goes back to the allocator. This program's own operator delete
// looks at the bytes, so it is a binary of its own.
#include "kernels/secret.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <new>
#include <type_traits>

#include "kernels/keystream.h"

namespace {

std::atomic<size_t> watched_bytes{0};  // the size of the blocks to look at
std::atomic<int> n_freed{0};
std::atomic<int> n_dirty{0};

}  // namespace

void* operator new[](std::size_t size, std::align_val_t alignment) {
  const auto step = static_cast<std::size_t>(alignment);
  return std::aligned_alloc(step, (size + step - 1) / step * step);
}
void operator delete[](void* block, std::align_val_t) noexcept {
  const size_t n = watched_bytes;
  if (n > 0) {
    const auto* const bytes = static_cast<const uint8_t*>(block);
    ++n_freed;
    if (std::any_of(bytes, bytes + n, [](uint8_t byte) { return byte != 0; })) ++n_dirty;
  }
  std::free(block);
}

namespace hilum::kernels {
namespace {

struct Watch {
  explicit Watch(size_t n_bytes) {
    n_freed = n_dirty = 0;
    watched_bytes = n_bytes;
  }
  ~Watch() { watched_bytes = 0; }
};

TEST(SecretBytes, AreZeroWhenTheyAreGivenBack) {
  const Watch watch(100);
  {
    SecretBytes secret(100);
    std::fill_n(secret.data(), 100, 0xaa);
    SecretBytes moved = std::move(secret);
    EXPECT_EQ(secret.size(), 0u);  // NOLINT(bugprone-use-after-move): that is the test
    EXPECT_EQ(moved.size(), 100u);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(moved.data()) % 64, 0u);
  }
  EXPECT_EQ(n_freed, 1);
  EXPECT_EQ(n_dirty, 0);
}

TEST(MaskKeys, LeaveNoKeyInMemory) {
  std::array<uint8_t, kMaskKeyBytes> bytes;
  bytes.fill(0x5a);
  const std::array<MaskKey, 3> keys = {MaskKey{.bytes = bytes}, MaskKey{.bytes = bytes},
                                       MaskKey{.bytes = bytes, .sign = -1}};
  const Watch watch(3 * MaskKeys::ScheduleBytes(MaskSuite::kChaCha20));
  {
    auto prepared = MaskKeys::Create(keys, {.suite = MaskSuite::kChaCha20});
    ASSERT_TRUE(prepared.ok());
    EXPECT_EQ(prepared->schedules().data()[5], 0x5a);
  }
  EXPECT_EQ(n_freed, 1);
  EXPECT_EQ(n_dirty, 0);
}

TEST(MaskKeys, LeaveNoKeyInMemoryWhenTheyAreRefused) {
  std::array<uint8_t, kMaskKeyBytes> bytes;
  bytes.fill(0x5a);
  const std::array<MaskKey, 2> keys = {MaskKey{.bytes = bytes}, MaskKey{.bytes = bytes, .sign = 7}};
  const Watch watch(2 * MaskKeys::ScheduleBytes(MaskSuite::kChaCha20));
  EXPECT_FALSE(MaskKeys::Create(keys, {.suite = MaskSuite::kChaCha20}).ok());
  EXPECT_EQ(n_freed, 1);
  EXPECT_EQ(n_dirty, 0);
}

TEST(Wipe, WritesZeros) {
  std::array<uint8_t, 5> bytes = {1, 2, 3, 4, 5};
  Wipe(std::span<uint8_t>(bytes).subspan(1, 3));
  EXPECT_EQ(bytes, (std::array<uint8_t, 5>{1, 0, 0, 0, 5}));
  Wipe({});
}

}  // namespace
}  // namespace hilum::kernels
