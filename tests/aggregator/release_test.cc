// What a finished job leaves behind: a signed release, and sealed copies of its models.
#include "aggregator/release.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "aggregator/seal.h"
#include "crypto/age.h"
#include "crypto/hash.h"
#include "ledger_anchor/reader.h"
#include "ledger_anchor/release_bundle.h"
#include "tests/aggregator/test_federation.h"
#include "tests/status_matchers.h"

namespace hilum::aggregator {
namespace {

using absl::StatusCode;
using ledger_anchor::ModelRelease;
using ledger_anchor::RoundClose;

constexpr char kJob[] = "cxr-test";

absl::Status PlayJob(TestFederation& federation) {
  const auto sites = federation.AddSites(2);
  proto::RoundPlan plan = MakePlan(kJob, 1000);
  plan.rounds = 1;
  HILUM_RETURN_IF_ERROR(LaunchAndApprove(federation, plan, sites));
  HILUM_RETURN_IF_ERROR(PlayRound(kJob, 1, sites));
  return federation
      .WaitForJob(kJob, [](const wire::JobStatus& status) { return status.state() == "done"; })
      .status();
}

// The one entry of this type.
template <class Body>
Body EntryOf(const TestFederation& federation) {
  const auto view =
      ledger_anchor::VerifyLog(ledger_anchor::FolderFetch(federation.folder() / "ledger/log"), {});
  HILUM_EXPECT_OK(view);
  for (const ledger_anchor::ViewEntry& one : view->entries) {
    if (const auto* body = std::get_if<Body>(&one.entry.body)) return *body;
  }
  ADD_FAILURE() << "no such entry";
  return {};
}

Bytes Fetched(TestFederation& federation, const Digest& digest) {
  const auto bytes = federation.FetchModel(std::string(AsText(digest)));
  HILUM_EXPECT_OK(bytes);
  return bytes.value_or(Bytes());
}

TEST(Release, IsSignedForMembersAndForProgramsThatWeDidNotWrite) {
  TestFederation federation;
  HILUM_ASSERT_OK(PlayJob(federation));
  const auto entry = EntryOf<ModelRelease>(federation);
  ASSERT_TRUE(entry.bundle.has_value());
  const Bytes text = Fetched(federation, *entry.bundle);
  HILUM_ASSERT_OK_AND_ASSIGN(const auto bundle, ledger_anchor::ParseReleaseBundle(AsText(text)));
  EXPECT_EQ(bundle.name, kJob);
  EXPECT_EQ(entry.files, ledger_anchor::FilesDigest(bundle.files));
  const fs::path pinned = federation.folder() / "operator/release.pub";
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string public_pem, ReadTextFile(pinned, 4096));
  HILUM_EXPECT_OK(ledger_anchor::VerifyReleaseBundle(bundle, public_pem));

