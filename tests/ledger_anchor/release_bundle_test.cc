#include "ledger_anchor/release_bundle.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "crypto/base64.h"
#include "crypto/certificate.h"
#include "crypto/dsse.h"
#include "tests/ledger_anchor/federation.h"
#include "tests/status_matchers.h"

namespace hilum::ledger_anchor {
namespace {

using absl::StatusCode;

// A release of three files, signed, with a proof and a policy beside it.
class SignedRelease : public ::testing::Test {
 protected:
  SignedRelease()
      : key_(crypto::MakeTlsKey().value()), public_pem_(crypto::P256PublicPem(key_).value()) {
    HILUM_EXPECT_OK(MakeFolder(release()));
    Write("model.safetensors", std::string(3000000, 'w'));
    Write("model.json", "{}\n");
    Write("MODEL_CARD.md", "# A model\n");
    Write("../release.pub", public_pem_);
    text_ = SignRelease("cxr-1",
                        {{"model.safetensors", crypto::Sha256(std::string(3000000, 'w'))},
                         {"model.json", crypto::Sha256("{}\n")},
                         {"MODEL_CARD.md", crypto::Sha256("# A model\n")}},
                        key_)
                .value();
    Write("model.sig", text_);
    Write("round.tlog-proof", "made later\n");
    Write("policy", "the reader's own\n");
  }

  fs::path release() const { return folder_.path() / "released"; }
  void Write(const std::string& name, const std::string& text) const {
    HILUM_EXPECT_OK(WriteFileDurably(release() / name, AsBytes(text)));
  }
  absl::Status Check() const {
    HILUM_ASSIGN_OR_RETURN(const std::string text,
                           ReadTextFile(release() / "model.sig", kBundleTextLimitBytes));
    HILUM_ASSIGN_OR_RETURN(const ReleaseBundle bundle, ParseReleaseBundle(text));
    HILUM_RETURN_IF_ERROR(VerifyReleaseBundle(bundle, public_pem_));
    return CheckReleaseFolder(bundle, release());
  }
  // What the program model_signing says: it is in .deps/venv (tools/dependencies.txt).
  bool ModelSigningAccepts() const {
    const std::string command =
        absl::StrCat(HILUM_SOURCE_DIR "/.deps/venv/bin/model_signing verify key ",
                     release().string(), " --signature ", (release() / "model.sig").string(),
                     " --public_key ", (folder_.path() / "release.pub").string(), " >",
                     (folder_.path() / "answer").string(), " 2>&1");
    return std::system(command.c_str()) == 0;
  }

