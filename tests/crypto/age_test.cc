#include "crypto/age.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <cstdlib>
#include <memory>
#include <new>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "crypto/age_header.h"
#include "crypto/base64.h"
#include "crypto/hash.h"
#include "crypto/mac.h"
#include "crypto/random.h"
#include "tests/status_matchers.h"

namespace hilum::crypto {
namespace {

using absl::StatusCode;

constexpr size_t kBorders[] = {0, 1, 65535, 65536, 65537, 131071, 131072, 131073, 200000, 327680};

Bytes Noise(size_t n_bytes) {
  Bytes bytes(n_bytes);
  SeededStream({static_cast<uint8_t>(n_bytes % 251)}).Fill(bytes);
  return bytes;
}

Bytes Encrypt(std::span<const AgeRecipient> recipients, ByteView plain, size_t piece = 1 << 20) {
  Bytes out;
  auto writer = AgeWriter::Create(recipients, [&](ByteView bytes) {
    EXPECT_LE(bytes.size(), kAgeChunkBytes + 16);
    AppendBytes(out, bytes);
    return absl::OkStatus();
  });
  HILUM_EXPECT_OK(writer);
  for (; !plain.empty(); plain = plain.subspan(std::min(piece, plain.size()))) {
    HILUM_EXPECT_OK(writer->Append(plain.first(std::min(piece, plain.size()))));
  }
  HILUM_EXPECT_OK(writer->Finish());
  return out;
}

absl::StatusOr<Bytes> Decrypt(const AgeIdentity& identity, ByteView file, size_t piece = 1 << 20) {
  Bytes out;
  AgeReader reader(&identity, [&](ByteView bytes) {
    EXPECT_LE(bytes.size(), kAgeChunkBytes);
    AppendBytes(out, bytes);
    return absl::OkStatus();
  });
  for (; !file.empty(); file = file.subspan(std::min(piece, file.size()))) {
    HILUM_RETURN_IF_ERROR(reader.Append(file.first(std::min(piece, file.size()))));
  }
  HILUM_RETURN_IF_ERROR(reader.Finish());
  return out;
}

// A folder and the program `age`, which is on every test computer (tools/dependencies.txt).
class AgeProgram : public ::testing::Test {
 protected:
  AgeProgram() : folder_(fs::temp_directory_path() / ("hilum_age_" + ToHex(RandomArray<8>()))) {
    fs::create_directories(folder_);
  }
  ~AgeProgram() override { fs::remove_all(folder_); }

  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  // A shell command; it must succeed.
  void Run(const std::string& command) const {
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
  void Write(const std::string& name, ByteView bytes) const {
    HILUM_ASSERT_OK(WriteFileDurably(folder_ / name, bytes, FileMode::kPrivate));
  }
  Bytes Read(const std::string& name) const {
    return ReadFile(folder_ / name, 1 << 20).value_or(Bytes{0xEE});
  }
  size_t NumFiles() const {
    const fs::directory_iterator files(folder_);
    return static_cast<size_t>(std::distance(begin(files), end(files)));
  }
  fs::path folder_;
};

TEST_F(AgeProgram, DecryptsWhatWeEncryptForEachOfThreeRecipients) {
  std::vector<AgeRecipient> recipients;
  for (const char* name : {"a", "b", "c"}) {
    const AgeIdentity identity = AgeIdentity::Generate();
    HILUM_ASSERT_OK(identity.Save(folder_ / name));
    recipients.push_back(identity.recipient());
  }
  for (const size_t n : kBorders) {
    const Bytes plain = Noise(n);
    const Bytes file = Encrypt(recipients, plain);
    EXPECT_EQ(file.size(), AgeSizeBytes(n, 3));
    Write("file.age", file);
    for (const char* name : {"a", "b", "c"}) {
      Run(absl::StrCat("age -d -i ", Path(name), " ", Path("file.age"), " >", Path("out")));
      EXPECT_EQ(Read("out"), plain) << n;
    }
  }
}

TEST_F(AgeProgram, EncryptsWhatWeDecrypt) {
  Run(absl::StrCat("age-keygen -o ", Path("key"), " 2>", Path("ignored")));
  HILUM_ASSERT_OK_AND_ASSIGN(const AgeIdentity identity, AgeIdentity::Load(folder_ / "key"));
  const AgeIdentity other = AgeIdentity::Generate();
  for (const size_t n : kBorders) {
    const Bytes plain = Noise(n);
    Write("plain", plain);
    Run(absl::StrCat("age -r ", FormatAgeRecipient(other.recipient()), " -r ",
                     FormatAgeRecipient(identity.recipient()), " -o ", Path("file.age"), " ",
                     Path("plain")));
    const Bytes file = Read("file.age");
    EXPECT_EQ(file.size(), AgeSizeBytes(n, 2));
    EXPECT_EQ(Decrypt(identity, file).value(), plain) << n;
    EXPECT_EQ(Decrypt(other, file).value(), plain) << n;
  }
}

TEST_F(AgeProgram, ReadsOurKeysAndWritesOnesThatWeRead) {
  const AgeIdentity ours = AgeIdentity::Generate();
  HILUM_ASSERT_OK(ours.Save(folder_ / "ours"));
  Run(absl::StrCat("age-keygen -y ", Path("ours"), " >", Path("public")));
  EXPECT_EQ(AsText(Read("public")), FormatAgeRecipient(ours.recipient()) + "\n");
  Run(absl::StrCat("age-keygen -o ", Path("theirs"), " 2>", Path("ignored")));
  Run(absl::StrCat("age-keygen -y ", Path("theirs"), " >", Path("public")));
  HILUM_ASSERT_OK_AND_ASSIGN(const AgeIdentity theirs, AgeIdentity::Load(folder_ / "theirs"));
  EXPECT_EQ(FormatAgeRecipient(theirs.recipient()) + "\n", AsText(Read("public")));
  EXPECT_THAT(ours.Save(folder_ / "ours"), StatusIs(StatusCode::kAlreadyExists, "already"));
  fs::permissions(folder_ / "ours", fs::perms::group_read, fs::perm_options::add);
  EXPECT_THAT(AgeIdentity::Load(folder_ / "ours"), StatusIs(StatusCode::kPermissionDenied, "0600"));
}

TEST_F(AgeProgram, WhatItRefusesWeRefuseAndNothingHasTheFinalName) {
  const AgeIdentity identity = AgeIdentity::Generate();
  HILUM_ASSERT_OK(identity.Save(folder_ / "key"));
  const AgeRecipient recipient = identity.recipient();
  const Bytes whole = Encrypt({&recipient, 1}, Noise(200000));
  constexpr size_t kSealed = kAgeChunkBytes + 16;
  const auto at = [](size_t n) { return static_cast<std::ptrdiff_t>(168 + 16 + n * kSealed); };
  std::vector<Bytes> bad;
  for (const int n : {1, 2, 3}) bad.emplace_back(whole.begin(), whole.begin() + at(n));  // borders
  bad.emplace_back(whole.begin(), whole.end() - 1);
  bad.emplace_back(whole.begin(), whole.begin() + at(0));
  Bytes changed = whole;
  std::swap_ranges(changed.begin() + at(0), changed.begin() + at(1), changed.begin() + at(1));
  bad.push_back(changed);  // two chunks swapped
  changed = whole;
  changed.erase(changed.begin() + at(1), changed.begin() + at(2));
  bad.push_back(changed);  // one left out
  changed = whole;
  changed.push_back(0);
  bad.push_back(changed);
  for (const size_t offset : {size_t{30}, size_t{80}, size_t{140}, size_t{170}, size_t{100000}}) {
    changed = whole;
    changed[offset] ^= 1;
    bad.push_back(changed);
  }
  for (size_t i = 0; i < bad.size(); ++i) {
    Write("bad.age", bad[i]);
    EXPECT_NE(std::system(
                  absl::StrCat("age -d -i ", Path("key"), " ", Path("bad.age"), " >/dev/null 2>&1")
                      .c_str()),
              0)
        << i;
    EXPECT_FALSE(DecryptAgeFile(identity, folder_ / "bad.age", folder_ / "out").ok()) << i;
    EXPECT_EQ(NumFiles(), 2u) << i;  // the key and the input
  }
  Write("bad.age", whole);
  Run(absl::StrCat("age -d -i ", Path("key"), " ", Path("bad.age"), " >/dev/null"));
  EXPECT_THAT(DecryptAgeFile(AgeIdentity::Generate(), folder_ / "bad.age", folder_ / "out"),
              StatusIs(StatusCode::kPermissionDenied, "is none of them"));
  EXPECT_EQ(NumFiles(), 2u);
  HILUM_EXPECT_OK(DecryptAgeFile(identity, folder_ / "bad.age", folder_ / "out"));
  EXPECT_EQ(Read("out"), Noise(200000));
  EXPECT_EQ(fs::status(folder_ / "out").permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(NumFiles(), 3u);
}

TEST(Age, GivesTheSameWhateverThePieces) {
  const AgeIdentity identity = AgeIdentity::Generate();
  const AgeRecipient recipient = identity.recipient();
  const Bytes plain = Noise(140000);
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{65536}, size_t{65552}}) {
    EXPECT_EQ(Decrypt(identity, Encrypt({&recipient, 1}, plain, piece), piece).value(), plain);
  }
}

TEST(Age, EachFlippedByteOfAHeaderIsNoticed) {
  const AgeIdentity identity = AgeIdentity::Generate();
  const AgeRecipient recipient = identity.recipient();
  Bytes file = Encrypt({&recipient, 1}, Noise(3));
  for (uint8_t& byte : file) {
    for (const uint8_t flip : {0x01, 0x20, 0x80}) {
      byte ^= flip;
      EXPECT_FALSE(Decrypt(identity, file).ok()) << &byte - file.data();
      byte ^= flip;
    }
  }
  HILUM_EXPECT_OK(Decrypt(identity, file));
}

TEST(Age, NeedsRecipientsThatHideSomething) {
  const auto sink = [](ByteView) { return absl::OkStatus(); };
  EXPECT_THAT(AgeWriter::Create({}, sink).status(),
              StatusIs(StatusCode::kInvalidArgument, "for 0 age recipients"));
  const std::vector<AgeRecipient> many(kAgeRecipientLimit + 1);
  EXPECT_THAT(AgeWriter::Create(many, sink).status(),
              StatusIs(StatusCode::kInvalidArgument, "1 to 1024 are possible"));
  const AgeRecipient small_order;
  EXPECT_THAT(AgeWriter::Create({&small_order, 1}, sink).status(),
              StatusIs(StatusCode::kInvalidArgument, "small order"));
  EXPECT_THAT(ParseAgeRecipient(FormatAgeRecipient(small_order)),
              StatusIs(StatusCode::kInvalidArgument, "small order"));
}

TEST(Age, PassesOnWhatItsSinkSays) {
  const AgeIdentity identity = AgeIdentity::Generate();
  const AgeRecipient recipient = identity.recipient();
  const Bytes file = Encrypt({&recipient, 1}, Noise(70000));
  AgeReader reader(&identity, [](ByteView) { return absl::ResourceExhaustedError("full"); });
  EXPECT_THAT(reader.Append(file), StatusIs(StatusCode::kResourceExhausted, "full"));
  EXPECT_THAT(reader.Finish(), StatusIs(StatusCode::kResourceExhausted, "full"));
}

// A file made piece by piece, so that it can be wrong in one of them: the cases of C2SP's testkit.
struct Forge {
  Forge() : identity(AgeIdentity::Generate()), ephemeral(AgeIdentity::Generate()) {}

