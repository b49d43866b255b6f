#include "crypto/secret.h"

#include <gtest/gtest.h>

#include <cstring>
#include <new>
#include <type_traits>

#include "base/bytes.h"

namespace hilum::crypto {
namespace {

static_assert(!std::is_copy_constructible_v<SecretKey> && !std::is_copy_assignable_v<SecretKey>);

SecretKey Filled(uint8_t byte) {
  std::array<uint8_t, 32> bytes;
  bytes.fill(byte);
  return SecretKey::CopyOf(bytes);
}

TEST(Secret, IsWipedAtItsEnd) {
  alignas(SecretKey) std::array<uint8_t, sizeof(SecretKey)> memory;
  auto* secret = new (memory.data()) SecretKey(Filled(0xab));
  EXPECT_EQ(memory[5], 0xab);
  secret->~SecretKey();
  EXPECT_EQ(memory, (std::array<uint8_t, sizeof(SecretKey)>{}));
}

TEST(Secret, LeavesZerosWhereItMovedFrom) {
  SecretKey a = Filled(1);
  SecretKey b = std::move(a);
  EXPECT_TRUE(a == Filled(0));  // NOLINT: the promise of the type
  EXPECT_TRUE(b == Filled(1));
  a = std::move(b);
  EXPECT_TRUE(b == Filled(0));  // NOLINT
  EXPECT_TRUE(a == Filled(1));
  EXPECT_FALSE(a == Filled(2));
}

TEST(DeriveKey, IsHkdfWithAnEmptySalt) {
  const Bytes ikm = {1, 2}, info = {3};
  EXPECT_EQ(ToHex(DeriveKey(ikm, info).bytes()),
            ToHex(HkdfSha256({.key_material = ikm, .salt = {}, .info = info}, 32)));
}

}  // namespace
}  // namespace hilum::crypto
