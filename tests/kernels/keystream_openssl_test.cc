// OpenSSL's AES-256-CTR and ChaCha20 as oracle, from the first block to the last that a key may
// use.
#include <openssl/evp.h>

#include <array>
#include <memory>

#include "kernels/aes256_ctr.h"
#include "kernels/keystream.h"
#include "tests/kernels/parity.h"
#include "tests/status_matchers.h"

namespace hilum::kernels {
namespace {

using Key = std::array<uint8_t, kMaskKeyBytes>;

constexpr uint64_t BlockWords(MaskSuite suite) { return suite == MaskSuite::kAes256Ctr ? 4 : 16; }

// Words first_coord..first_coord + n - 1 of the keystream.
std::vector<uint32_t> OpensslWords(MaskSuite suite, const Key& key, uint64_t first_coord,
                                   size_t n) {
  const uint64_t block = first_coord / BlockWords(suite);
  const size_t skip = first_coord % BlockWords(suite);
  std::array<uint8_t, 16> iv{};
  for (size_t i = 0; i < 4; ++i) {
    const auto byte = static_cast<uint8_t>(block >> (8 * i));
    iv[suite == MaskSuite::kAes256Ctr ? 15 - i : i] = byte;
  }
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(
      EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  const EVP_CIPHER* const cipher =
      suite == MaskSuite::kAes256Ctr ? EVP_aes_256_ctr() : EVP_chacha20();
  EXPECT_EQ(EVP_EncryptInit_ex(context.get(), cipher, nullptr, key.data(), iv.data()), 1);
  std::vector<uint32_t> words(skip + n, 0);
  auto* const bytes = reinterpret_cast<uint8_t*>(words.data());
  int written = 0;
  EXPECT_EQ(EVP_EncryptUpdate(context.get(), bytes, &written, bytes,
                              static_cast<int>(words.size() * sizeof(uint32_t))),
            1);
  return {words.begin() + static_cast<ptrdiff_t>(skip), words.end()};
}

class AgainstOpenssl : public testing::TestWithParam<MaskSuite> {
 protected:
  void SetUp() override {
    if (GetParam() == MaskSuite::kAes256Ctr && DefaultAesPath() == AesPath::kNone) {
      GTEST_SKIP() << "no AES instructions in use here";
    }
  }
  void ExpectEqual(uint64_t first_coord, int64_t n) const {
    Key key;
    const std::vector<uint32_t> key_words = RandomWords(8, static_cast<uint32_t>(n));
    std::memcpy(key.data(), key_words.data(), key.size());
    const MaskKey plus{.bytes = key, .sign = 1};
    HILUM_ASSERT_OK_AND_ASSIGN(const MaskKeys keys,
                               MaskKeys::Create({&plus, 1}, {.suite = GetParam()}));
    Guarded<uint32_t> got(n);
    HILUM_ASSERT_OK(KeystreamAdd(got.span(), keys, first_coord, Device::kCpu));
    EXPECT_EQ(got.values(), OpensslWords(GetParam(), key, first_coord, static_cast<size_t>(n)))
        << "first = " << first_coord << ", n = " << n;
    EXPECT_TRUE(got.GuardsAreIntact());
  }
};

TEST_P(AgainstOpenssl, AroundBlocksTilesAndChunks) {
  const auto block = static_cast<int64_t>(BlockWords(GetParam()));
  for (const int64_t n :
       {int64_t{0}, int64_t{1}, block - 1, block, block + 1, int64_t{4095}, int64_t{4097},
        int64_t{(1 << 18) - 1}, int64_t{1 << 18}, int64_t{(1 << 18) + 1}, int64_t{1'000'003}}) {
    for (const uint64_t first : {0, 1, 7, 1 << 18}) ExpectEqual(first, n);
  }
}

// Block 2^31 - 1 to 2^31: where a signed counter would turn; and the last blocks of all.
TEST_P(AgainstOpenssl, AroundTheLargestCounters) {
  for (const uint64_t block : {uint64_t{1} << 31, uint64_t{1} << 32}) {
    const uint64_t end = block * BlockWords(GetParam());
    for (const uint64_t before : {1, 3, 16, 17, 100, 600, 5000}) {
      ExpectEqual(end - before, static_cast<int64_t>(before));
    }
  }
  ExpectEqual((uint64_t{1} << 31) * BlockWords(GetParam()) - 1000, 3000);
}

INSTANTIATE_TEST_SUITE_P(Suites, AgainstOpenssl,
                         testing::Values(MaskSuite::kAes256Ctr, MaskSuite::kChaCha20),
                         [](const auto& info) {
                           return info.param == MaskSuite::kAes256Ctr ? "Aes256Ctr" : "ChaCha20";
                         });

}  // namespace
}  // namespace hilum::kernels
