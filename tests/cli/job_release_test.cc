#include "cli/job_release.h"

#include "crypto/certificate.h"
#include "crypto/dsse.h"
#include "crypto/tree.h"
#include "ledger_anchor/checkpoint.h"
#include "ledger_anchor/entry.h"
#include "ledger_anchor/proof.h"
#include "ledger_anchor/release_bundle.h"
#include "tests/cli/job_fixture.h"

namespace hilum::cli {
namespace {

using absl::StatusCode;

constexpr char kOrigin[] = "demo.example/ledger";

// A log of two entries, the second of which is the release, and a server that gives its files.
class ReleaseOfAJob : public testing::Test {
 protected:
  ReleaseOfAJob() {
    credentials_.origin = kOrigin;
    credentials_.log_vkey = ledger_anchor::FormatVerifierKey(ledger_anchor::MakeVerifierKey(
        kOrigin, ledger_anchor::KeyType::kEd25519, log_key_.public_key()));
    credentials_.entry_key = crypto::ToBase64(entry_key_.public_key());
    credentials_.release_key = crypto::P256PublicPem(release_key_).value();
    Put("model.safetensors", SmallModel({1, 2, 3, 4, 5, 6, 7, 8}, "2"));
    Put("model.json", Json(2));
    Put("MODEL_CARD.md", "# Model card\n");
    Sign();
  }

  std::string Json(uint64_t round) const {
    return proto::ModelDescriptionToJson(
        proto::DescribeModel(SmallPlan(),
                             {.round = round,
                              .origin = kOrigin,
                              .sha256 = crypto::Sha256(named_.at("model.safetensors"))})
            .value());
  }
  void Put(const std::string& name, const Bytes& file) { named_[name] = file; }
  void Put(const std::string& name, const std::string& text) {
    Put(name, Bytes(text.begin(), text.end()));
  }
  // Signs what is there and makes the entry that names it.
  void Sign(const std::string& name = "cxr-demo") {
    std::vector<ledger_anchor::ReleaseFile> files;
    for (const auto& [file, bytes] : named_) {
      if (file != "model.sig") files.push_back({.name = file, .sha256 = crypto::Sha256(bytes)});
    }
    const std::string text = ledger_anchor::SignRelease(name, files, release_key_).value();
    Put("model.sig", text);
    release_.name = "cxr-demo";
    release_.version = "2";
    release_.licence = "LicenseRef-research-use-only";
    release_.bundle = crypto::Sha256(text);
    release_.files =
        ledger_anchor::FilesDigest(ledger_anchor::ParseReleaseBundle(text).value().files);
    release_.objects = {.n = 1, .items = {crypto::Sha256(named_["model.safetensors"])}};
  }
  absl::StatusOr<ProvenRelease> Check(uint64_t round = 2) const {
    const ledger_anchor::Entry entry{
        .by = "aggregator", .t = 1767000000, .study = "cxr-demo", .body = release_};
    const std::string text = ledger_anchor::SignEntry(entry, kOrigin, entry_key_).value();
    const Digest first = crypto::LeafHash(AsBytes("first"));
    crypto::TreeHasher tree;
    tree.AddLeafHash(first);
    tree.Add(AsBytes(text));
    ledger_anchor::TlogProof proof;
    proof.extra = text;
    proof.index = 1;
    proof.hashes = {first};
    proof.checkpoint = ledger_anchor::SignCheckpoint(
        {.origin = kOrigin, .size = 2, .root = tree.Root()}, log_key_);
    return CheckReleaseProof(credentials_, {.job = "cxr-demo",
                                            .round = round,
                                            .proof = ledger_anchor::FormatTlogProof(proof),
                                            .now_s = 1767000100});
  }
  absl::Status Write() {
    HILUM_ASSIGN_OR_RETURN(const ProvenRelease proven, Check());
    const FetchFile fetch = [this](const Digest& digest,
                                   uint64_t limit_bytes) -> absl::StatusOr<Bytes> {
      for (const auto& [name, file] : named_) {
        if (crypto::Sha256(file) != digest) continue;
        if (file.size() > limit_bytes) return absl::ResourceExhaustedError(name);
        return sent_.contains(name) ? sent_[name] : file;
      }
      return absl::NotFoundError("no such file");
    };
    return WriteReleaseFolder(out(), SmallPlan(), proven, credentials_, fetch).status();
  }
  fs::path out() const { return folder_.path() / "released"; }

