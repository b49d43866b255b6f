#include "ledger_anchor/store.h"

#include <gtest/gtest.h>

#include <chrono>

#include "tests/ledger_anchor/federation.h"
#include "tests/status_matchers.h"

namespace hilum::ledger_anchor {
namespace {

using absl::StatusCode;

class Stores : public ::testing::Test {
 protected:
  Stores() : store_(Store::Open(folder_.path() / "objects").value()) {}
  // How many files the folder for unfinished objects holds.
  size_t Unfinished() const {
    const fs::directory_iterator files(store_.folder() / "tmp");
    return static_cast<size_t>(std::distance(begin(files), end(files)));
  }
  TemporaryFolder folder_;
  Store store_;
};

TEST_F(Stores, GiveTheBytesBack) {
  for (const size_t n : {0, 1, 1000, 3000000}) {
    Bytes bytes(n);
    crypto::SeededStream({static_cast<uint8_t>(n % 251)}).Fill(bytes);
    HILUM_ASSERT_OK_AND_ASSIGN(const Digest digest, store_.Put(bytes));
    EXPECT_EQ(digest, crypto::Sha256(bytes));
    HILUM_ASSERT_OK_AND_ASSIGN(const Bytes again, store_.Get(digest, n));
    EXPECT_EQ(again, bytes);
    EXPECT_EQ(store_.SizeBytes(digest).value(), n);
    HILUM_EXPECT_OK(store_.Check(digest));
    EXPECT_TRUE(store_.Has(digest));
  }
  EXPECT_EQ(Unfinished(), 0u);
}

TEST_F(Stores, PlaceObjectsByTheirHash) {
  HILUM_ASSERT_OK_AND_ASSIGN(const Digest digest, store_.Put(AsBytes("abc")));
  EXPECT_EQ(fs::relative(store_.PathOf(digest), store_.folder()).string(),
            "sha256/ba/7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_TRUE(fs::exists(store_.PathOf(digest)));
  HILUM_ASSERT_OK(store_.Put(AsBytes("abc")));
}

TEST_F(Stores, NoticeDamageOnEachRead) {
  const std::string text(100000, 'x');
  HILUM_ASSERT_OK_AND_ASSIGN(const Digest digest, store_.Put(AsBytes(text)));
  const auto damage = [&](const std::string& bytes) {
    fs::permissions(store_.PathOf(digest), fs::perms::owner_write, fs::perm_options::add);
    auto file = AppendFile::Open(store_.PathOf(digest), 0);
    ASSERT_TRUE(file.ok() && file->Append(AsBytes(bytes)).ok());
  };
  std::string changed = text;
  changed[77777] = 'y';
  for (const std::string& bytes : {changed, text.substr(1), text + "x", std::string()}) {
    damage(bytes);
    EXPECT_THAT(store_.Get(digest, 1 << 20), StatusIs(StatusCode::kDataLoss, "damaged"));
    EXPECT_THAT(store_.Check(digest), StatusIs(StatusCode::kDataLoss, "damaged"));
  }
}

TEST_F(Stores, NoticeAnObjectThatShrinksWhileItIsRead) {
  HILUM_ASSERT_OK_AND_ASSIGN(const Digest digest, store_.Put(AsBytes(std::string(1000, 'x'))));
  HILUM_ASSERT_OK_AND_ASSIGN(StoreReader reader, store_.OpenObject(digest));
  Bytes chunk(600);
  EXPECT_EQ(reader.Read(chunk).value(), 600u);
  fs::resize_file(store_.PathOf(digest), 700);
  EXPECT_THAT(reader.Read(chunk), StatusIs(StatusCode::kDataLoss, "damaged"));
}

TEST_F(Stores, SayWhatTheyDoNotHave) {
  const Digest digest = H("nothing");
  EXPECT_THAT(store_.Get(digest, 10), StatusIs(StatusCode::kNotFound, ToHex(digest)));
  EXPECT_THAT(store_.SizeBytes(digest), StatusIs(StatusCode::kNotFound, ToHex(digest)));
  EXPECT_THAT(store_.OpenObject(digest).status(), StatusIs(StatusCode::kNotFound, ToHex(digest)));
  EXPECT_THAT(store_.Check(digest), StatusIs(StatusCode::kNotFound, ToHex(digest)));
  EXPECT_FALSE(store_.Has(digest));
}

TEST_F(Stores, KeepTheReadersLimit) {
  HILUM_ASSERT_OK_AND_ASSIGN(const Digest digest, store_.Put(AsBytes("abc")));
  EXPECT_THAT(store_.Get(digest, 2), StatusIs(StatusCode::kResourceExhausted, "limit is 2"));
}

TEST_F(Stores, TakeAndGiveChunks) {
  Bytes bytes(2500000);
  crypto::SeededStream({3}).Fill(bytes);
  HILUM_ASSERT_OK_AND_ASSIGN(StoreWriter writer, store_.NewObject());
  for (size_t at = 0; at < bytes.size(); at += 999983) {
    const size_t n = std::min<size_t>(999983, bytes.size() - at);
    HILUM_ASSERT_OK(writer.Append(ByteView(bytes).subspan(at, n)));
  }
  EXPECT_EQ(writer.size_bytes(), bytes.size());
  EXPECT_EQ(Unfinished(), 1u);
  HILUM_ASSERT_OK_AND_ASSIGN(const Digest digest, writer.Commit());
  EXPECT_EQ(digest, crypto::Sha256(bytes));
  HILUM_ASSERT_OK_AND_ASSIGN(StoreReader reader, store_.OpenObject(digest));
  EXPECT_EQ(reader.size_bytes(), bytes.size());
  Bytes again;
  Bytes chunk(700001);
  for (;;) {
    HILUM_ASSERT_OK_AND_ASSIGN(const size_t n, reader.Read(chunk));
    if (n == 0) break;
    AppendBytes(again, ByteView(chunk).first(n));
  }
  EXPECT_EQ(again, bytes);
}

TEST_F(Stores, KeepNothingUnderAWrongName) {
  HILUM_ASSERT_OK_AND_ASSIGN(StoreWriter writer, store_.NewObject());
  HILUM_ASSERT_OK(writer.Append(AsBytes("not abc")));
  EXPECT_THAT(writer.CommitAs(crypto::Sha256("abc")), StatusIs(StatusCode::kDataLoss, "announced"));
  EXPECT_FALSE(store_.Has(crypto::Sha256("abc")));
  EXPECT_FALSE(store_.Has(crypto::Sha256("not abc")));
}

TEST_F(Stores, DropWhatIsNotCommitted) {
  {
    HILUM_ASSERT_OK_AND_ASSIGN(StoreWriter writer, store_.NewObject());
    HILUM_ASSERT_OK(writer.Append(AsBytes("half")));
  }
  EXPECT_EQ(Unfinished(), 0u);
}

// What a killed process left is removed by a later one, what another is writing is not.
TEST_F(Stores, RemoveOldUnfinishedObjects) {
  for (const char* name : {"old", "new"}) {
    auto file = AppendFile::Open(store_.folder() / "tmp" / name, 0);
    ASSERT_TRUE(file.ok());
  }
  fs::last_write_time(store_.folder() / "tmp" / "old",
                      fs::file_time_type::clock::now() - std::chrono::hours(25));
  HILUM_ASSERT_OK(Store::Open(store_.folder()).status());
  EXPECT_EQ(Unfinished(), 1u);
  EXPECT_TRUE(fs::exists(store_.folder() / "tmp" / "new"));
}

}  // namespace
}  // namespace hilum::ledger_anchor
