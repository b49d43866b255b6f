#include "crypto/secret.h"

#include <gtest/gtest.h>

#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

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
  const uint8_t* slot = nullptr;
  {
    const SecretKey secret = Filled(0xab);
    slot = secret.data();
    ASSERT_EQ(slot[5], 0xab);
  }
  // The page stays; what was in it does not.
  for (size_t i = 0; i < kSecretSlotBytes; ++i) EXPECT_EQ(slot[i], 0) << i;
}

// The flags of the mapping that holds `address` (proc(5), smaps).
std::string FlagsOf(const uint8_t* address) {
  std::ifstream smaps("/proc/self/smaps");
  const auto at = reinterpret_cast<uintptr_t>(address);
  bool inside = false;
  for (std::string line; std::getline(smaps, line);) {
    uintptr_t begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " ", &begin, &end) == 2) {
      inside = begin <= at && at < end;
    } else if (inside && line.rfind("VmFlags:", 0) == 0) {
      return line + " ";
    }
  }
  return "";
}

TEST(Secret, LiesInLockedMemoryThatNoCoreDumpHolds) {
  const SecretKey secret = Filled(0xab);
  const std::string flags = FlagsOf(secret.data());
  if (flags.empty()) GTEST_SKIP() << "this kernel has no VmFlags";
  EXPECT_NE(flags.find(" dd "), std::string::npos) << flags;
#ifndef HILUM_SANITIZED  // it makes mlock do nothing and say that all went well
  EXPECT_EQ(flags.find(" lo ") != std::string::npos, SecretsAreLocked()) << flags;
#endif
}

TEST(Secret, SlotsAreNeverShared) {
  std::vector<SecretKey> secrets;
  std::set<const uint8_t*> slots;
  for (int i = 0; i < 2000; ++i) {
    secrets.push_back(Filled(static_cast<uint8_t>(i)));
    slots.insert(secrets.back().data());
  }
  EXPECT_EQ(slots.size(), 2000u);
  for (int i = 0; i < 2000; ++i) EXPECT_TRUE(secrets[i] == Filled(static_cast<uint8_t>(i)));
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