  const crypto::SigningKey log_key_ = crypto::SigningKey::FromSeed({1});
  const crypto::SigningKey entry_key_ = crypto::SigningKey::FromSeed({2});
  const std::string release_key_ = crypto::MakeTlsKey().value();
  LeadCredentials credentials_;
  std::map<std::string, Bytes> named_;  // what the server has
  std::map<std::string, Bytes> sent_;   // what it sends instead
  ledger_anchor::ModelRelease release_;
  TestFolder folder_;
};

TEST_F(ReleaseOfAJob, BecomesAFolderWithItsSignature) {
  HILUM_ASSERT_OK(Write());
  for (const auto& [name, file] : named_) {
    EXPECT_EQ(ReadFile(out() / name, 1 << 20).value(), file) << name;
  }
  EXPECT_TRUE(fs::exists(out() / "round.tlog-proof"));
  EXPECT_TRUE(fs::exists(out() / "policy"));
  HILUM_EXPECT_OK(Write());  // again
}

TEST_F(ReleaseOfAJob, OfAnOlderServerHasNoSignature) {
  release_.bundle.reset();
  EXPECT_THAT(Check(), StatusIs(StatusCode::kNotFound, "names no signature"));
}

TEST_F(ReleaseOfAJob, IsOfTheRoundThatWasAskedFor) {
  EXPECT_THAT(Check(3), StatusIs(StatusCode::kDataLoss, "not the release of round 3"));
}

TEST_F(ReleaseOfAJob, NeedsEachFileAsItWasSigned) {
  for (const std::string name : {"model.safetensors", "model.json", "MODEL_CARD.md", "model.sig"}) {
    sent_ = {{name, named_[name]}};
    sent_[name].back() ^= 1;
    EXPECT_THAT(Write(), StatusIs(StatusCode::kDataLoss, name)) << name;
    EXPECT_FALSE(fs::exists(out())) << name;
  }
}

TEST_F(ReleaseOfAJob, NeedsThePinnedKey) {
  credentials_.release_key = crypto::P256PublicPem(crypto::MakeTlsKey().value()).value();
  EXPECT_THAT(Write(), StatusIs(StatusCode::kDataLoss, "signed by the key with the hint"));
  EXPECT_FALSE(fs::exists(out()));
  credentials_.release_key.clear();  // then the ledger alone names the signature
  HILUM_EXPECT_OK(Write());
}

TEST_F(ReleaseOfAJob, NeedsTheFilesThatTheLedgerNames) {
  release_.files[0] ^= 1;
  EXPECT_THAT(Write(), StatusIs(StatusCode::kDataLoss, "other files than the ledger"));
  Sign();
  release_.objects.items[0][0] ^= 1;
  EXPECT_THAT(Write(), StatusIs(StatusCode::kDataLoss, "does not name"));
  Sign("another-job");
  EXPECT_THAT(Write(), StatusIs(StatusCode::kDataLoss, "is of another-job"));
}

TEST_F(ReleaseOfAJob, NeedsADescriptionThatAgreesWithThePlan) {
  Put("model.json", Json(3));
  Sign();
  EXPECT_THAT(Write(), StatusIs(StatusCode::kDataLoss, "does not say what the job's plan"));
  named_.erase("model.json");
  Sign();
  EXPECT_THAT(Write(), StatusIs(StatusCode::kDataLoss, "does not sign"));
}

TEST_F(ReleaseOfAJob, TakesNoFolderThatHoldsSomethingElse) {
  HILUM_ASSERT_OK(MakeFolder(out()));
  HILUM_ASSERT_OK(WriteFileDurably(out() / "notes.txt", AsBytes("mine")));
  EXPECT_THAT(Write(), StatusIs(StatusCode::kInvalidArgument, "holds notes.txt"));
  EXPECT_FALSE(fs::exists(out() / "model.sig"));
}

}  // namespace
}  // namespace hilum::cli