  const TempFolder folder;
  const fs::path out = folder.path() / "released";
  HILUM_ASSERT_OK(MakeFolder(out));
  for (const ledger_anchor::ReleaseFile& file : bundle.files) {
    HILUM_ASSERT_OK(WriteFileDurably(out / file.name, Fetched(federation, file.sha256)));
  }
  HILUM_ASSERT_OK(WriteFileDurably(out / "model.sig", text));
  HILUM_EXPECT_OK(ledger_anchor::CheckReleaseFolder(bundle, out));
  const std::string command = absl::StrCat(
      HILUM_SOURCE_DIR "/.deps/venv/bin/model_signing verify key ", out.string(), " --signature ",
      (out / "model.sig").string(), " --public_key ", pinned.string(), " >/dev/null 2>&1");
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
  const auto close = EntryOf<RoundClose>(federation);
  EXPECT_EQ(crypto::Sha256(*ReadFile(out / "model.safetensors", 1 << 20)), close.model);
  EXPECT_FALSE(close.object.has_value());
  EXPECT_FALSE(fs::exists(federation.folder() / "sealed"));
  EXPECT_EQ(fs::status(federation.folder() / "keys/release.key").permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
}

TEST(Release, AFederationOfAnOlderVersionGetsAKeyAndKeepsIt) {
  TestFederation federation;
  federation.Stop();
  fs::remove(federation.folder() / "keys/release.key");
  fs::remove(federation.folder() / "operator/release.pub");
  federation.Start();
  const auto read = [&] {
    return ReadTextFile(federation.folder() / "operator/release.pub", 4096).value();
  };
  const std::string made = read();
  federation.Stop();
  federation.Start();
  EXPECT_EQ(read(), made);
}

TEST(Release, AProfileWithoutASizeIsRefusedWhenTheJobIsLaunched) {
  TestFederation federation;
  proto::RoundPlan plan = MakePlan(kJob, 1000);
  plan.model.profile = "round";
  const Digest model = federation.PutModel(MakeModelFile(plan.spec, 1));
  EXPECT_THAT(federation.Launch(plan, model).status(),
              StatusIs(StatusCode::kInvalidArgument, "does not say the size of its films"));
}

TEST(Seal, EachModelHasACopyThatItsRecipientsOpen) {
  const crypto::AgeIdentity identity = crypto::AgeIdentity::Generate();
  ServerOptions options;
  options.seal = true;
  options.recipients = {identity.recipient()};
  TestFederation federation(options);
  HILUM_ASSERT_OK(PlayJob(federation));
  const auto close = EntryOf<RoundClose>(federation);
  ASSERT_TRUE(close.object.has_value());
  const auto sealed = ledger_anchor::Store::OpenForReading(federation.folder() / "sealed");
  HILUM_EXPECT_OK(sealed.Check(*close.object));
  EXPECT_NE(*close.object, close.model);
  const TempFolder folder;
  const fs::path out = folder.path() / "model";
  HILUM_ASSERT_OK(crypto::DecryptAgeFile(identity, sealed.PathOf(*close.object), out, close.model));
  EXPECT_EQ(crypto::Sha256(*ReadFile(out, 1 << 20)), close.model);
  // The program `age` opens it too.
  HILUM_ASSERT_OK(identity.Save(folder.path() / "key"));
  const std::string command =
      absl::StrCat("age -d -i ", (folder.path() / "key").string(), " -o ",
                   (folder.path() / "theirs").string(), " ", sealed.PathOf(*close.object).string());
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(crypto::Sha256(*ReadFile(folder.path() / "theirs", 1 << 20)), close.model);
  // Nothing else is sealed: what replay and sites need stays as it is.
  HILUM_ASSERT_OK_AND_ASSIGN(const auto copies, sealed.List());
  EXPECT_EQ(copies.size(), 1u);
  HILUM_EXPECT_OK(
      ledger_anchor::Store::OpenForReading(federation.folder() / "objects").Check(close.model));
}

TEST(Seal, AStrangerOpensNoCopyAndASealedCopyOfAnotherModelIsNoticed) {
  const crypto::AgeIdentity identity = crypto::AgeIdentity::Generate();
  const TempFolder folder;
  HILUM_ASSERT_OK_AND_ASSIGN(const auto store,
                             ledger_anchor::Store::Open(folder.path() / "sealed"));
  const Bytes model(100000, 7);
  HILUM_ASSERT_OK_AND_ASSIGN(const Digest object, Seal(store, {identity.recipient()}, model));
  const fs::path out = folder.path() / "out";
  EXPECT_THAT(crypto::DecryptAgeFile(crypto::AgeIdentity::Generate(), store.PathOf(object), out,
                                     crypto::Sha256(model)),
              StatusIs(StatusCode::kPermissionDenied, "is none of them"));
  EXPECT_THAT(crypto::DecryptAgeFile(identity, store.PathOf(object), out, crypto::Sha256("other")),
              StatusIs(StatusCode::kDataLoss, "expected is"));
  EXPECT_FALSE(fs::exists(out));
}

TEST(Seal, IsForActiveMembersAndTheConfiguredEachOnce) {
  const crypto::AgeRecipient a = crypto::AgeIdentity::Generate().recipient();
  const crypto::AgeRecipient b = crypto::AgeIdentity::Generate().recipient();
  ledger_anchor::Members members;
  EXPECT_THAT(SealRecipients(members, {}),
              StatusIs(StatusCode::kFailedPrecondition, "nobody could open them"));
  const auto join = [&](const std::string& name, uint8_t seed, const crypto::AgeRecipient& who) {
    ledger_anchor::Join body{.member = name,
                             .role = "site",
                             .entry_key = crypto::SigningKey::FromSeed({seed}).public_key(),
                             .witness_vkey = std::nullopt,
                             .age_recipient = crypto::FormatAgeRecipient(who),
                             .cert = std::nullopt,
                             .member_sig = {}};
    members.Apply(seed, {.by = "aggregator", .t = 1, .study = "", .body = body});
  };
  join("hospital-a", 1, a);
  join("hospital-b", 2, b);
  HILUM_ASSERT_OK_AND_ASSIGN(auto recipients, SealRecipients(members, {b, b}));
  std::vector<crypto::AgeRecipient> both = {a, b};
  std::sort(both.begin(), both.end());
  EXPECT_EQ(recipients, both);
  members.Apply(3, {.by = "aggregator",
                    .t = 1,
                    .study = "",
                    .body = ledger_anchor::Leave{"hospital-b", "removed", 0}});
  HILUM_ASSERT_OK_AND_ASSIGN(recipients, SealRecipients(members, {}));
  EXPECT_EQ(recipients, std::vector<crypto::AgeRecipient>{a});
}

TEST(Seal, AServerThatNobodyCouldOpenDoesNotStart) {
  TestFederation federation;
  federation.Stop();
  HILUM_ASSERT_OK_AND_ASSIGN(auto opened, OpenFederation(federation.folder()));
  ServerOptions options;
  options.seal = true;
  EXPECT_THAT(Server::Create(std::move(opened), options).status(),
              StatusIs(StatusCode::kInvalidArgument, "[store] recipients"));
  federation.Start();
}

}  // namespace
}  // namespace hilum::aggregator
