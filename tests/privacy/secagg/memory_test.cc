// Looks through the memory of this process for secrets of a masked round, while it runs and after
// it. Stacks are left out: docs/secure_aggregation.md, section 14.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "crypto/key_agreement.h"
#include "privacy/secagg/keys.h"
#include "tests/privacy/secagg/fixtures.h"
#include "tests/status_matchers.h"

namespace hilum::privacy::secagg {
namespace {

// 16 bytes of a secret, kept in another form: the search must not find what it looks for in itself.
class Needle {
 public:
  explicit Needle(ByteView secret) {
    for (size_t k = 0; k < masked_.size(); ++k) masked_[k] = secret[8 + k] ^ kPad;
  }
  // How often it is in the memory that this process may write.
  size_t Count() const {
    size_t found = 0;
    std::ifstream maps("/proc/self/maps");
    const int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    EXPECT_GE(memory, 0);
    for (std::string line; std::getline(maps, line);) {
      uintptr_t begin = 0, end = 0;
      char permissions[5] = {};
      if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " %4s", &begin, &end, permissions) !=
          3) {
        continue;
      }
      const bool is_stack = line.find("[stack") != std::string::npos;
      if (permissions[0] == 'r' && permissions[1] == 'w' && !is_stack) {
        found += CountIn(memory, begin, end);
      }
    }
    close(memory);
    return found;
  }

 private:
  static constexpr uint8_t kPad = 0x5a;

  size_t CountIn(int memory, uintptr_t begin, uintptr_t end) const {
    constexpr size_t kPart = 1 << 20;
    std::vector<uint8_t> part(kPart + masked_.size() - 1);
    size_t found = 0;
    for (uintptr_t at = begin; at < end; at += kPart) {
      const size_t n = std::min<size_t>(part.size(), end - at);
      const ssize_t n_read = pread(memory, part.data(), n, static_cast<off_t>(at));
      for (ssize_t i = 0; i + static_cast<ssize_t>(masked_.size()) <= n_read; ++i) {
        size_t k = 0;
        while (k < masked_.size() && (part[i + k] ^ kPad) == masked_[k]) ++k;
        found += k == masked_.size() ? 1 : 0;
      }
    }
    return found;
  }

  std::array<uint8_t, 16> masked_{};
};

// The secrets of member 1, drawn again as it draws them.
struct Secrets {
  Needle a, mask_private, channel_private;
};
Secrets SecretsOf(const Federation& federation) {
  const Context& context = *federation.context;
  const SiteAdvertised::Options options = federation.StartOptions(1);
  crypto::SeededStream stream =
      LocalStream(context, options.site_secret, options.entropy.a, Purpose::kA);
  const Scalar a = Scalar::Random(stream);
  SecretKey channel;
  LocalStream(context, options.site_secret, options.entropy.c, Purpose::kC)
      .Fill(channel.mutable_bytes());
  return {Needle(a.bytes()), Needle(MaskPrivateKey(context, 1, a).bytes()),
          Needle(channel.bytes())};
}

TEST(Memory, HoldsTheSecretsOfARoundNoLongerThanItNeedsThem) {
#ifdef HILUM_SANITIZED
  return;  // the sanitizers' own memory is far too large
#endif
  Federation federation(MaskedRound(5, 1000));
  const Secrets secrets = SecretsOf(federation);
  EXPECT_EQ(secrets.a.Count(), 0u) << "the search finds itself";
  federation.RunTo(Federation::kU1);
  EXPECT_GT(secrets.a.Count(), 0u) << "the search finds nothing";
  EXPECT_GT(secrets.channel_private.Count(), 0u);
  federation.RunTo(Federation::kTranscript);
  EXPECT_EQ(secrets.a.Count(), 0u) << "shares are dealt";
  EXPECT_EQ(secrets.mask_private.Count(), 0u) << "y_i is made";
  federation.RunTo(Federation::kOpened);
  EXPECT_EQ(secrets.a.Count(), 0u);
  EXPECT_EQ(secrets.mask_private.Count(), 0u);
  EXPECT_EQ(secrets.channel_private.Count(), 0u);
}

}  // namespace
}  // namespace hilum::privacy::secagg
