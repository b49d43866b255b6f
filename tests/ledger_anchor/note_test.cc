#include "ledger_anchor/note.h"

#include <gtest/gtest.h>

#include "crypto/base64.h"
#include "ledger_anchor/cosign.h"
#include "tests/crypto/vector_file.h"
#include "tests/status_matchers.h"

namespace hilum::ledger_anchor {
namespace {

using absl::StatusCode;
using Json = nlohmann::json;

TEST(VerifierKey, AgreesWithTheVectors) {
  const Json file = ReadVectors("ledger/note_vkeys.json");
  for (const Json& vector : file.at("good")) {
    const std::string vkey = vector.at("vkey").get<std::string>();
    HILUM_ASSERT_OK_AND_ASSIGN(const VerifierKey key, ParseVerifierKey(vkey));
    EXPECT_EQ(FormatVerifierKey(key), vkey);
  }
  for (const char* kind : {"bad", "upstream_accepts_but_key_id_wrong"}) {
    for (const Json& vector : file.at(kind)) {
      EXPECT_THAT(ParseVerifierKey(vector.at("vkey").get<std::string>()),
                  StatusIs(StatusCode::kInvalidArgument, ""))
          << vector;
    }
  }
}

TEST(VerifierKey, OfMlDsa44IsParsed) {
  const Json file = ReadVectors("ledger/generated_mldsa44_cosignature.json");
  const std::string vkey = file.at("vkey").get<std::string>();
  HILUM_ASSERT_OK_AND_ASSIGN(const VerifierKey key, ParseVerifierKey(vkey));
  EXPECT_EQ(key.type, KeyType::kMlDsa44);
  EXPECT_EQ(FormatVerifierKey(key), vkey);
}

TEST(VerifierKey, TakesOneSpellingOnly) {
  const VerifierKey key = MakeVerifierKey("fl.example/ledger", KeyType::kEd25519,
                                          crypto::SigningKey::FromSeed({1}).public_key());
  const std::string good = FormatVerifierKey(key);
  HILUM_EXPECT_OK(ParseVerifierKey(good));
  const size_t plus = good.find('+');
  std::string upper = good;
  for (size_t i = plus + 1; i < plus + 9; ++i) upper[i] = static_cast<char>(std::toupper(upper[i]));
  for (const std::string& bad : std::vector<std::string>{
           good + "\n", good + "=", " " + good, "x" + good, good.substr(0, good.size() - 1),
           good.substr(plus), upper, std::string(), std::string("+"), std::string("++")}) {
    EXPECT_FALSE(bad != good && ParseVerifierKey(bad).ok()) << bad;
  }
}

TEST(VerifierKey, OfSmallOrderIsRefused) {
  crypto::PublicKey weak;
  weak.bytes[0] = 1;
  const std::string vkey = FormatVerifierKey(MakeVerifierKey("w", KeyType::kCosignature, weak));
  EXPECT_THAT(ParseVerifierKey(vkey), StatusIs(StatusCode::kInvalidArgument, "canonical point"));
}

TEST(KeyName, HasNoSpacesAndNoPlus) {
  for (const char* name : {"", "a b", "a+b", "a\tb", "a\nb",
                           "a\xC2\xA0"
                           "b",
                           "a\xE3\x80\x80", "\xFF"}) {
    EXPECT_THAT(CheckKeyName(name), StatusIs(StatusCode::kInvalidArgument, "key name"));
  }
  HILUM_EXPECT_OK(CheckKeyName("fl.example/ledger"));
  HILUM_EXPECT_OK(CheckKeyName("h\xC3\xB4pital"));
}

TEST(Note, AgreesWithTheVectors) {
  const Json file = ReadVectors("ledger/signed_notes.json");
  for (const Json& vector : file.at("notes")) {
    const std::string text = vector.at("note").get<std::string>();
    HILUM_ASSERT_OK_AND_ASSIGN(const Note note, ParseNote(text));
    EXPECT_EQ(FormatNote(note), text);
    std::vector<VerifierKey> known;
    if (vector.contains("vkeys")) {
      for (const Json& vkey : vector.at("vkeys")) {
        known.push_back(ParseVerifierKey(vkey.get<std::string>()).value());
      }
    }
    if (vector.at("verify").is_boolean()) {
      const auto verified = VerifyNote(note, known);
      EXPECT_EQ(verified.ok(), vector.at("verify").get<bool>()) << vector.at("name");
      if (verified.ok()) {
        EXPECT_EQ(verified->size(), known.size());
      }
    }
    if (!vector.contains("expect")) continue;
    const Json& lines = vector.at("expect").at("signatures");
    ASSERT_EQ(note.lines.size(), lines.size());
    for (size_t i = 0; i < lines.size(); ++i) {
      EXPECT_EQ(note.lines[i].name, lines[i].at("name").get<std::string>());
      EXPECT_EQ(note.lines[i].signature.size(), lines[i].at("sig_len").get<size_t>());
      Bytes id;
      AppendU32(id, note.lines[i].key_id);
      EXPECT_EQ(ToHex(id), lines[i].at("key_id").get<std::string>());
    }
  }
}

class SignedNote : public ::testing::Test {
 protected:
  std::string With(const std::vector<SignatureLine>& lines) const {
    return FormatNote({.text = text_, .lines = lines});
  }
  absl::Status Check(const std::string& note) const {
    const auto parsed = ParseNote(note);
    if (!parsed.ok()) return parsed.status();
    return VerifyNote(*parsed, std::span(&known_, 1)).status();
  }
  std::string text_ = "a text\n\nwith an empty line\n";
  crypto::SigningKey key_ = crypto::SigningKey::FromSeed({1});
  VerifierKey known_ = MakeVerifierKey("log", KeyType::kEd25519, key_.public_key());
  SignatureLine line_ = SignNote(text_, "log", key_);
};

TEST_F(SignedNote, VerifiesWithItsLastEmptyLineAsTheBorder) {
  HILUM_EXPECT_OK(Check(With({line_})));
  EXPECT_EQ(ParseNote(With({line_})).value().text, text_);
}

// The two cases of the threat table: an unknown key with a known name is ignored, a known key with
// a bad signature refuses the whole note, also beside a good one.
TEST_F(SignedNote, IgnoresUnknownKeysAndRefusesBadSignatures) {
  const SignatureLine other = SignNote(text_, "log", crypto::SigningKey::FromSeed({2}));
  HILUM_EXPECT_OK(Check(With({other, line_})));
  EXPECT_THAT(Check(With({other})), StatusIs(StatusCode::kDataLoss, "no signature of a known key"));
  SignatureLine bad = line_;
  bad.signature[0] ^= 1;
  EXPECT_THAT(Check(With({bad})), StatusIs(StatusCode::kDataLoss, "does not verify"));
  bad.signature.pop_back();
  EXPECT_THAT(Check(With({bad})), StatusIs(StatusCode::kDataLoss, "does not verify"));
}

TEST_F(SignedNote, RefusesADoubledLineOfAKnownKey) {
  EXPECT_THAT(Check(With({line_, line_})), StatusIs(StatusCode::kDataLoss, "two signatures"));
}

TEST_F(SignedNote, HoldsUpTo100Lines) {
  std::vector<SignatureLine> lines(99, SignNote(text_, "x", crypto::SigningKey::FromSeed({3})));
  lines.push_back(line_);
  HILUM_EXPECT_OK(Check(With(lines)));
  lines.push_back(lines[0]);
  EXPECT_THAT(Check(With(lines)), StatusIs(StatusCode::kDataLoss, "100"));
}

TEST_F(SignedNote, RefusesOtherForms) {
  const std::string good = With({line_});
  const std::string line = FormatSignatureLine(line_);
  for (const std::string& bad : std::vector<std::string>{
           std::string(), text_, text_ + "\n", good.substr(0, good.size() - 1), good + "x",
           "a\r\n\n" + line, "a\n\n- log AAAAAAAA\n", "a\n\n\xE2\x80\x94 log\n",
           "a\n\n\xE2\x80\x94 log  AAAAAAAA\n", "a\n\n\xE2\x80\x94 log AAAA\n",
           "a\n\n\xE2\x80\x94 log AAAAAAAA=\n", "a\n\n\xE2\x80\x94 lo+g AAAAAAAA\n",
           std::string("\xFF\n\n") + line, std::string("a\0\n\n", 4) + line}) {
    EXPECT_THAT(ParseNote(bad), StatusIs(StatusCode::kDataLoss, "")) << bad;
  }
  EXPECT_THAT(ParseNote(good, good.size() - 1), StatusIs(StatusCode::kDataLoss, "limit"));
  HILUM_EXPECT_OK(ParseNote(good, good.size()));
}

TEST_F(SignedNote, RefusesEachChangedByteOfItsText) {
  const std::string good = With({line_});
  for (size_t i = 0; i < text_.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_FALSE(Check(bad).ok()) << i;
  }
}

TEST(Cosignature, AgreesWithTheGeneratedVector) {
  const Json file = ReadVectors("ledger/generated_end_to_end.json");
  const std::string note = file.at("checkpoint_300_with_3_cosignatures").get<std::string>();
  HILUM_ASSERT_OK_AND_ASSIGN(const Note parsed, ParseNote(note));
  for (size_t i = 0; i < 3; ++i) {
    const auto key = crypto::SigningKey::FromSeed(
        DigestFromHex(file.at("witness_seeds_hex")[i].get<std::string>()).value());
    const std::string vkey = file.at("witness_vkeys")[i].get<std::string>();
    HILUM_ASSERT_OK_AND_ASSIGN(const VerifierKey witness, ParseVerifierKey(vkey));
    const SignatureLine& line = parsed.lines[i + 1];
    HILUM_ASSERT_OK_AND_ASSIGN(const uint64_t time_s,
                               VerifyCosignature(parsed.text, line, witness));
    EXPECT_EQ(time_s, 1767000000u + i);
    HILUM_ASSERT_OK_AND_ASSIGN(
        const SignatureLine made,
        Cosign({.checkpoint_text = parsed.text, .name = witness.name, .time_s = time_s}, key));
    EXPECT_EQ(FormatSignatureLine(made), FormatSignatureLine(line));
  }
}

TEST(Cosignature, BindsTimeTextAndKey) {
  const auto key = crypto::SigningKey::FromSeed({4});
  const VerifierKey witness = MakeVerifierKey("w", KeyType::kCosignature, key.public_key());
  const std::string text = "o\n1\nroot\n";
  SignatureLine line = Cosign({.checkpoint_text = text, .name = "w", .time_s = 1000}, key).value();
  HILUM_EXPECT_OK(VerifyCosignature(text, line, witness));
  EXPECT_THAT(VerifyCosignature("o\n2\nroot\n", line, witness),
              StatusIs(StatusCode::kDataLoss, "does not verify"));
  for (size_t i = 0; i < line.signature.size(); ++i) {
    line.signature[i] ^= 1;
    EXPECT_FALSE(VerifyCosignature(text, line, witness).ok()) << i;
    line.signature[i] ^= 1;
  }
  line.signature.push_back(0);
  EXPECT_THAT(VerifyCosignature(text, line, witness), StatusIs(StatusCode::kDataLoss, "not 72"));
}

TEST(Cosignature, HasATime) {
  const auto key = crypto::SigningKey::FromSeed({4});
  for (const uint64_t time_s : {uint64_t{0}, uint64_t{1} << 63}) {
    EXPECT_THAT(Cosign({.checkpoint_text = "t\n", .name = "w", .time_s = time_s}, key),
                StatusIs(StatusCode::kInvalidArgument, "time"));
  }
  // A witness that signs time 0 in spite of the rule.
  const crypto::Signature signature = key.Sign(absl::string_view("cosignature/v1\ntime 0\nt\n"));
  SignatureLine line{.name = "w", .key_id = 0, .signature = Bytes(8)};
  AppendBytes(line.signature, signature.bytes);
  EXPECT_THAT(
      VerifyCosignature("t\n", line, MakeVerifierKey("w", KeyType::kCosignature, key.public_key())),
      StatusIs(StatusCode::kDataLoss, "no time"));
}

// A note key (0x01) and a cosignature key (0x04) of the same bytes are two keys: neither signature
// serves for the other.
TEST(Cosignature, IsNoNoteSignature) {
  const auto key = crypto::SigningKey::FromSeed({4});
  const std::string text = "t\n";
  SignatureLine line = SignNote(text, "w", key);
  const VerifierKey witness = MakeVerifierKey("w", KeyType::kCosignature, key.public_key());
  EXPECT_NE(line.key_id, witness.id);
  line.key_id = witness.id;
  EXPECT_FALSE(VerifyNote({text, {line}}, std::span(&witness, 1)).ok());
}

TEST(DecimalInteger, HasOneSpelling) {
  for (const char* bad :
       {"", "-1", "+1", "01", "1 ", "9223372036854775808", "99999999999999999999", "0x1", "1.0"}) {
    EXPECT_THAT(ParseDecimalInteger("n", bad), StatusIs(StatusCode::kInvalidArgument, "decimal"))
        << bad;
  }
  EXPECT_EQ(ParseDecimalInteger("n", "0").value(), 0u);
  EXPECT_EQ(ParseDecimalInteger("n", "9223372036854775807").value(), (uint64_t{1} << 63) - 1);
}

}  // namespace
}  // namespace hilum::ledger_anchor
