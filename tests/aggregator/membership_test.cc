#include "aggregator/membership.h"

#include <gtest/gtest.h>

#include "base/version.h"
#include "crypto/base64.h"
#include "crypto/certificate.h"
#include "crypto/random.h"
#include "ledger_anchor/entry.h"
#include "proto/join_token.h"
#include "tests/aggregator/test_federation.h"
#include "tests/status_matchers.h"

namespace hilum::aggregator {
namespace {

using absl::StatusCode;
constexpr int64_t kNow = 1'790'000'000;

struct Applicant {
  JoinFields fields;
  crypto::SigningKey entry_key = crypto::SigningKey::Generate();
};

class Membership : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = temporary_.path() / "server";
    HILUM_ASSERT_OK(InitFederation({.folder = folder_,
                                    .federation = "test.example",
                                    .server_toml = "",
                                    .address = "127.0.0.1:1",
                                    .now_s = kNow}));
    Open();
  }
  void Open() {
    federation_.reset();
    HILUM_ASSERT_OK_AND_ASSIGN(federation_, OpenFederation(folder_));
  }
  proto::JoinToken InviteToken(const std::string& site, int64_t ttl_s = 3600) {
    const auto invitation = Invite(federation_->identity, *federation_->state, {site}, kNow, ttl_s);
    EXPECT_TRUE(invitation.ok()) << invitation.status();
    return *proto::ParseJoinToken(AsText(*crypto::Base64UrlDecode(invitation->token)));
  }
  Applicant Apply(const proto::JoinToken& token, const std::string& origin = "") {
    Applicant applicant;
    const std::string key = *crypto::MakeTlsKey();
    ledger_anchor::Entry entry;
    entry.by = token.aggregator;
    entry.key = crypto::KeyDigest(*crypto::PublicKeyFromBase64(token.entry_key));
    entry.t = kNow;
    entry.body = ledger_anchor::Join{
        .member = token.member, .role = "site", .entry_key = applicant.entry_key.public_key()};
    const crypto::Signature signature = *ledger_anchor::SignJoin(
        entry, origin.empty() ? token.origin : origin, applicant.entry_key);
    const auto& key_bytes = applicant.entry_key.public_key().bytes;
    applicant.fields = {.member = token.member,
                        .secret = Bytes(token.secret.begin(), token.secret.end()),
                        .certificate_request = *crypto::MakeRequest(
                            key, {.common_name = token.member, .role = "site"}),
                        .entry_key = Bytes(key_bytes.begin(), key_bytes.end()),
                        .member_signature = Bytes(signature.bytes.begin(), signature.bytes.end()),
                        .joined_at_s = kNow};
    return applicant;
  }

  TempFolder temporary_;
  fs::path folder_;
  std::unique_ptr<Federation> federation_;
};

TEST_F(Membership, AnInvitationWorksOnce) {
  const proto::JoinToken token = InviteToken("hospital-a");
  const Applicant first = Apply(token);
  HILUM_ASSERT_OK_AND_ASSIGN(const JoinAnswer answer, Join(*federation_, first.fields, kNow));
  HILUM_ASSERT_OK_AND_ASSIGN(const Caller caller,
                             Authenticate(*federation_, answer.certificate, kNow));
  EXPECT_EQ(caller.name, "hospital-a");
  EXPECT_EQ(caller.role, "site");
  EXPECT_THAT(Join(*federation_, Apply(token).fields, kNow),
              StatusIs(StatusCode::kPermissionDenied, "unknown or was used"));
}

TEST_F(Membership, ALostAnswerIsGivenAgain) {
  const Applicant applicant = Apply(InviteToken("hospital-a"));
  HILUM_ASSERT_OK_AND_ASSIGN(const JoinAnswer first, Join(*federation_, applicant.fields, kNow));
  HILUM_ASSERT_OK_AND_ASSIGN(const JoinAnswer second,
                             Join(*federation_, applicant.fields, kNow + 5));
  EXPECT_EQ(first.certificate, second.certificate);
  EXPECT_EQ(federation_->log->LastCheckpoint().size, 2u);
}

TEST_F(Membership, AJoinThatWasStoredButNotLoggedIsLoggedAtTheNextStart) {
  const Applicant applicant = Apply(InviteToken("hospital-a"));
  HILUM_ASSERT_OK(Join(*federation_, applicant.fields, kNow).status());
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string entry, federation_->log->ReadEntry(1));
  // A second federation folder with the state of the first, but without the entry.
  HILUM_ASSERT_OK_AND_ASSIGN(const MemberRow member, federation_->state->FindMember("hospital-a"));
  EXPECT_EQ(member.join_entry, entry);
  HILUM_ASSERT_OK(FinishJoins(*federation_));
  EXPECT_EQ(federation_->log->LastCheckpoint().size, 2u);
  MemberRow other = member;
  other.name = "hospital-b";
  other.join_entry = entry;
  other.join_entry.replace(other.join_entry.find("hospital-a"), 10, "hospital-b");
  HILUM_ASSERT_OK(federation_->state->PutMember(other));
  // Its signature does not fit: what is stored is checked again before it is logged.
  EXPECT_THAT(FinishJoins(*federation_), StatusIs(StatusCode::kDataLoss, ""));
}

TEST_F(Membership, AnExpiredInvitationIsRefused) {
  const Applicant applicant = Apply(InviteToken("hospital-a", 60));
  EXPECT_THAT(Join(*federation_, applicant.fields, kNow + 61),
              StatusIs(StatusCode::kPermissionDenied, "expired at"));
}

