#include "kernels/keystream.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/aes256_ctr.h"
#include "kernels/chacha20_lanes.h"
#include "kernels/chacha20_program.h"
#include "kernels/chacha20_stream.h"
#include "kernels/cpu.h"
#include "kernels/cuda_entry.h"

namespace hilum::kernels {
namespace {

// Words of a tile that all keys run over: 16 KiB, half of a small L1 cache.
constexpr int64_t kTileWords = 4096;
// A thread is worth waking for about this many words of keystream.
constexpr int64_t kMinWordsPerThread = 16 * kTileWords;

absl::Status CheckOptions(const MaskOptions& options) {
  if (options.suite != MaskSuite::kAes256Ctr && options.suite != MaskSuite::kChaCha20) {
    return absl::InvalidArgumentError(
        absl::StrCat("mask suite ", static_cast<int>(options.suite),
                     " was asked for; there are 1 (AES-256-CTR) and 2 (ChaCha20)"));
  }
  if (options.ring_bits < 1 || options.ring_bits > 32) {
    return absl::InvalidArgumentError(
        absl::StrCat("a ring of ", options.ring_bits, " bits was asked for; it has 1 to 32"));
  }
  return absl::OkStatus();
}

absl::Status CheckPosition(uint64_t first_coord, uint64_t n, MaskSuite suite) {
  const uint64_t limit = MaxCoords(suite);
  if (n <= limit && first_coord <= limit - n) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("coordinates ", first_coord, " to ", first_coord, " + ", n,
                   " were to be masked; a key of suite ", static_cast<int>(suite),
                   " has 2^32 blocks and masks ", limit, " coordinates"));
}

// Cuts the tile into parts that stay in the cache; body(first, n).
template <class Body>
void EachPart(int64_t n, size_t n_keys, Body body) {
  const int64_t words_a_part = kTileWords * std::max<int64_t>(1, static_cast<int64_t>(n_keys));
  ParallelFor(BlocksFor(n, kTileWords), kMinWordsPerThread / words_a_part,
              [&](int64_t first, int64_t last) {
                for (int64_t part = first; part < last; ++part) {
                  body(part * kTileWords, std::min(kTileWords, n - part * kTileWords));
                }
              });
}

void AddAes(std::span<uint32_t> tile, const MaskKeys& keys, uint64_t first_coord, uint32_t mask) {
  EachPart(static_cast<int64_t>(tile.size()), keys.size(), [&](int64_t first, int64_t n) {
    AesCtrAdd(DefaultAesPath(),
              {.words = tile.data() + first,
               .n = n,
               .first_coord = first_coord + static_cast<uint64_t>(first),
               .ring_mask = mask},
              keys.schedules().data(), keys.signs());
  });
}

template <class Lanes>
using RunProgram = void (*)(const ChaCha20Program<Lanes>&, int64_t, int64_t);

// body(run), run the program of the widest lanes here.
template <class Body>
void WithWidestLanes(Body body) {
  constexpr Order kOrder = Order::kForward;
#if defined(__x86_64__)
  switch (DefaultIsa()) {
    case Isa::kAvx512:
      return body(&RunAvx512<kOrder, ChaCha20Program<Lanes32>>);
    case Isa::kAvx2:
      return body(&RunAvx2<kOrder, ChaCha20Program<Lanes8>>);
    case Isa::kScalar:
      return body(&RunScalar<kOrder, ChaCha20Program<Lanes4>>);
  }
#endif
  body(&RunScalar<kOrder, ChaCha20Program<uint32_t>>);
}

template <class Lanes>
void LaunchChaCha(RunProgram<Lanes> run, std::span<uint32_t> tile, const MaskKeys& keys,
                  uint64_t first_coord, uint32_t mask) {
  using Program = ChaCha20Program<Lanes>;
  const Program program{.tile = tile.data(),
                        .n = static_cast<int64_t>(tile.size()),
                        .lead = static_cast<int64_t>(first_coord % kChaChaWords),
                        .first_block = static_cast<uint32_t>(first_coord / kChaChaWords),
                        .keys = reinterpret_cast<const uint32_t*>(keys.schedules().data()),
                        .signs = keys.signs().data(),
                        .n_keys = static_cast<int64_t>(keys.size()),
                        .nonce = {},
                        .mask = mask};
  const int64_t words_a_block =
      Program::kTile * std::max<int64_t>(1, static_cast<int64_t>(keys.size()));
  ParallelFor(BlocksFor(program.lead + program.n, Program::kTile),
              kMinWordsPerThread / words_a_block,
              [&](int64_t first, int64_t last) { run(program, first, last); });
}

void AddChaCha(std::span<uint32_t> tile, const MaskKeys& keys, uint64_t first_coord,
               uint32_t mask) {
  WithWidestLanes([&]<class Lanes>(RunProgram<Lanes> run) {
    LaunchChaCha<Lanes>(run, tile, keys, first_coord, mask);
  });
}

}  // namespace

