// Shows under valgrind that no branch and no address depends on a mask key: the key counts as
// undefined, and memcheck reports every branch on undefined values and every address made of them.
//
// Usage: valgrind --error-exitcode=9 keystream_taint MODE
//   masks   both suites, every way that runs under valgrind; must be silent
//   branch  a branch on a bit of the key: must be reported, or the run shows nothing
//   table   a table look-up at a byte of the key: likewise
#include <valgrind/memcheck.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "kernels/aes256_ctr.h"
#include "kernels/chacha20_lanes.h"
#include "kernels/keystream.h"

namespace hilum::kernels {
namespace {

volatile int sink = 0;  // what the controls write

using Key = std::array<uint8_t, kMaskKeyBytes>;

void Taint(Key& key) { VALGRIND_MAKE_MEM_UNDEFINED(key.data(), key.size()); }

// Whether the first word really hangs on the key: 0 would mean that the marks got lost.
bool IsTainted(const std::vector<uint32_t>& tile) {
  return VALGRIND_CHECK_MEM_IS_DEFINED(tile.data(), sizeof(uint32_t)) != 0;
}

// The masked tile is public: a site sends it.
bool CheckedAndCleared(std::vector<uint32_t>& tile) {
  VALGRIND_DISABLE_ERROR_REPORTING;
  const bool tainted = IsTainted(tile);
  VALGRIND_ENABLE_ERROR_REPORTING;
  VALGRIND_MAKE_MEM_DEFINED(tile.data(), tile.size() * sizeof(uint32_t));
  return tainted;
}

// Odd lengths and starts, so that whole groups and both ends are run. False: no mark arrived.
bool RunSuite(MaskSuite suite, const std::vector<MaskKey>& keys) {
  auto prepared = MaskKeys::Create(keys, {.suite = suite, .ring_bits = 27});
  if (!prepared.ok()) return false;
  for (const uint64_t first : {0, 3, 21}) {
    for (const size_t n : {size_t{1}, size_t{70}, size_t{5001}}) {
      std::vector<uint32_t> tile(n, 7);
      const bool ok = KeystreamAdd(tile, *prepared, first, Device::kCpu).ok();
      if (!ok || !CheckedAndCleared(tile)) return false;
      KeystreamAddReference(std::span(tile).first(1), keys, {.suite = suite, .ring_bits = 27},
                            first);
      if (!CheckedAndCleared(tile)) return false;
    }
  }
  return true;
}

bool RunMasks(Key& a, Key& b) {
  const std::vector<MaskKey> keys = {{.bytes = a, .sign = 1}, {.bytes = b, .sign = -1}};
  const bool has_aes = DefaultAesPath() != AesPath::kNone;
  std::printf("instruction set %s, AES %s\n", std::string(ToString(DefaultIsa())).c_str(),
              std::string(ToString(DefaultAesPath())).c_str());
  return RunSuite(MaskSuite::kChaCha20, keys) &&
         (!has_aes || RunSuite(MaskSuite::kAes256Ctr, keys));
}

int Main(const std::string& mode) {
  Key a, b;
  for (size_t i = 0; i < a.size(); ++i) {
    a[i] = static_cast<uint8_t>(i * 7 + 1);
    b[i] = static_cast<uint8_t>(i * 11 + 3);
  }
  if (RUNNING_ON_VALGRIND == 0) {
    std::printf("not under valgrind: nothing is shown\n");
    return 3;
  }
  Taint(a);
  Taint(b);
  if (mode == "masks") return RunMasks(a, b) ? 0 : 4;
  static const std::array<uint8_t, 256> table{};
  if (mode == "branch" && (a[5] & 1) != 0) sink = 1;
  if (mode == "table") sink = table[b[3]];
  return 0;
}

}  // namespace
}  // namespace hilum::kernels

int main(int argc, char** argv) { return argc == 2 ? hilum::kernels::Main(argv[1]) : 2; }