TEST_F(Membership, AnInvitationIsForOneName) {
  const proto::JoinToken token = InviteToken("hospital-a");
  proto::JoinToken other = token;
  other.member = "hospital-b";
  EXPECT_THAT(Join(*federation_, Apply(other).fields, kNow),
              StatusIs(StatusCode::kPermissionDenied, "is for hospital-a, not for hospital-b"));
}

TEST_F(Membership, ASignatureForAnotherFederationIsRefused) {
  const Applicant applicant = Apply(InviteToken("hospital-a"), "other.example/ledger");
  EXPECT_THAT(Join(*federation_, applicant.fields, kNow), StatusIs(StatusCode::kDataLoss, ""));
}

TEST_F(Membership, AWrongClockIsNamed) {
  Applicant applicant = Apply(InviteToken("hospital-a"));
  EXPECT_THAT(Join(*federation_, applicant.fields, kNow + 90'000),
              StatusIs(StatusCode::kInvalidArgument, "the clock of hospital-a says"));
}

TEST_F(Membership, ATakenNameIsNotInvitedAgain) {
  HILUM_ASSERT_OK(Join(*federation_, Apply(InviteToken("hospital-a")).fields, kNow).status());
  EXPECT_THAT(Invite(federation_->identity, *federation_->state, {"hospital-a"}, kNow, 3600),
              StatusIs(StatusCode::kAlreadyExists, "is taken"));
  EXPECT_THAT(Invite(federation_->identity, *federation_->state, {"aggregator"}, kNow, 3600),
              StatusIs(StatusCode::kAlreadyExists, "is taken"));
  EXPECT_THAT(Invite(federation_->identity, *federation_->state, {"Hospital"}, kNow, 3600),
              StatusIs(StatusCode::kInvalidArgument, ""));
  EXPECT_THAT(Invite(federation_->identity, *federation_->state, {"hospital-b"}, kNow, 5),
              StatusIs(StatusCode::kInvalidArgument, "1 minute to 90 days"));
}

TEST_F(Membership, ARemovedMemberIsRefusedAndTheLeaveIsLoggedOnce) {
  HILUM_ASSERT_OK_AND_ASSIGN(const JoinAnswer answer,
                             Join(*federation_, Apply(InviteToken("hospital-a")).fields, kNow));
  HILUM_ASSERT_OK(federation_->state->RequestRemoval({"hospital-a"}));
  HILUM_ASSERT_OK_AND_ASSIGN(const auto left, FinishRemovals(*federation_, kNow));
  EXPECT_EQ(left, std::vector<SiteId>{{"hospital-a"}});
  EXPECT_EQ(federation_->log->LastCheckpoint().size, 3u);
  HILUM_ASSERT_OK(FinishRemovals(*federation_, kNow).status());
  EXPECT_EQ(federation_->log->LastCheckpoint().size, 3u);
  EXPECT_THAT(Authenticate(*federation_, answer.certificate, kNow),
              StatusIs(StatusCode::kPermissionDenied, "not the one of a member"));
}

TEST_F(Membership, AnOldCertificateIsRefused) {
  HILUM_ASSERT_OK_AND_ASSIGN(const JoinAnswer answer,
                             Join(*federation_, Apply(InviteToken("hospital-a")).fields, kNow));
  EXPECT_THAT(Authenticate(*federation_, answer.certificate, kNow + 4000LL * 86'400),
              StatusIs(StatusCode::kPermissionDenied, ""));
}

TEST(InitFederation, LeavesAFolderThatHoldsSomethingAlone) {
  const TempFolder folder;
  HILUM_ASSERT_OK(WriteFileDurably(folder.path() / "letter.txt", AsBytes("dear")));
  EXPECT_THAT(InitFederation({.folder = folder.path(), .federation = "test.example"}),
              StatusIs(StatusCode::kAlreadyExists, "is not empty"));
  EXPECT_THAT(InitFederation({.folder = folder.path() / "new", .federation = "Test Example"}),
              StatusIs(StatusCode::kInvalidArgument, "Test Example"));
}

TEST_F(Membership, ASecondServerOnTheFolderIsRefused) {
  EXPECT_THAT(OpenFederation(folder_), StatusIs(StatusCode::kFailedPrecondition, ""));
  EXPECT_THAT(OpenFederation(temporary_.path() / "nothing"),
              StatusIs(StatusCode::kNotFound, "hilum server init"));
}

TEST_F(Membership, StateOfAnotherVersionIsRefusedWithBothVersions) {
  federation_.reset();
  HILUM_ASSERT_OK_AND_ASSIGN(Bytes file, ReadFile(folder_ / "state.sqlite", 1 << 20));
  file[63] = 99;  // PRAGMA user_version: big-endian at byte 60 of the database's header
  HILUM_ASSERT_OK(WriteFileDurably(folder_ / "state.sqlite", file));
  EXPECT_THAT(OpenFederation(folder_),
              StatusIs(StatusCode::kFailedPrecondition,
                       "was written with state version 99, this is hilum 0.1.0 with state "
                       "version 1"));
}

TEST_F(Membership, ADamagedDatabaseIsNoDatabase) {
  federation_.reset();
  HILUM_ASSERT_OK(WriteFileDurably(folder_ / "state.sqlite", AsBytes("not a database at all")));
  EXPECT_THAT(OpenFederation(folder_), StatusIs(StatusCode::kDataLoss, "not a database"));
}

}  // namespace
}  // namespace hilum::aggregator