  static Bytes Seal(ByteView key, std::array<uint8_t, 12> nonce, ByteView plain) {
    const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(
        EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
    Bytes out(plain.size() + 16);
    int n = 0;
    EVP_EncryptInit_ex(context.get(), EVP_chacha20_poly1305(), nullptr, key.data(), nonce.data());
    EVP_EncryptUpdate(context.get(), out.data(), &n, plain.data(), static_cast<int>(plain.size()));
    EVP_EncryptFinal_ex(context.get(), out.data() + n, &n);
    EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, 16, out.data() + plain.size());
    return out;
  }

  AgeStanza Stanza() const {
    std::array<uint8_t, 32> secret;
    HILUM_EXPECT_OK(ephemeral.Agree(identity.recipient().bytes, secret));
    Bytes salt(ephemeral.recipient().bytes.begin(), ephemeral.recipient().bytes.end());
    AppendBytes(salt, identity.recipient().bytes);
    const Bytes key = HkdfSha256(
        {.key_material = secret, .salt = salt, .info = AsBytes("age-encryption.org/v1/X25519")},
        32);
    return {"X25519", {Base64RawEncode(ephemeral.recipient().bytes)}, Seal(key, {}, file_key)};
  }

  std::string Header(const std::vector<AgeStanza>& stanzas) const {
    const Bytes key =
        HkdfSha256({.key_material = file_key, .salt = {}, .info = AsBytes("header")}, 32);
    return FormatAgeHeader({stanzas, HmacSha256(key, AsBytes(FormatAgeStanzas(stanzas)))});
  }

