// A released model folder: what passes the gate, and each thing that does not.
#include "tests/client/release.h"

#include "absl/strings/str_replace.h"
#include "client/pins.h"
#include "crypto/certificate.h"
#include "crypto/dsse.h"
#include "ledger_anchor/release_bundle.h"
#include "tests/client/films.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

using absl::StatusCode;

class ReleaseTest : public ::testing::Test {
 protected:
  void SetUp() override { MakeRelease(release_); }

  void Replace(const char* file, const std::string& from, const std::string& to) {
    const std::string text = ReadText(release_.folder / file);
    ASSERT_NE(text.find(from), std::string::npos) << from;
    WriteText(release_.folder / file, absl::StrReplaceAll(text, {{from, to}}));
  }
  void Flip(const char* file, size_t at_from_end) {
    std::string text = ReadText(release_.folder / file);
    text[text.size() - at_from_end] ^= 1;
    WriteText(release_.folder / file, text);
  }

  Release release_;
};

TEST_F(ReleaseTest, AProvenModelPasses) {
  HILUM_ASSERT_OK_AND_ASSIGN(const VerifiedModel model, Admit(release_));
  EXPECT_EQ(model.sha256(), crypto::Sha256(release_.site.base));
  EXPECT_EQ(model.round(), 1u);
  EXPECT_EQ(model.classes(), (std::vector<std::string>{"normal", "pneumonia"}));
  EXPECT_EQ(model.origin(), ledger_anchor::Federation::kOrigin);
  EXPECT_EQ(model.entry_index(), release_.site.close_index);
  EXPECT_EQ(model.input_size(), 96);
  EXPECT_TRUE(model.quorum_none());
}

TEST_F(ReleaseTest, AModelReleaseProvesItToo) {
  Release release;
  MakeRelease(release, /*by_release=*/true);
  HILUM_ASSERT_OK(Admit(release));
}

// A release by model-release: model.sig belongs to it.
class SignedReleaseTest : public ReleaseTest {
 protected:
  void SetUp() override { MakeRelease(release_, /*by_release=*/true); }
};

TEST_F(SignedReleaseTest, SaysHowFarItsSignatureWasChecked) {
  EXPECT_EQ(Admit(release_)->signature(), ReleaseSignature::kNamed);
  release_.pins.release_key = crypto::P256PublicPem(release_.release_key).value();
  EXPECT_EQ(Admit(release_)->signature(), ReleaseSignature::kVerified);
  release_.pins.release_key = crypto::P256PublicPem(crypto::MakeTlsKey().value()).value();
  EXPECT_THAT(Admit(release_), StatusIs(StatusCode::kDataLoss, "signed by the key"));
}

TEST_F(SignedReleaseTest, AChangedByteOfAnyFileIsDataLoss) {
  Flip("model.safetensors", 5);
  EXPECT_THAT(Admit(release_), StatusIs(StatusCode::kDataLoss, "says that model.safetensors"));
  Flip("model.safetensors", 5);
  Replace("model.json", "Research", "research");
  EXPECT_THAT(Admit(release_), StatusIs(StatusCode::kDataLoss, "says that model.json"));
  Replace("model.json", "research use only", "Research use only");
  HILUM_EXPECT_OK(Admit(release_));
  Flip("model.sig", 50);
  EXPECT_THAT(Admit(release_), StatusIs(StatusCode::kDataLoss, "model.sig has the SHA-256"));
}

TEST_F(SignedReleaseTest, AnotherSignatureOfTheSameFilesIsNotTheOneThatTheLedgerNames) {
  const auto named =
      ledger_anchor::ParseReleaseBundle(ReadText(release_.folder / "model.sig")).value();
  WriteText(
      release_.folder / "model.sig",
      ledger_anchor::SignRelease(named.name, named.files, crypto::MakeTlsKey().value()).value());
  EXPECT_THAT(Admit(release_), StatusIs(StatusCode::kDataLoss, "the ledger says"));
}