  TemporaryFolder folder_;
  std::string key_, public_pem_, text_;
};

TEST_F(SignedRelease, IsAcceptedByModelSigningAndByUs) {
  HILUM_EXPECT_OK(Check());
  EXPECT_TRUE(ModelSigningAccepts()) << ReadTextFile(folder_.path() / "answer", 1 << 20).value();
}

TEST_F(SignedRelease, FailsBothWhenAByteOfAnyFileChanges) {
  ASSERT_TRUE(ModelSigningAccepts());
  for (const std::string name : {"model.safetensors", "model.json", "MODEL_CARD.md"}) {
    HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, ReadTextFile(release() / name, 4000000));
    std::string changed = text;
    changed[changed.size() / 2] ^= 1;
    Write(name, changed);
    EXPECT_THAT(Check(), StatusIs(StatusCode::kDataLoss, name)) << name;
    EXPECT_FALSE(ModelSigningAccepts()) << name;
    fs::remove(release() / name);
    EXPECT_THAT(Check(), StatusIs(StatusCode::kDataLoss, "is missing")) << name;
    EXPECT_FALSE(ModelSigningAccepts()) << name;
    Write(name, text);
  }
  HILUM_EXPECT_OK(Check());
}

TEST_F(SignedRelease, FailsBothWhenAFileIsAddedOrIsALink) {
  Write("pickle.bin", "code");
  EXPECT_THAT(Check(), StatusIs(StatusCode::kDataLoss, "does not name pickle.bin"));
  EXPECT_FALSE(ModelSigningAccepts());
  fs::remove(release() / "pickle.bin");
  fs::rename(release() / "model.json", folder_.path() / "elsewhere");
  fs::create_symlink(folder_.path() / "elsewhere", release() / "model.json");
  EXPECT_THAT(Check(), StatusIs(StatusCode::kDataLoss, "not a regular file"));
  EXPECT_FALSE(ModelSigningAccepts());
}

TEST_F(SignedRelease, FailsBothUnderAnotherKey) {
  const std::string other = crypto::P256PublicPem(crypto::MakeTlsKey().value()).value();
  HILUM_ASSERT_OK_AND_ASSIGN(ReleaseBundle bundle, ParseReleaseBundle(text_));
  EXPECT_THAT(VerifyReleaseBundle(bundle, other),
              StatusIs(StatusCode::kDataLoss, "signed by the key with the hint"));
  bundle.key_hint = crypto::Sha256(other);
  EXPECT_THAT(VerifyReleaseBundle(bundle, other),
              StatusIs(StatusCode::kDataLoss, "not of the release key"));
  Write("../release.pub", other);
  EXPECT_FALSE(ModelSigningAccepts());
}

TEST_F(SignedRelease, HasOneSpelling) {
  HILUM_ASSERT_OK_AND_ASSIGN(const ReleaseBundle bundle, ParseReleaseBundle(text_));
  EXPECT_EQ(bundle.name, "cxr-1");
  ASSERT_EQ(bundle.files.size(), 3u);
  EXPECT_EQ(bundle.files[0].name, "MODEL_CARD.md");
  EXPECT_EQ(bundle.files[2].name, "model.safetensors");
  Bytes digests;
  for (const ReleaseFile& file : bundle.files) AppendBytes(digests, file.sha256);
  EXPECT_EQ(FilesDigest(bundle.files), crypto::Sha256(digests));
  for (const std::string& text :
       {" " + text_, text_ + "\n", text_.substr(0, text_.size() - 1), std::string("{}\n"),
        std::string("[]\n"), std::string("null"), std::string(1 << 17, '['), std::string(),
        absl::StrReplaceAll(text_, {{"v0.3", "v0.2"}}),
        absl::StrReplaceAll(text_, {{"\"keyid\":\"\"", "\"keyid\":\"a\""}}),
        absl::StrReplaceAll(text_, {{"tlogEntries", "tlog"}}),
        absl::StrReplaceAll(text_, {{"\"payload\"", "\"payload\":\"\",\"payload\""}})}) {
    EXPECT_THAT(ParseReleaseBundle(text), StatusIs(StatusCode::kDataLoss, "release bundle"))
        << text.substr(0, 100);
  }
}

TEST_F(SignedRelease, ItsStatementHasOneSpellingToo) {
  HILUM_ASSERT_OK_AND_ASSIGN(const ReleaseBundle bundle, ParseReleaseBundle(text_));
  const auto with = [&](const std::string& payload) {
    return absl::StrReplaceAll(text_, {{crypto::Base64Encode(AsBytes(bundle.payload)),
                                        crypto::Base64Encode(AsBytes(payload))}});
  };
  HILUM_EXPECT_OK(ParseReleaseBundle(with(bundle.payload)));
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"model.json", "../m.json"},
           {"model.json", "model.sig"},
           {"model.json", "a/b"},
           {"model.json", "model.safetensors"},
           {"MODEL_CARD.md", "zzz"},
           {"\"policy\"", "\"policy\",\"model.json\""},
           {"allow_symlinks\":false", "allow_symlinks\":true"},
           {"cxr-1", "cxr 1"},
           {"sha256", "blake3"},
           {ToHex(bundle.files[1].sha256), ToHex(bundle.files[0].sha256)}}) {
    const std::string payload = absl::StrReplaceAll(bundle.payload, {{from, to}});
    ASSERT_NE(payload, bundle.payload) << from;
    EXPECT_THAT(ParseReleaseBundle(with(payload)),
                StatusIs(StatusCode::kDataLoss, "release bundle"))
        << from << " " << to;
  }
}

TEST_F(SignedRelease, HasNamesAndALimit) {
  const Digest digest = crypto::Sha256("x");
  for (const std::vector<ReleaseFile>& files :
       {std::vector<ReleaseFile>(), std::vector<ReleaseFile>{{"a", digest}, {"a", digest}},
        std::vector<ReleaseFile>{{".a", digest}}, std::vector<ReleaseFile>{{"a/b", digest}},
        std::vector<ReleaseFile>{{"policy", digest}},
        std::vector<ReleaseFile>{{std::string(65, 'a'), digest}}}) {
    EXPECT_THAT(SignRelease("m", files, key_), StatusIs(StatusCode::kInvalidArgument, "release"));
  }
  std::vector<ReleaseFile> many;
  for (size_t i = 0; i <= kReleaseFileLimit; ++i) many.push_back({absl::StrCat("f", i), digest});
  EXPECT_THAT(SignRelease("m", many, key_),
              StatusIs(StatusCode::kInvalidArgument, "1 to 16 are possible"));
  many.pop_back();
  HILUM_EXPECT_OK(SignRelease("m", many, key_));
  EXPECT_FALSE(SignRelease("", many, key_).ok());
}

}  // namespace
}  // namespace hilum::ledger_anchor
