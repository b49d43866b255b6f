// What a join leaves in its folder: a site, or what was there before.
#include "client/join.h"

#include <gtest/gtest.h>

#include <set>

#include "crypto/age_keys.h"
#include "ledger_anchor/reader.h"
#include "tests/client/films.h"
#include "tests/client/server.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

int64_t Now() { return SystemClock().NowSeconds(); }

std::set<std::string> NamesIn(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.insert(entry.path().filename().string());
  }
  return names;
}

class JoinTest : public ::testing::Test {
 protected:
  absl::Status JoinWith(const std::string& token, const std::string& server = "") {
    return Join(folder_, {token, server.empty() ? server_.address() : server, Now()}).status();
  }
  // As if the process had ended before the answer came.
  void LoseTheAnswer() {
    const fs::path work = folder_.root / ".joining";
    fs::create_directory(work);
    for (const char* part : {"keys", "ledger"}) fs::rename(folder_.root / part, work / part);
    fs::remove(work / "keys/tls.pem");
    fs::remove(folder_.config());
    fs::remove(folder_.ca_pem());
  }

  TestServer server_;
  SiteFolder folder_{NewFolder("parent") / "site"};
};

TEST_F(JoinTest, ARefusedOneLeavesTheFolderAsItWas) {
  const std::string token = server_.Invite("hospital-c");
  const SiteFolder other{NewFolder("other")};
  HILUM_ASSERT_OK(Join(other, {token, server_.address(), Now()}));
  EXPECT_THAT(JoinWith(token), StatusIs(absl::StatusCode::kPermissionDenied, ""));
  EXPECT_FALSE(fs::exists(folder_.root));
  fs::create_directory(folder_.root);
  EXPECT_FALSE(JoinWith(token).ok());
  EXPECT_TRUE(fs::is_empty(folder_.root));
}

TEST_F(JoinTest, OneThatReachesNobodyLeavesNoPin) {
  EXPECT_THAT(JoinWith(server_.Invite("hospital-c"), "127.0.0.1:1"),
              StatusIs(absl::StatusCode::kUnavailable, ""));
  EXPECT_FALSE(fs::exists(folder_.root));
  TestServer federation;
  HILUM_EXPECT_OK(JoinWith(federation.Invite("hospital-c"), federation.address()));
}

TEST_F(JoinTest, AFolderWithASiteOrForeignFilesIsRefused) {
  fs::create_directory(folder_.root);
  HILUM_ASSERT_OK(WriteFileDurably(folder_.root / "thesis.doc", AsBytes("x")));
  EXPECT_THAT(JoinWith(server_.Invite("hospital-c")),
              StatusIs(absl::StatusCode::kInvalidArgument, "holds thesis.doc"));
  EXPECT_EQ(NamesIn(folder_.root), std::set<std::string>{"thesis.doc"});
  fs::remove(folder_.root / "thesis.doc");
  HILUM_ASSERT_OK(JoinWith(server_.Invite("hospital-d")));
  const std::set<std::string> site = NamesIn(folder_.root);
  EXPECT_EQ(site, (std::set<std::string>{"ca.pem", "keys", "ledger", "site.toml", "witness"}));
  EXPECT_THAT(JoinWith(server_.Invite("hospital-e")),
              StatusIs(absl::StatusCode::kInvalidArgument, "has joined already"));
  EXPECT_EQ(NamesIn(folder_.root), site);
}

TEST_F(JoinTest, NamesTheRecipientOfItsAgeKey) {
  HILUM_ASSERT_OK(JoinWith(server_.Invite("hospital-c")));
  HILUM_ASSERT_OK_AND_ASSIGN(const crypto::AgeIdentity identity,
                             crypto::AgeIdentity::Load(folder_.age_identity()));
  HILUM_ASSERT_OK_AND_ASSIGN(
      const auto view,
      ledger_anchor::VerifyLog(ledger_anchor::FolderFetch(server_.folder() / "ledger/log"), {}));
  const ledger_anchor::Member* member = view.state.members().Find("hospital-c");
  ASSERT_NE(member, nullptr);
  EXPECT_EQ(member->age_recipient, crypto::FormatAgeRecipient(identity.recipient()));
}

TEST_F(JoinTest, OneWhoseAnswerWasLostIsRepeated) {
  const std::string token = server_.Invite("hospital-c");
  HILUM_ASSERT_OK(JoinWith(token));
  LoseTheAnswer();
  EXPECT_THAT(JoinWith(token, "127.0.0.1:1"), StatusIs(absl::StatusCode::kUnavailable, ""));
  HILUM_ASSERT_OK(JoinWith(token));
  EXPECT_EQ(NamesIn(folder_.root).count(".joining"), 0u);
}

TEST_F(JoinTest, OneThatWasCutWhileItsPartsMovedIsRepeated) {
  const std::string token = server_.Invite("hospital-c");
  HILUM_ASSERT_OK(JoinWith(token));
  LoseTheAnswer();
  fs::rename(folder_.root / ".joining/keys", folder_.root / "keys");
  HILUM_EXPECT_OK(JoinWith(token));
}

TEST_F(JoinTest, AnUnfinishedOneIsNotOverwrittenByAnother) {
  HILUM_ASSERT_OK(JoinWith(server_.Invite("hospital-c")));
  LoseTheAnswer();
  EXPECT_THAT(JoinWith(server_.Invite("hospital-d")),
              StatusIs(absl::StatusCode::kInvalidArgument, "unfinished join"));
  TestServer other;
  EXPECT_THAT(JoinWith(other.Invite("hospital-c"), other.address()),
              StatusIs(absl::StatusCode::kInvalidArgument, "unfinished join"));
  EXPECT_TRUE(fs::exists(folder_.root / ".joining/keys/entry.key"));
}

}  // namespace
}  // namespace hilum::client
