// The specification of both suites: slow, and free of tables and of branches on secrets too.
#include <array>
#include <cstddef>

#include "kernels/keystream.h"

namespace hilum::kernels {
namespace {

using AesBlock = std::array<uint8_t, 16>;  // column by column, as FIPS 197, section 3.4

// Multiplication in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1 (FIPS 197, section 4.2).
uint8_t Times(uint8_t a, uint8_t b) {
  unsigned product = 0, power = a;
  for (int i = 0; i < 8; ++i) {
    product ^= power & (0u - (b >> i & 1u));
    power = power << 1 ^ (0x11bu & (0u - (power >> 7)));
  }
  return static_cast<uint8_t>(product);
}

uint8_t RotatedLeft(uint8_t x, int bits) {
  return static_cast<uint8_t>(x << bits | x >> (8 - bits));
}

// The inverse, which is the power 254 = 2 + 4 + ... + 128, and the affine map (section 5.1.1).
uint8_t SubByte(uint8_t x) {
  uint8_t inverse = 1, power = x;
  for (int i = 1; i < 8; ++i) {
    power = Times(power, power);
    inverse = Times(inverse, power);
  }
  uint8_t sum = inverse ^ 0x63;
  for (int bits = 1; bits <= 4; ++bits) sum ^= RotatedLeft(inverse, bits);
  return sum;
}

// 60 words of 4 bytes (section 5.2, Nk = 8).
std::array<uint8_t, 240> Expand(std::span<const uint8_t, kMaskKeyBytes> key) {
  std::array<uint8_t, 240> w;
  std::copy(key.begin(), key.end(), w.begin());
  uint8_t rcon = 1;
  for (size_t i = 8; i < 60; ++i) {
    std::array<uint8_t, 4> t;
    for (size_t b = 0; b < 4; ++b) t[b] = w[4 * (i - 1) + b];
    if (i % 8 == 0) t = {t[1], t[2], t[3], t[0]};
    if (i % 4 == 0) {
      for (uint8_t& byte : t) byte = SubByte(byte);
    }
    if (i % 8 == 0) {
      t[0] ^= rcon;
      rcon = Times(rcon, 2);
    }
    for (size_t b = 0; b < 4; ++b) w[4 * i + b] = w[4 * (i - 8) + b] ^ t[b];
  }
  return w;
}

void AddRoundKey(AesBlock& s, const std::array<uint8_t, 240>& w, size_t round) {
  for (size_t i = 0; i < 16; ++i) s[i] ^= w[16 * round + i];
}

void SubBytesAndShiftRows(AesBlock& s) {
  AesBlock shifted;
  for (size_t column = 0; column < 4; ++column) {
    for (size_t row = 0; row < 4; ++row) {
      shifted[4 * column + row] = SubByte(s[4 * ((column + row) % 4) + row]);
    }
  }
  s = shifted;
}

void MixColumns(AesBlock& s) {
  AesBlock mixed;
  for (size_t column = 0; column < 4; ++column) {
    const uint8_t* const a = s.data() + 4 * column;
    for (size_t row = 0; row < 4; ++row) {
      mixed[4 * column + row] = static_cast<uint8_t>(Times(a[row], 2) ^ Times(a[(row + 1) % 4], 3) ^
                                                     a[(row + 2) % 4] ^ a[(row + 3) % 4]);
    }
  }
  s = mixed;
}

// Section 5.1 on the counter block (SP 800-38A, section 6.5).
AesBlock AesKeystream(const std::array<uint8_t, 240>& w, uint64_t counter) {
  AesBlock s{};
  for (size_t i = 0; i < 8; ++i) s[15 - i] = static_cast<uint8_t>(counter >> (8 * i));
  AddRoundKey(s, w, 0);
  for (size_t round = 1; round < 14; ++round) {
    SubBytesAndShiftRows(s);
    MixColumns(s);
    AddRoundKey(s, w, round);
  }
  SubBytesAndShiftRows(s);
  AddRoundKey(s, w, 14);
  return s;
}

void QuarterRoundOn(std::array<uint32_t, 16>& x, size_t a, size_t b, size_t c, size_t d) {
  const auto step = [&](size_t to, size_t from, size_t turned, int bits) {
    x[to] += x[from];
    x[turned] ^= x[to];
    x[turned] = x[turned] << bits | x[turned] >> (32 - bits);
  };
  step(a, b, d, 16);
  step(c, d, b, 12);
  step(a, b, d, 8);
  step(c, d, b, 7);
}

// RFC 8439, section 2.3.
std::array<uint32_t, 16> ChaCha20Keystream(std::span<const uint8_t, kMaskKeyBytes> key,
                                           uint64_t counter) {
  std::array<uint32_t, 16> start{0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
  for (size_t i = 0; i < kMaskKeyBytes; ++i) start[4 + i / 4] |= uint32_t{key[i]} << (8 * (i % 4));
  start[12] = static_cast<uint32_t>(counter);
  std::array<uint32_t, 16> x = start;
  for (int round = 0; round < 10; ++round) {
    for (size_t i = 0; i < 4; ++i) QuarterRoundOn(x, i, 4 + i, 8 + i, 12 + i);
    for (size_t i = 0; i < 4; ++i) {
      QuarterRoundOn(x, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
    }
  }
  for (size_t i = 0; i < 16; ++i) x[i] += start[i];
  return x;
}

uint32_t MaskWord(const MaskKey& key, MaskSuite suite, uint64_t coord) {
  if (suite == MaskSuite::kChaCha20) return ChaCha20Keystream(key.bytes, coord / 16)[coord % 16];
  const AesBlock block = AesKeystream(Expand(key.bytes), coord / 4);
  uint32_t word = 0;
  for (size_t b = 0; b < 4; ++b) word |= uint32_t{block[4 * (coord % 4) + b]} << (8 * b);
  return word;
}

}  // namespace

void KeystreamAddReference(std::span<uint32_t> tile, std::span<const MaskKey> keys,
                           const MaskOptions& options, uint64_t first_coord) {
  for (size_t i = 0; i < tile.size(); ++i) {
    uint32_t sum = tile[i];
    for (const MaskKey& key : keys) {
      const uint32_t word = MaskWord(key, options.suite, first_coord + i);
      sum = key.sign > 0 ? sum + word : sum - word;
    }
    tile[i] = sum & (0xffffffffu >> (32 - options.ring_bits));
  }
}

}  // namespace hilum::kernels