TEST_F(SignedReleaseTest, AMissingSignatureOrAFileTooManyIsDataLoss) {
  WriteText(release_.folder / "extra.bin", "x");
  EXPECT_THAT(Admit(release_), StatusIs(StatusCode::kDataLoss, "does not name extra.bin"));
  fs::remove(release_.folder / "extra.bin");
  fs::remove(release_.folder / "model.sig");
  EXPECT_THAT(Admit(release_), StatusIs(StatusCode::kDataLoss, "names model.sig"));
}

TEST_F(ReleaseTest, ASignatureThatTheLedgerDoesNotNameIsDataLoss) {
  EXPECT_EQ(Admit(release_)->signature(), ReleaseSignature::kNone);
  WriteText(release_.folder / "model.sig", "anything");
  EXPECT_THAT(Admit(release_), StatusIs(StatusCode::kDataLoss, "does not name"));
}

TEST_F(ReleaseTest, OneChangedByteOfTheModelIsDataLoss) {
  Flip("model.safetensors", 5);
  EXPECT_THAT(Admit(release_), StatusIs(StatusCode::kDataLoss, "the ledger's entry names"));
}

TEST_F(ReleaseTest, OneChangedByteOfTheProofIsDataLoss) {
  for (const size_t at : {size_t{3}, size_t{60}, size_t{150}}) {
    Flip("round.tlog-proof", at);
    EXPECT_THAT(Admit(release_), StatusIs(StatusCode::kDataLoss, "")) << at;
    Flip("round.tlog-proof", at);
    HILUM_EXPECT_OK(Admit(release_));
  }
}

TEST_F(ReleaseTest, AChangedHashOfThePathIsDataLoss) {
  std::string text = ReadText(release_.folder / "round.tlog-proof");
  const size_t hash = text.find('\n', text.find("index ")) + 1;
  text[hash] = text[hash] == 'A' ? 'B' : 'A';
  WriteText(release_.folder / "round.tlog-proof", text);
  EXPECT_THAT(Admit(release_), StatusIs(StatusCode::kDataLoss, ""));
}

TEST_F(ReleaseTest, SwappedClassNamesAreDataLoss) {
  std::string text = ReadText(release_.folder / "model.json");
  text = absl::StrReplaceAll(text, {{"normal", "@"}, {"pneumonia", "normal"}});
  WriteText(release_.folder / "model.json", absl::StrReplaceAll(text, {{"@", "pneumonia"}}));
  EXPECT_THAT(Admit(release_), StatusIs(StatusCode::kDataLoss, "classes"));
}

TEST_F(ReleaseTest, ALoweredAgeLimitIsDataLoss) {
  Replace("model.json", "\"min_age_years\": ", "\"min_age_years\": 1");
  EXPECT_THAT(Admit(release_), StatusIs(StatusCode::kDataLoss, "min_age_years"));
}

TEST_F(ReleaseTest, LayersThatStayInTheDescriptionAloneAreDataLoss) {
  Replace("model.json",
          "\"min_age_years\": ", "\"local_layers\": [\"head.*\"], \"min_age_years\": ");
  EXPECT_THAT(Admit(release_), StatusIs(StatusCode::kDataLoss, "says local_layers \"head.*\""));
}

TEST_F(ReleaseTest, AnotherRoundOrJobInTheDescriptionIsDataLoss) {
  Replace("model.json", "\"round\": 1", "\"round\": 2");
  EXPECT_THAT(Admit(release_), StatusIs(StatusCode::kDataLoss, "round"));
  Replace("model.json", "\"round\": 2", "\"round\": 1");
  Replace("model.json", "cxr-1", "cxr-2");
  EXPECT_THAT(Admit(release_), StatusIs(StatusCode::kDataLoss, "job"));
}