void ChaCha20Words(const uint32_t* key, const std::array<uint32_t, 3>& nonce, uint32_t first_block,
                   std::span<uint32_t> words) {
  constexpr int8_t kAdded = 1;
  std::fill(words.begin(), words.end(), 0);
  WithWidestLanes([&]<class Lanes>(RunProgram<Lanes> run) {
    using Program = ChaCha20Program<Lanes>;
    const Program program{.tile = words.data(),
                          .n = static_cast<int64_t>(words.size()),
                          .lead = 0,
                          .first_block = first_block,
                          .keys = key,
                          .signs = &kAdded,
                          .n_keys = 1,
                          .nonce = {nonce[0], nonce[1], nonce[2]},
                          .mask = 0xffffffffu};
    run(program, 0, BlocksFor(program.n, Program::kTile));
  });
}

absl::StatusOr<MaskKeys> MaskKeys::Create(std::span<const MaskKey> keys,
                                          const MaskOptions& options) {
  HILUM_RETURN_IF_ERROR(CheckOptions(options));
  if (options.suite == MaskSuite::kAes256Ctr && DefaultAesPath() == AesPath::kNone) {
    return absl::FailedPreconditionError(
        absl::StrCat("mask suite 1 (AES-256-CTR) needs a processor with AES instructions, and "
                     "this one has none (instruction set in use: ",
                     ToString(DefaultIsa()), "): use suite 2 (ChaCha20)"));
  }
  MaskKeys prepared;
  prepared.options_ = options;
  const size_t bytes = ScheduleBytes(options.suite);
  prepared.schedules_ = SecretBytes(keys.size() * bytes);
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].sign != 1 && keys[i].sign != -1) {
      return absl::InvalidArgumentError(absl::StrCat("mask key ", i, " of ", keys.size(),
                                                     " has the sign ", keys[i].sign,
                                                     ", needed is 1 or -1"));
    }
    prepared.signs_.push_back(static_cast<int8_t>(keys[i].sign));
    uint8_t* const schedule = prepared.schedules_.data() + i * bytes;
    if (options.suite == MaskSuite::kAes256Ctr) {
      ExpandAes256Key(keys[i].bytes, std::span<uint8_t, kAesScheduleBytes>(schedule, bytes));
    } else {
      std::memcpy(schedule, keys[i].bytes.data(), bytes);
    }
  }
  return prepared;
}

absl::Status KeystreamAdd(std::span<uint32_t> tile, const MaskKeys& keys, uint64_t first_coord,
                          Device device) {
  HILUM_RETURN_IF_ERROR(CheckPosition(first_coord, tile.size(), keys.suite()));
  HILUM_RETURN_IF_ERROR(CheckDevice(device));
  const uint32_t mask = 0xffffffffu >> (32 - keys.ring_bits());
  if (device.kind == Device::kCuda && keys.suite() == MaskSuite::kAes256Ctr) {
    return absl::FailedPreconditionError(
        absl::StrCat("mask suite 1 (AES-256-CTR) does not run on ", ToString(device),
                     ", which has no AES unit: use cpu, or suite 2 (ChaCha20)"));
  }
  if (tile.empty()) return absl::OkStatus();
  if constexpr (kCudaBuild) {
    if (device.kind == Device::kCuda) {
      return cuda::ChaCha20Add(tile, keys, first_coord, mask, device.index);
    }
  }
  if (keys.suite() == MaskSuite::kAes256Ctr) {
    AddAes(tile, keys, first_coord, mask);
  } else {
    AddChaCha(tile, keys, first_coord, mask);
  }
  return absl::OkStatus();
}

}  // namespace hilum::kernels
