// ChaCha20's keystream as words: RFC 8439, section 2.4, for what draws random numbers from a key.
// Masks have their own door (keystream.h).
#ifndef HILUM_KERNELS_CHACHA20_STREAM_H_
#define HILUM_KERNELS_CHACHA20_STREAM_H_

#include <array>
#include <cstdint>
#include <span>

namespace hilum::kernels {

// words[i] = bytes 4i..4i+3, little-endian, of the blocks from `first_block` on, by the widest
// vectors that the processor has.
//   key  [8] words, little-endian; secret, and so are the words
//   first_block + blocks of the words <= 2^32; not checked
void ChaCha20Words(const uint32_t* key, const std::array<uint32_t, 3>& nonce, uint32_t first_block,
                   std::span<uint32_t> words);

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_CHACHA20_STREAM_H_
