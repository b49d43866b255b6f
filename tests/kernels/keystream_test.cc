#include "kernels/keystream.h"

#include <array>
#include <fstream>
#include <sstream>

#include "base/bytes.h"
#include "kernels/aes256_ctr.h"
#include "kernels/chacha20_lanes.h"
#include "kernels/chacha20_program.h"
#include "kernels/chacha20_stream.h"
#include "tests/kernels/parity.h"
#include "tests/status_matchers.h"

namespace hilum::kernels {
namespace {

using Key = std::array<uint8_t, kMaskKeyBytes>;
using Nonce = std::array<uint32_t, 3>;

std::vector<Key> SomeKeys(size_t n) {
  std::vector<Key> keys(n);
  uint32_t seed = 100;
  for (Key& key : keys) {
    const std::vector<uint32_t> words = RandomWords(8, seed++);
    std::memcpy(key.data(), words.data(), key.size());
  }
  return keys;
}

// The first adds, the second subtracts, and so on.
std::vector<MaskKey> Signed(const std::vector<Key>& keys) {
  std::vector<MaskKey> signed_keys;
  for (const Key& key : keys) {
    signed_keys.push_back({.bytes = key, .sign = signed_keys.size() % 2 == 0 ? 1 : -1});
  }
  return signed_keys;
}

std::vector<int8_t> SignsOf(const std::vector<MaskKey>& keys) {
  std::vector<int8_t> signs;
  for (const MaskKey& key : keys) signs.push_back(static_cast<int8_t>(key.sign));
  return signs;
}

std::vector<AesPath> AesPathsHere() {
  std::vector<AesPath> paths;
  const AesPath best = AesPathFor(AesFeaturesHere(), BestIsa());
  for (const AesPath path : {AesPath::kAesNi, AesPath::kVaes256, AesPath::kVaes512}) {
    if (path <= best) paths.push_back(path);
  }
  return paths;
}

struct Work {
  std::span<uint32_t> tile;
  std::vector<MaskKey> keys;
  uint64_t first_coord = 0;
  uint32_t mask = 0xffffffff;
  Nonce nonce{};
};

void RunAes(AesPath path, const Work& work) {
  SecretBytes schedules(work.keys.size() * kAesScheduleBytes);
  for (size_t i = 0; i < work.keys.size(); ++i) {
    ExpandAes256Key(work.keys[i].bytes,
                    std::span<uint8_t, kAesScheduleBytes>(schedules.data() + i * kAesScheduleBytes,
                                                          static_cast<size_t>(kAesScheduleBytes)));
  }
  AesCtrAdd(path,
            {.words = work.tile.data(),
             .n = static_cast<int64_t>(work.tile.size()),
             .first_coord = work.first_coord,
             .ring_mask = work.mask,
             .nonce = work.nonce},
            schedules.data(), SignsOf(work.keys));
}

template <class Lanes, Order kOrder>
void RunChaCha(Isa isa, const Work& work) {
  std::vector<uint32_t> key_words(8 * work.keys.size());
  for (size_t i = 0; i < work.keys.size(); ++i) {
    std::memcpy(key_words.data() + 8 * i, work.keys[i].bytes.data(), kMaskKeyBytes);
  }
  const std::vector<int8_t> signs = SignsOf(work.keys);
  using Program = ChaCha20Program<Lanes>;
  const Program program{.tile = work.tile.data(),
                        .n = static_cast<int64_t>(work.tile.size()),
                        .lead = static_cast<int64_t>(work.first_coord % kChaChaWords),
                        .first_block = static_cast<uint32_t>(work.first_coord / kChaChaWords),
                        .keys = key_words.data(),
                        .signs = signs.data(),
                        .n_keys = static_cast<int64_t>(work.keys.size()),
                        .nonce = {work.nonce[0], work.nonce[1], work.nonce[2]},
                        .mask = work.mask};
  Launch<kOrder>(program, BlocksFor(program.lead + program.n, Program::kTile), isa);
}

// Calls run(name, f) for each way in which `suite` can run here; f takes a Work.
template <class Run>
void ForEachSuiteWay(MaskSuite suite, Run run) {
  if (suite == MaskSuite::kAes256Ctr) {
    for (const AesPath path : AesPathsHere()) {
      run(std::string(ToString(path)), [path](const Work& work) { RunAes(path, work); });
    }
    return;
  }
  constexpr Order kForward = Order::kForward, kReverse = Order::kReverse;
  const auto one = [&](const char* name, auto forward, auto reverse, Isa isa) {
    if (isa > BestIsa()) return;
    run(std::string(name) + ", forward", [=](const Work& work) { forward(isa, work); });
    run(std::string(name) + ", reverse", [=](const Work& work) { reverse(isa, work); });
  };
  one("one lane", &RunChaCha<uint32_t, kForward>, &RunChaCha<uint32_t, kReverse>, Isa::kScalar);
#if defined(__x86_64__)
  one("sse2", &RunChaCha<Lanes4, kForward>, &RunChaCha<Lanes4, kReverse>, Isa::kScalar);
  one("avx2", &RunChaCha<Lanes8, kForward>, &RunChaCha<Lanes8, kReverse>, Isa::kAvx2);
  one("avx512", &RunChaCha<Lanes16, kForward>, &RunChaCha<Lanes16, kReverse>, Isa::kAvx512);
  one("2 x avx512", &RunChaCha<Lanes32, kForward>, &RunChaCha<Lanes32, kReverse>, Isa::kAvx512);
#endif
}

constexpr MaskSuite kSuites[] = {MaskSuite::kAes256Ctr, MaskSuite::kChaCha20};

int64_t BlockWords(MaskSuite suite) { return suite == MaskSuite::kAes256Ctr ? 4 : 16; }

struct Vector {
  int suite = 0;
  std::string name;
  Bytes key, keystream;
  Nonce nonce{};
  uint64_t block = 0;
};

std::vector<Vector> ReadVectors() {
  std::ifstream file(std::string(HILUM_SOURCE_DIR) + "/tests/vectors/kernels/keystream.txt");
  std::vector<Vector> vectors;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    Vector v;
    std::string key, nonce, keystream;
    std::istringstream(line) >> v.suite >> v.name >> key >> nonce >> v.block >> keystream;
    v.key = FromHex(key).value();
    v.keystream = FromHex(keystream).value();
    std::memcpy(v.nonce.data(), FromHex(nonce).value().data(), sizeof(v.nonce));
    vectors.push_back(v);
  }
  return vectors;
}

TEST(Keystream, EqualsThePublishedVectorsInEveryWay) {
  const std::vector<Vector> vectors = ReadVectors();
  ASSERT_GE(vectors.size(), 6u);
  for (const Vector& v : vectors) {
    const auto suite = static_cast<MaskSuite>(v.suite);
    const MaskKey key{.bytes = std::span<const uint8_t, 32>(v.key), .sign = 1};
    ForEachSuiteWay(suite, [&](const std::string& way, auto run) {
      std::vector<uint32_t> tile(v.keystream.size() / 4, 0);
      run(Work{.tile = tile,
               .keys = {key},
               .first_coord = v.block * static_cast<uint64_t>(BlockWords(suite)),
               .nonce = v.nonce});
      EXPECT_EQ(std::memcmp(tile.data(), v.keystream.data(), v.keystream.size()), 0)
          << v.name << ", " << way;
    });
  }
}

// RFC 8439, section 2.4.2: key 00 01 .. 1f, nonce 0000000000000000 4a000000 00000000, blocks 1 on.
TEST(ChaCha20Words, EqualsTheVectorWithANonceForEveryLength) {
  std::array<uint32_t, 8> key;
  for (uint32_t i = 0; i < 8; ++i) key[i] = 0x03020100 + 0x04040404 * i;
  const std::vector<uint32_t> block = {0xf3514f22, 0xe1d91b40, 0x6f27de2f, 0xed1d63b8,
                                       0x821f138c, 0xe2062c3d, 0xecca4f7e, 0x78cff39e,
                                       0xa30a3b8a, 0x920a6072, 0xcd7479b5, 0x34932bed,
                                       0x40ba4c79, 0xcd343ec6, 0x4c2c21ea, 0xb7417df0};
  const auto words = [&](int64_t n, uint32_t first_block) {
    Guarded<uint32_t> words(n);
    ChaCha20Words(key.data(), {0, 0x4a000000, 0}, first_block, words.span());
    EXPECT_TRUE(words.GuardsAreIntact());
    return words.values();
  };
  EXPECT_EQ(words(16, 1), block);
  const std::vector<uint32_t> all = words(4096, 0);
  EXPECT_TRUE(std::equal(block.begin(), block.end(), all.begin() + 16));
  for (const int64_t n : {0, 1, 15, 17, 511, 512, 513}) {
    EXPECT_EQ(words(n, 1), std::vector<uint32_t>(all.begin() + 16, all.begin() + 16 + n)) << n;
  }
}

TEST(KeystreamReference, EqualsThePublishedVectorsWithANonceOfZero) {
  for (const Vector& v : ReadVectors()) {
    if (v.nonce != Nonce{}) continue;
    const auto suite = static_cast<MaskSuite>(v.suite);
    std::vector<uint32_t> tile(v.keystream.size() / 4, 0);
    const MaskKey key{.bytes = std::span<const uint8_t, 32>(v.key), .sign = 1};
    KeystreamAddReference(tile, {&key, 1}, {.suite = suite},
                          v.block * static_cast<uint64_t>(BlockWords(suite)));
    EXPECT_EQ(std::memcmp(tile.data(), v.keystream.data(), v.keystream.size()), 0) << v.name;
  }
}

// Sizes around a block, a vector of blocks and a group; first coordinates inside a block and at
// its ends. Three keys, two of them with a plus.
TEST(Keystream, GivesTheReferencesBitsInEveryWay) {
  const std::vector<Key> keys = SomeKeys(3);
  for (const MaskSuite suite : kSuites) {
    const int64_t block = BlockWords(suite);
    for (const uint64_t first : {0, 1, 3, 4, 15, 16, 17, 1023}) {
      for (const int64_t n : {int64_t{0}, int64_t{1}, int64_t{2}, block - 1, block, block + 1,
                              int64_t{67}, int64_t{128}, int64_t{255}, int64_t{531}}) {
        const std::vector<uint32_t> before = RandomWords(n, 5);
        std::vector<uint32_t> want = before;
        KeystreamAddReference(want, Signed(keys), {.suite = suite, .ring_bits = 27}, first);
        ForEachSuiteWay(suite, [&](const std::string& way, auto run) {
          Guarded got(before);
          run(Work{
              .tile = got.span(), .keys = Signed(keys), .first_coord = first, .mask = 0x07ffffff});
          ASSERT_EQ(got.values(), want) << way << ", n = " << n << ", first = " << first;
          ASSERT_TRUE(got.GuardsAreIntact()) << way << ", n = " << n << ", first = " << first;
        });
      }
    }
  }
}

// All ways against the first on sizes that the reference is too slow for.
TEST(Keystream, GivesTheSameBitsInEveryWayAroundATileAndAChunk) {
  const std::vector<Key> keys = SomeKeys(2);
  for (const MaskSuite suite : kSuites) {
    for (const int64_t n : {4095, 4096, 4097, 8191, (1 << 18) - 1, 1 << 18, (1 << 18) + 1}) {
      std::vector<uint32_t> want;
      ForEachSuiteWay(suite, [&](const std::string& way, auto run) {
        Guarded got(RandomWords(n));
        run(Work{.tile = got.span(), .keys = Signed(keys), .first_coord = 5});
        if (want.empty()) want = got.values();
        ASSERT_EQ(got.values(), want) << way << ", n = " << n;
        ASSERT_TRUE(got.GuardsAreIntact()) << way << ", n = " << n;
      });
    }
  }
}

class KeystreamAddTest : public testing::TestWithParam<MaskSuite> {
 protected:
  void SetUp() override {
    if (GetParam() == MaskSuite::kAes256Ctr && DefaultAesPath() == AesPath::kNone) {
      GTEST_SKIP() << "no AES instructions in use here";
    }
  }
  MaskKeys Prepare(const std::vector<MaskKey>& keys, int ring_bits = 32) const {
    auto prepared = MaskKeys::Create(keys, {.suite = GetParam(), .ring_bits = ring_bits});
    EXPECT_TRUE(prepared.ok()) << prepared.status();
    return std::move(prepared).value();
  }
};

TEST_P(KeystreamAddTest, GivesTheReferencesBits) {
  const std::vector<Key> keys = SomeKeys(3);
  for (const int ring_bits : {1, 16, 25, 32}) {
    std::vector<uint32_t> got = RandomWords(301), want = got;
    KeystreamAddReference(want, Signed(keys), {.suite = GetParam(), .ring_bits = ring_bits}, 77);
    HILUM_ASSERT_OK(KeystreamAdd(got, Prepare(Signed(keys), ring_bits), 77, Device::kCpu));
    EXPECT_EQ(got, want) << ring_bits;
  }
}

TEST_P(KeystreamAddTest, AnyCutIntoTilesGivesTheSameBits) {
  const std::vector<Key> keys = SomeKeys(5);
  const MaskKeys prepared = Prepare(Signed(keys));
  std::vector<uint32_t> whole = RandomWords(100'003), cut = whole;
  HILUM_ASSERT_OK(KeystreamAdd(whole, prepared, 0, Device::kCpu));
  size_t length = 1;
  for (size_t at = 0; at < cut.size(); length = length * 3 + 1) {
    const size_t n = std::min(length, cut.size() - at);
    HILUM_ASSERT_OK(KeystreamAdd(std::span(cut).subspan(at, n), prepared, at, Device::kCpu));
    at += n;
  }
  EXPECT_EQ(cut, whole);
}

// What the protocol rests on: site i adds what site j subtracts.
TEST_P(KeystreamAddTest, MasksOfAPairCancel) {
  const std::vector<Key> keys = SomeKeys(1);
  std::vector<uint32_t> sum = RandomWords(1000);
  const MaskKeys plus = Prepare({{.bytes = keys[0], .sign = 1}}, 25);
  const MaskKeys minus = Prepare({{.bytes = keys[0], .sign = -1}}, 25);
  for (uint32_t& word : sum) word &= 0x1ffffff;
  const std::vector<uint32_t> before = sum;
  HILUM_ASSERT_OK(KeystreamAdd(sum, plus, 3, Device::kCpu));
  EXPECT_NE(sum, before);
  HILUM_ASSERT_OK(KeystreamAdd(sum, minus, 3, Device::kCpu));
  EXPECT_EQ(sum, before);
}

TEST_P(KeystreamAddTest, MaskWordsCoverFullRange) {
  const std::vector<Key> keys = SomeKeys(1);
  std::vector<uint32_t> words(1 << 20, 0);
  HILUM_ASSERT_OK(KeystreamAdd(words, Prepare(Signed(keys), 16), 0, Device::kCpu));
  std::vector<int> counts(1 << 16, 0);
  for (const uint32_t word : words) ++counts.at(word);
  // Chi-square of 65,535 degrees of freedom: mean 65,535, standard deviation 362; six of them.
  double chi_square = 0;
  for (const int count : counts) chi_square += (count - 16.0) * (count - 16.0) / 16.0;
  EXPECT_NEAR(chi_square, 65535, 6 * 362);
}

TEST_P(KeystreamAddTest, WithoutKeysTheTileIsOnlyReduced) {
  std::vector<uint32_t> tile = {0xffffffff, 5, 0x10000};
  HILUM_ASSERT_OK(KeystreamAdd(tile, Prepare({}, 16), 0, Device::kCpu));
  EXPECT_EQ(tile, (std::vector<uint32_t>{0xffff, 5, 0}));
}

TEST_P(KeystreamAddTest, RefusesWhatAKeyMayNotMask) {
  const std::vector<Key> keys = SomeKeys(1);
  const MaskKeys prepared = Prepare(Signed(keys));
  const uint64_t limit = MaxCoords(GetParam());
  std::vector<uint32_t> tile(100, 0);
  HILUM_EXPECT_OK(KeystreamAdd(tile, prepared, limit - 100, Device::kCpu));
  const std::vector<uint32_t> before = tile;
  for (const uint64_t first : {limit - 99, limit, ~uint64_t{0}, ~uint64_t{0} - 99}) {
    EXPECT_THAT(KeystreamAdd(tile, prepared, first, Device::kCpu),
                StatusIs(absl::StatusCode::kInvalidArgument, std::to_string(limit)))
        << first;
  }
  EXPECT_EQ(tile, before);
  HILUM_EXPECT_OK(KeystreamAdd({}, prepared, limit, Device::kCpu));
}

// The last block that a key may use is not the first block again.
TEST_P(KeystreamAddTest, TheLastBlockIsNotTheFirst) {
  const std::vector<Key> keys = SomeKeys(1);
  const MaskKeys prepared = Prepare(Signed(keys));
  const size_t n = static_cast<size_t>(BlockWords(GetParam()));
  std::vector<uint32_t> first(n, 0), last(n, 0), want(n, 0);
  HILUM_ASSERT_OK(KeystreamAdd(first, prepared, 0, Device::kCpu));
  const uint64_t at = MaxCoords(GetParam()) - n;
  HILUM_ASSERT_OK(KeystreamAdd(last, prepared, at, Device::kCpu));
  KeystreamAddReference(want, Signed(keys), {.suite = GetParam()}, at);
  EXPECT_EQ(last, want);
  EXPECT_NE(last, first);
}

TEST_P(KeystreamAddTest, KeysThatWereMovedStillMask) {
  const std::vector<Key> keys = SomeKeys(2);
  std::vector<uint32_t> got(50, 0), want(50, 0);
  MaskKeys prepared = Prepare(Signed(keys));
  HILUM_ASSERT_OK(KeystreamAdd(want, prepared, 0, Device::kCpu));
  const MaskKeys moved = std::move(prepared);
  HILUM_ASSERT_OK(KeystreamAdd(got, moved, 0, Device::kCpu));
  EXPECT_EQ(got, want);
  static_assert(!std::is_copy_constructible_v<MaskKeys> && !std::is_copy_assignable_v<MaskKeys>);
}

INSTANTIATE_TEST_SUITE_P(Suites, KeystreamAddTest, testing::ValuesIn(kSuites),
                         [](const auto& info) {
                           return info.param == MaskSuite::kAes256Ctr ? "Aes256Ctr" : "ChaCha20";
                         });

TEST(MaskKeys, RefusesWhatIsOutOfRange) {
  const std::vector<Key> keys = SomeKeys(2);
  std::vector<MaskKey> signed_keys = Signed(keys);
  for (const int bits : {0, -1, 33}) {
    EXPECT_THAT(MaskKeys::Create(signed_keys, {.suite = MaskSuite::kChaCha20, .ring_bits = bits}),
                StatusIs(absl::StatusCode::kInvalidArgument, "1 to 32"));
  }
  for (const int suite : {0, 3, 255}) {
    EXPECT_THAT(MaskKeys::Create(signed_keys, {.suite = static_cast<MaskSuite>(suite)}),
                StatusIs(absl::StatusCode::kInvalidArgument, "1 (AES-256-CTR) and 2 (ChaCha20)"));
  }
  for (const int sign : {0, 2, -2}) {
    signed_keys[1].sign = sign;
    EXPECT_THAT(MaskKeys::Create(signed_keys, {.suite = MaskSuite::kChaCha20}),
                StatusIs(absl::StatusCode::kInvalidArgument, "mask key 1 of 2 has the sign"));
  }
}

// Runs once more as kernels_scalar, where HILUM_ISA=scalar stands for a processor without AES.
TEST(MaskKeys, SuiteOneIsRefusedWithoutAesInstructions) {
  const std::vector<Key> keys = SomeKeys(1);
  const auto prepared = MaskKeys::Create(Signed(keys), {.suite = MaskSuite::kAes256Ctr});
  if (DefaultAesPath() != AesPath::kNone) {
    HILUM_EXPECT_OK(prepared.status());
    return;
  }
  EXPECT_THAT(prepared, StatusIs(absl::StatusCode::kFailedPrecondition,
                                 "needs a processor with AES instructions"));
}

TEST(AesPathFor, TakesTheWidestThatTheProcessorHas) {
  const AesFeatures zen4{.aes = true, .vaes = true, .isa = Isa::kAvx512};
  EXPECT_EQ(AesPathFor(zen4, Isa::kAvx512), AesPath::kVaes512);
  EXPECT_EQ(AesPathFor(zen4, Isa::kAvx2), AesPath::kVaes256);
  EXPECT_EQ(AesPathFor(zen4, Isa::kScalar), AesPath::kNone);
  const AesFeatures zen3{.aes = true, .vaes = true, .isa = Isa::kAvx2};
  EXPECT_EQ(AesPathFor(zen3, Isa::kAvx2), AesPath::kVaes256);
  const AesFeatures skylake{.aes = true, .vaes = false, .isa = Isa::kAvx512};
  EXPECT_EQ(AesPathFor(skylake, Isa::kAvx512), AesPath::kAesNi);
  const AesFeatures westmere{.aes = true, .vaes = false, .isa = Isa::kScalar};
  EXPECT_EQ(AesPathFor(westmere, Isa::kScalar), AesPath::kAesNi);
  const AesFeatures without{.aes = false, .vaes = false, .isa = Isa::kAvx2};
  EXPECT_EQ(AesPathFor(without, Isa::kAvx2), AesPath::kNone);
  const AesFeatures odd{.aes = false, .vaes = true, .isa = Isa::kAvx512};
  EXPECT_EQ(AesPathFor(odd, Isa::kAvx512), AesPath::kNone);
}

TEST(KeystreamAdd, SuiteOneIsRefusedOnAGpu) {
  if (DefaultAesPath() == AesPath::kNone) GTEST_SKIP() << "no AES instructions in use here";
  HILUM_ASSERT_OK_AND_ASSIGN(const MaskKeys keys,
                             MaskKeys::Create({}, {.suite = MaskSuite::kAes256Ctr}));
  std::vector<uint32_t> tile(4);
  // Without CUDA the device itself is refused.
  EXPECT_THAT(KeystreamAdd(tile, keys, 0, Device(Device::kCuda)),
              StatusIs(absl::StatusCode::kFailedPrecondition, "cuda:0"));
}

}  // namespace
}  // namespace hilum::kernels