  Bytes Chunk(uint64_t index, uint8_t flag, ByteView plain) const {
    const Bytes key =
        HkdfSha256({.key_material = file_key, .salt = nonce, .info = AsBytes("payload")}, 32);
    std::array<uint8_t, 12> chunk_nonce{};
    chunk_nonce[10] = static_cast<uint8_t>(index);
    chunk_nonce[11] = flag;
    return Seal(key, chunk_nonce, plain);
  }

  // What the reader says of the header, the nonce and these chunks.
  absl::StatusOr<Bytes> Open(const std::string& header, const std::vector<Bytes>& chunks) const {
    Bytes file;
    AppendText(file, header);
    AppendBytes(file, nonce);
    for (const Bytes& chunk : chunks) AppendBytes(file, chunk);
    return Decrypt(identity, file);
  }
  absl::StatusOr<Bytes> OpenStanzas(const std::vector<AgeStanza>& stanzas) const {
    return Open(Header(stanzas), {Chunk(0, 1, AsBytes("age"))});
  }

  AgeIdentity identity, ephemeral;
  Bytes file_key = Bytes(16, 0x59);
  Bytes nonce = Bytes(16, 7);
};

TEST(AgeHeader, StanzasOfOtherTypesArePassedOver) {
  const Forge forge;
  const AgeStanza mine = forge.Stanza();
  const AgeStanza foreign{"grease-1", {"a", "!~"}, Noise(48)};  // its body fills a line
  AgeStanza lower_case = mine;
  lower_case.type = "x25519";
  AgeStanza bad_tag = mine;
  bad_tag.body.back() ^= 1;
  EXPECT_EQ(AsText(forge.OpenStanzas({foreign, bad_tag, mine}).value()), "age");
  EXPECT_THAT(forge.OpenStanzas({lower_case}), StatusIs(StatusCode::kPermissionDenied, "none"));
  EXPECT_THAT(forge.OpenStanzas({bad_tag}), StatusIs(StatusCode::kPermissionDenied, "none"));
}

TEST(AgeHeader, AnX25519StanzaHasOneShareAndAFileKeyOf16Bytes) {
  Forge forge;
  const AgeStanza mine = forge.Stanza();
  AgeStanza stanza = mine;
  stanza.args.emplace_back("extra");
  EXPECT_THAT(forge.OpenStanzas({stanza}), StatusIs(StatusCode::kDataLoss, "one share"));
  stanza.args.clear();
  EXPECT_THAT(forge.OpenStanzas({stanza}), StatusIs(StatusCode::kDataLoss, "one share"));
  for (const size_t n : {31, 33}) {
    stanza.args = {Base64RawEncode(Noise(n))};
    EXPECT_THAT(forge.OpenStanzas({stanza}), StatusIs(StatusCode::kDataLoss, "one share"));
  }
  stanza.args = {Base64RawEncode(Bytes(32))};  // the point of order 1: an all-zero secret
  EXPECT_THAT(forge.OpenStanzas({stanza, mine}), StatusIs(StatusCode::kDataLoss, "all zero"));
  forge.file_key.push_back(0x59);
  EXPECT_THAT(forge.OpenStanzas({forge.Stanza()}), StatusIs(StatusCode::kDataLoss, "33 bytes"));
}

TEST(AgeHeader, ItsMacCoversEveryStanza) {
  const Forge forge;
  const AgeStanza mine = forge.Stanza();
  const std::vector<Bytes> payload = {forge.Chunk(0, 1, AsBytes("age"))};
  HILUM_ASSERT_OK_AND_ASSIGN(AgeHeader header, ParseAgeHeader(forge.Header({mine})));
  header.stanzas.push_back({"late", {}, {}});
  EXPECT_THAT(forge.Open(FormatAgeHeader(header), payload),
              StatusIs(StatusCode::kDataLoss, "MAC does not verify"));
}

TEST(AgePayload, EndsInOneLastChunk) {
  const Forge forge;
  const std::string header = forge.Header({forge.Stanza()});
  const Bytes full = Noise(kAgeChunkBytes);
  EXPECT_EQ(forge.Open(header, {forge.Chunk(0, 1, full)}).value(), full);
  EXPECT_EQ(forge.Open(header, {forge.Chunk(0, 1, {})}).value(), Bytes());
  EXPECT_THAT(forge.Open(header, {forge.Chunk(0, 0, full), forge.Chunk(1, 1, {})}),
              StatusIs(StatusCode::kDataLoss, "empty chunk after others"));
  EXPECT_THAT(forge.Open(header, {forge.Chunk(0, 0, full)}),
              StatusIs(StatusCode::kDataLoss, "was cut or changed"));
  EXPECT_THAT(forge.Open(header, {forge.Chunk(0, 1, full), forge.Chunk(1, 1, full)}),
              StatusIs(StatusCode::kDataLoss, "changed or moved"));
  EXPECT_THAT(forge.Open(header, {forge.Chunk(0, 0, Noise(9)), forge.Chunk(1, 1, full)}),
              StatusIs(StatusCode::kDataLoss, "changed or moved"));
  EXPECT_FALSE(forge.Open(header, {}).ok());
  Bytes cut;
  AppendText(cut, header);
  AppendBytes(cut, Bytes(15));
  EXPECT_THAT(Decrypt(forge.identity, cut), StatusIs(StatusCode::kDataLoss, "inside its nonce"));
}

TEST(AgeHeader, HasOneSpelling) {
  const Forge forge;
  const std::string good = forge.Header({forge.Stanza(), {"other", {"x"}, Noise(100)}});
  HILUM_ASSERT_OK_AND_ASSIGN(const AgeHeader parsed, ParseAgeHeader(good));
  EXPECT_EQ(FormatAgeHeader(parsed), good);
  const auto replaced = [&good](absl::string_view from, absl::string_view to) {
    std::string text = good;
    return text.replace(text.find(from.data(), 0, from.size()), from.size(), to.data(), to.size());
  };
  const std::string mac = Base64RawEncode(parsed.mac);
  for (const std::string& text : {replaced("v1\n", "v2\n"),
                                  replaced("v1\n", "v1\r\n"),
                                  replaced("-> X", "->X"),
                                  replaced("-> X", "->  X"),
                                  replaced("-> X", "-> \xc3\xa9"),
                                  replaced("-> X", "- X"),
                                  replaced("X25519 ", "X25519  "),
                                  replaced("other x\n", "other x \n"),
                                  replaced("other x\n", "other x\n\n"),
                                  replaced("\n--- ", "=\n--- "),
                                  replaced("\n--- ", "\n---"),
                                  replaced("\n--- ", "\n---  "),
                                  replaced(mac, mac + "="),
                                  replaced(mac, mac.substr(1)),
                                  replaced(mac + "\n", mac + " \n"),
                                  replaced(mac + "\n", mac),
                                  good + "\n",
                                  good.substr(0, good.size() / 2),
                                  std::string(),
                                  std::string(kAgeVersionLine) + "--- " + mac + "\n"}) {
    EXPECT_THAT(ParseAgeHeader(text), StatusIs(StatusCode::kDataLoss, "age header")) << text;
  }
}

TEST(AgeHeader, HasLimits) {
  const Forge forge;
  const AgeStanza small{"a", {}, {}};
  std::vector<AgeStanza> stanzas(kAgeRecipientLimit, small);
  HILUM_EXPECT_OK(ParseAgeHeader(FormatAgeHeader({stanzas, {}})));
  stanzas.push_back(small);
  EXPECT_THAT(ParseAgeHeader(FormatAgeHeader({stanzas, {}})),
              StatusIs(StatusCode::kDataLoss, "more than 1024 recipients"));
  const AgeStanza large{"a", {}, Noise(kAgeHeaderLimitBytes)};
  const std::string text = FormatAgeHeader({{large}, {}});
  EXPECT_THAT(ParseAgeHeader(text), StatusIs(StatusCode::kDataLoss, "the limit is 131072"));
  EXPECT_THAT(forge.Open(text, {}), StatusIs(StatusCode::kDataLoss, "131072 bytes, the limit"));
  const std::string endless = std::string(kAgeVersionLine) + std::string(1 << 20, 'A');
  EXPECT_THAT(forge.Open(endless, {}), StatusIs(StatusCode::kDataLoss, "131072 bytes, the limit"));
}

TEST(AgeKeys, RefuseEachChangedCharacter) {
  const AgeIdentity identity = AgeIdentity::Generate();
  const std::string good = FormatAgeRecipient(identity.recipient());
  EXPECT_EQ(ParseAgeRecipient(good).value(), identity.recipient());
  for (size_t i = 0; i < good.size(); ++i) {
    std::string text = good;
    text[i] = text[i] == 'q' ? 'p' : 'q';
    EXPECT_THAT(ParseAgeRecipient(text), StatusIs(StatusCode::kInvalidArgument, "age recipient"));
    text[i] = static_cast<char>(good[i] - 32);
    EXPECT_FALSE(ParseAgeRecipient(text).ok());
  }
  EXPECT_FALSE(ParseAgeRecipient(good + "q").ok());
  EXPECT_FALSE(ParseAgeRecipient(good.substr(1)).ok());
  EXPECT_FALSE(ParseAgeRecipient("").ok());
  // The key and recipient of C2SP's testkit.
  const std::string secret =
      "AGE-SECRET-KEY-1XMWWC06LY3EE5RYTXM9MFLAZ2U56JJJ36S0MYPDRWSVLUL66MV4QX3S7F6";
  HILUM_ASSERT_OK(AgeIdentity::Parse(secret));
  for (size_t i = 0; i < secret.size(); ++i) {
    std::string text = secret;
    text[i] = text[i] == 'Q' ? 'P' : 'Q';
    EXPECT_THAT(AgeIdentity::Parse(text), StatusIs(StatusCode::kInvalidArgument, "age identity"));
    text[i] = static_cast<char>(secret[i] | 0x20);
    if (text != secret) {
      EXPECT_FALSE(AgeIdentity::Parse(text).ok());
    }
  }
}

TEST_F(AgeProgram, AKeyFileHoldsOneKey) {
  const std::string key =
      "AGE-SECRET-KEY-1XMWWC06LY3EE5RYTXM9MFLAZ2U56JJJ36S0MYPDRWSVLUL66MV4QX3S7F6\n";
  Write("good", AsBytes("# a comment\n\n" + key));
  HILUM_EXPECT_OK(AgeIdentity::Load(folder_ / "good"));
  for (const std::string& text : {std::string("# none\n"), key + key, key + "x\n", " " + key}) {
    Write("bad", AsBytes(text));
    EXPECT_THAT(AgeIdentity::Load(folder_ / "bad"), StatusIs(StatusCode::kDataLoss, "exactly one"));
  }
}

TEST(AgeKeys, AreWipedAtTheEnd) {
  alignas(AgeIdentity) std::array<uint8_t, sizeof(AgeIdentity)> place{};
  auto* identity = new (place.data()) AgeIdentity(AgeIdentity::Generate());
  EXPECT_NE(std::count(place.begin(), place.begin() + 32, 0), 32);
  identity->~AgeIdentity();
  EXPECT_EQ(std::count(place.begin(), place.begin() + 32, 0), 32);
}

}  // namespace
}  // namespace hilum::crypto