TEST_F(ReleaseTest, TheProofOfAnotherLedgerIsDataLoss) {
  // The same folder as another log with the same name would prove it.
  const crypto::SigningKey other = crypto::SigningKey::Generate();
  const ledger_anchor::VerifierKey log = ledger_anchor::MakeVerifierKey(
      ledger_anchor::Federation::kOrigin, ledger_anchor::KeyType::kEd25519, other.public_key());
  release_.pins.policy =
      ledger_anchor::ParsePolicy(ledger_anchor::MakePolicyWithoutWitnesses(log)).value();
  EXPECT_THAT(Admit(release_), StatusIs(StatusCode::kDataLoss, ""));
}

TEST_F(ReleaseTest, AnEntryOfAnotherAggregatorIsDataLoss) {
  release_.pins.entry_key = crypto::SigningKey::Generate().public_key();
  EXPECT_THAT(Admit(release_), StatusIs(StatusCode::kDataLoss, ""));
  release_.pins.entry_key.reset();  // then the log's word is enough
  HILUM_EXPECT_OK(Admit(release_));
}

TEST_F(ReleaseTest, TheProofOfAnOpeningProvesNoModel) {
  WriteText(release_.folder / "round.tlog-proof", release_.site.Proof(release_.site.open_index));
  EXPECT_THAT(Admit(release_), StatusIs(StatusCode::kDataLoss, "round-open"));
}

TEST_F(ReleaseTest, AnAbortedRoundProvesNoModel) {
  Release release;
  release.site.OpenRound();
  ledger_anchor::Entry entry = release.site.federation.CloseDraft("aborted");
  const size_t index = release.site.federation.texts.size();
  release.site.federation.Add(entry);
  WriteText(release_.folder / "round.tlog-proof", release.site.Proof(index));
  EXPECT_THAT(Admit(release_), StatusIs(StatusCode::kDataLoss, "was aborted"));
}

TEST_F(ReleaseTest, AMissingFileIsNamed) {
  fs::remove(release_.folder / "round.tlog-proof");
  EXPECT_THAT(
      Admit(release_),
      StatusIs(StatusCode::kNotFound, "round.tlog-proof is missing, the ledger's proof, without"));
}

TEST_F(ReleaseTest, PinsComeFromASiteAPolicyOrAKey) {
  const std::string vkey = ledger_anchor::FormatVerifierKey(release_.site.federation.LogVkey());
  const std::string key = crypto::ToBase64(*release_.pins.entry_key);
  const PinSource sources[] = {{.site = release_.site.folder.root.string()},
                               {.policy = (release_.folder / "policy").string()},
                               {.policy = (release_.folder / "policy").string(), .entry_key = key},
                               {.trust_log = vkey},
                               {.trust_log = vkey, .entry_key = key}};
  for (const PinSource& source : sources) {
    HILUM_ASSERT_OK_AND_ASSIGN(const ReleasePins pins, ReadPins(source));
    EXPECT_EQ(pins.entry_key.has_value(), !source.site.empty() || !source.entry_key.empty());
    HILUM_EXPECT_OK(LedgerGate::AdmitRelease(release_.folder, pins, 1767000500));
  }
}

TEST_F(ReleaseTest, WithoutPinsNothingIsBelieved) {
  EXPECT_THAT(ReadPins({}), StatusIs(StatusCode::kInvalidArgument, "--policy"));
  EXPECT_THAT(ReadPins({.site = "a", .policy = "b"}),
              StatusIs(StatusCode::kInvalidArgument, "several ledgers"));
  EXPECT_THAT(ReadPins({.trust_log = "x"}), StatusIs(StatusCode::kInvalidArgument, ""));
  EXPECT_THAT(ReadPins({.site = "/nowhere"}), StatusIs(StatusCode::kNotFound, ""));
}

// The gate of a site: no rollback, no fork, whatever the entry says.
class RollbackTest : public ::testing::Test {
 protected:
  ProveConsistency Prover() {
    return [this](uint64_t old_size, uint64_t size) -> absl::StatusOr<ledger_anchor::HashList> {
      if (is_cut_) return absl::InvalidArgumentError("the log has fewer entries");
      if (size > site_.federation.texts.size()) return ledger_anchor::HashList{};
      return site_.Consistency(old_size, size);
    };
  }
  absl::Status Check(const std::string& proof, const char* type, uint64_t round) {
    HILUM_ASSIGN_OR_RETURN(LedgerGate gate, LedgerGate::Open(site_.folder.ledger(), {}));
    return gate.CheckEntry(proof, {type, site_.plan.job, round}, Prover(), 1767000500).status();
  }
  RoundSite site_{1};
  bool is_cut_ = false;
};

