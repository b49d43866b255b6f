#include "client/pseudonym.h"

#include "client/manifest.h"
#include "crypto/mac.h"
#include "tests/client/films.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

TEST(Pseudonym, IsTheHmacOfStudyZeroAndId) {
  const SiteSecret secret = TestSecret();
  const std::string message("study\0patient", 13);
  EXPECT_EQ(Pseudonym(secret, "study", "patient"),
            ToHex(crypto::HmacSha256(secret.bytes, AsBytes(message))));
  EXPECT_EQ(Pseudonym(secret, "study", " patient "), Pseudonym(secret, "study", "patient"));
  EXPECT_NE(Pseudonym(secret, "other", "patient"), Pseudonym(secret, "study", "patient"));
  SiteSecret another = secret;
  another.bytes[0] ^= 1;
  EXPECT_NE(Pseudonym(another, "study", "patient"), Pseudonym(secret, "study", "patient"));
}

TEST(SiteSecret, IsPrivateAndNeverOverwritten) {
  const fs::path path = NewFolder("keys") / "pseudonym.key";
  HILUM_ASSERT_OK_AND_ASSIGN(const SiteSecret made, MakeSiteSecret(path));
  HILUM_ASSERT_OK_AND_ASSIGN(const SiteSecret loaded, LoadSiteSecret(path));
  EXPECT_EQ(made.bytes, loaded.bytes);
  EXPECT_THAT(MakeSiteSecret(path),
              StatusIs(absl::StatusCode::kAlreadyExists, "never overwritten"));
  fs::permissions(path, fs::perms::group_read, fs::perm_options::add);
  EXPECT_THAT(LoadSiteSecret(path), StatusIs(absl::StatusCode::kPermissionDenied, "0600"));
}

TEST(SiteSecret, ADamagedFileIsDataLoss) {
  const fs::path path = NewFolder("keys") / "pseudonym.key";
  for (const char* text : {"", "ab\n", "zz"}) {
    WriteText(path, text);
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
    EXPECT_THAT(LoadSiteSecret(path), StatusIs(absl::StatusCode::kDataLoss, "64 hexadecimal"));
  }
}

TEST(Manifest, CommitsToThePatientsAndTheirFilms) {
  const auto root = [](const std::string& context, const std::string& pid, uint8_t content) {
    Manifest manifest(TestSecret(), context);
    Digest digest{};
    digest[0] = content;
    manifest.Add(pid, "sop", digest);
    manifest.Add("q", "sop2", digest);
    return manifest.Root();
  };
  EXPECT_EQ(root("job/1/0", "p", 1), root("job/1/0", "p", 1));
  EXPECT_NE(root("job/1/0", "p", 1), root("job/2/0", "p", 1));
  EXPECT_NE(root("job/1/0", "p", 1), root("job/1/0", "o", 1));
  EXPECT_NE(root("job/1/0", "p", 1), root("job/1/0", "p", 2));
}

TEST(Manifest, TheOrderOfFilmsDoesNotMatter) {
  Manifest forward(TestSecret(), "c"), backward(TestSecret(), "c");
  forward.Add("p", "a", {});
  forward.Add("p", "b", {});
  backward.Add("p", "b", {});
  backward.Add("p", "a", {});
  EXPECT_EQ(forward.Root(), backward.Root());
  EXPECT_EQ(forward.n_patients(), 1u);
}

}  // namespace
}  // namespace hilum::client
