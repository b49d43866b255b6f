// Suite 1 on the CPU: AES-256-CTR with the processor's AES instructions. Private to kernels/;
// keystream.h is what others call.
#ifndef HILUM_KERNELS_AES256_CTR_H_
#define HILUM_KERNELS_AES256_CTR_H_

#include <array>
#include <cstdint>
#include <span>

#include "absl/strings/string_view.h"
#include "kernels/cpu.h"

namespace hilum::kernels {

inline constexpr int64_t kAesBlockWords = 4;  // coordinates of one block
inline constexpr int64_t kAesScheduleBytes = 240;

// How many blocks one instruction takes: 1 (AES-NI), 2 or 4 (VAES). Each includes the ones before.
enum class AesPath { kNone, kAesNi, kVaes256, kVaes512 };
absl::string_view ToString(AesPath path);

// What the processor reports.
struct AesFeatures {
  bool aes = false;   // AES-NI and SSSE3
  bool vaes = false;  // VAES
  Isa isa = Isa::kScalar;
};
AesFeatures AesFeaturesHere();

// The widest path within `limit`, which stands for a processor that has no more than that.
AesPath AesPathFor(const AesFeatures& features, Isa limit);

// AesPathFor this processor and DefaultIsa(). Thread-safe.
AesPath DefaultAesPath();

// The 15 round keys of FIPS 197, section 5.2. Only on a processor whose path is not kNone.
void ExpandAes256Key(std::span<const uint8_t, 32> key,
                     std::span<uint8_t, kAesScheduleBytes> schedule);

// Part of a vector that stays in the cache while every key runs over it.
struct AesTile {
  uint32_t* words;                  // [n]
  int64_t n;                        // any
  uint64_t first_coord;             // the last block is below 2^32
  uint32_t ring_mask;               // 2^ring_bits - 1
  std::array<uint32_t, 3> nonce{};  // first 12 bytes of the counter block; zero for masks
};

// words[i] = (words[i] + sum over keys of sign * keystream word first_coord + i) & ring_mask.
//   schedules  [n_keys * 240], 16-byte aligned; signs  [n_keys] 1 or -1
// `path` is one that this processor has, and not kNone.
void AesCtrAdd(AesPath path, const AesTile& tile, const uint8_t* schedules,
               std::span<const int8_t> signs);

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_AES256_CTR_H_