TEST_F(RollbackTest, ASmallerLedgerIsRefused) {
  site_.OpenRound();
  const std::string early = site_.Proof(site_.open_index);
  site_.CloseRound();
  HILUM_ASSERT_OK(Check(early, "round-open", 1));
  HILUM_ASSERT_OK(Check(site_.Proof(site_.close_index), "round-close", 1));
  HILUM_ASSERT_OK(Check(site_.Proof(site_.open_index), "round-open", 1));
  // Made before: not believed, and no accusation either, as the log shows that it went on.
  EXPECT_THAT(Check(early, "round-open", 1), StatusIs(StatusCode::kUnavailable, "older state"));
  // A log that was cut back to it cannot show that.
  is_cut_ = true;
  EXPECT_THAT(Check(early, "round-open", 1),
              StatusIs(StatusCode::kDataLoss, "both signed notes are kept"));
  // Nor can one that shows a state of another history.
  is_cut_ = false;
  RoundSite other(1);
  privacy::RoundConfig config = other.Config();
  config.audit_days += 1;
  other.OpenRoundWith(config);
  EXPECT_THAT(Check(other.Proof(other.open_index), "round-open", 1),
              StatusIs(StatusCode::kDataLoss, "both signed notes are kept"));
}

TEST_F(RollbackTest, WhatAnotherGateOfTheSiteHasAcceptedCounts) {
  HILUM_ASSERT_OK_AND_ASSIGN(LedgerGate gate, LedgerGate::Open(site_.folder.ledger(), {}));
  site_.OpenRound();
  const std::string early = site_.Proof(site_.open_index);
  site_.CloseRound();
  HILUM_ASSERT_OK(Check(site_.Proof(site_.close_index), "round-close", 1));
  EXPECT_TRUE(gate.IsOlder(early));
  EXPECT_FALSE(gate.IsOlder(site_.Proof(site_.close_index)));
  const std::string accepted = ReadText(site_.folder.ledger() / "checkpoint");
  EXPECT_THAT(gate.CheckEntry(early, {"round-open", site_.plan.job, 1}, Prover(), 1767000500),
              StatusIs(StatusCode::kUnavailable, "older state"));
  EXPECT_EQ(ReadText(site_.folder.ledger() / "checkpoint"), accepted);
}

TEST_F(RollbackTest, AForkIsRefused) {
  site_.OpenRound();
  HILUM_ASSERT_OK(Check(site_.Proof(site_.open_index), "round-open", 1));
  // The same log key signs another history of the same size.
  RoundSite other(1);
  privacy::RoundConfig config = other.Config();
  config.audit_days += 1;
  other.OpenRoundWith(config);
  EXPECT_THAT(Check(other.Proof(other.open_index), "round-open", 1),
              StatusIs(StatusCode::kDataLoss, "both signed notes are kept"));
  std::string evidence;
  for (const auto& file : fs::directory_iterator(site_.folder.ledger())) {
    if (file.path().extension() == ".txt") evidence = ReadText(file.path());
  }
  const std::string ours = site_.Proof(site_.open_index), theirs = other.Proof(other.open_index);
  const auto note_of = [](const std::string& proof) {
    return proof.substr(proof.find(ledger_anchor::Federation::kOrigin));
  };
  EXPECT_NE(evidence.find(note_of(ours)), std::string::npos);
  EXPECT_NE(evidence.find(note_of(theirs)), std::string::npos);
  // And one that is larger.
  other.CloseRound();
  EXPECT_THAT(Check(other.Proof(other.close_index), "round-close", 1),
              StatusIs(StatusCode::kDataLoss, ""));
}

}  // namespace
}  // namespace hilum::client
