#include "ledger_anchor/reader.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "ledger_anchor/log.h"
#include "ledger_anchor/proof.h"
#include "ledger_anchor/tiles.h"
#include "tests/ledger_anchor/federation.h"
#include "tests/status_matchers.h"

namespace hilum::ledger_anchor {
namespace {

using absl::StatusCode;

// A served folder in memory.
using Files = std::map<std::string, Bytes>;

Fetch FetchOf(const Files& files) {
  return [&files](absl::string_view path, uint64_t limit_bytes) -> absl::StatusOr<Bytes> {
    const auto file = files.find(std::string(path));
    if (file == files.end()) return absl::NotFoundError(path);
    if (file->second.size() > limit_bytes) return absl::ResourceExhaustedError(path);
    return file->second;
  };
}

// The files that a tree of these entries has, with a checkpoint of `log_key`.
Files Serve(const std::vector<std::string>& texts, const std::string& origin,
            const crypto::SigningKey& log_key) {
  Files files;
  TreeHashes tree;
  for (const std::string& text : texts) tree.Add(crypto::LeafHash(AsBytes(text)));
  for (int l = 0; l < tree.n_levels(); ++l) {
    for (const TileId& tile : TilesOfLevel(l, texts.size())) {
      files[TilePath(tile)] = EncodeTile(
          tree.level(l).subspan(tile.index * kTileWidth, static_cast<size_t>(tile.width)));
    }
  }
  for (const TileId& bundle : TilesOfLevel(kEntriesLevel, texts.size())) {
    files[TilePath(bundle)] = EncodeBundle(
        std::span(texts).subspan(bundle.index * kTileWidth, static_cast<size_t>(bundle.width)));
  }
  const std::string note = SignCheckpoint(
      {.origin = origin, .size = texts.size(), .root = tree.Root(), .extensions = {}}, log_key);
  files["checkpoint"] = Bytes(note.begin(), note.end());
  return files;
}

class Readers : public ::testing::Test {
 protected:
  Files Served() const {
    return Serve(federation_.texts, Federation::kOrigin, federation_.LogKey());
  }
  absl::Status Verify(const Files& files) const {
    return VerifyLog(FetchOf(files), federation_.Pins()).status();
  }
  Federation federation_;
};

TEST_F(Readers, AcceptWhatTheSequencerWrote) {
  TemporaryFolder folder;
  federation_.FillTo(300);
  HILUM_ASSERT_OK_AND_ASSIGN(const auto log,
                             Log::Create({folder.path(), Federation::kOrigin}, federation_.LogKey(),
                                         federation_.texts[0]));
  HILUM_ASSERT_OK(log->Append(std::span<const std::string>(federation_.texts).subspan(1)));
  HILUM_ASSERT_OK_AND_ASSIGN(const LogView view,
                             VerifyLog(FolderFetch(log->served_folder()), federation_.Pins()));
  ASSERT_EQ(view.entries.size(), 300u);
  EXPECT_FALSE(view.trusted_on_first_use);
  for (uint64_t i : {0, 255, 256, 299}) {
    EXPECT_EQ(view.entries[i].text, federation_.texts[i]);
    EXPECT_EQ(ProveEntry(view, i).value(), log->Prove(i).value());
  }
  EXPECT_THAT(ProveEntry(view, 300), StatusIs(StatusCode::kOutOfRange, "300"));
  // The sequencer's files are exactly those of the tree.
  for (const auto& [path, bytes] : Served()) {
    EXPECT_EQ(ReadFile(log->served_folder() / path, 1 << 20).value(), bytes) << path;
  }
}

TEST_F(Readers, TrustOnFirstUseWithoutPinsAndSaySo) {
  federation_.FillTo(5);
  const Files files = Served();
  HILUM_ASSERT_OK_AND_ASSIGN(const LogView view, VerifyLog(FetchOf(files), {}));
  EXPECT_TRUE(view.trusted_on_first_use);
  // A checkpoint signed by another key than the genesis names.
  const Files other =
      Serve(federation_.texts, Federation::kOrigin, crypto::SigningKey::FromSeed({9}));
  EXPECT_THAT(VerifyLog(FetchOf(other), {}).status(), StatusIs(StatusCode::kDataLoss, "known key"));
}

TEST_F(Readers, CompareThePins) {
  federation_.FillTo(5);
  const Files files = Served();
  LedgerPins pins = federation_.Pins();
  pins.entry_key = federation_.SiteKey("x").public_key();
  EXPECT_THAT(VerifyLog(FetchOf(files), pins).status(), StatusIs(StatusCode::kDataLoss, "entry 0"));
  pins = federation_.Pins();
  pins.log_vkey = FormatVerifierKey(MakeVerifierKey(Federation::kOrigin, KeyType::kEd25519,
                                                    federation_.SiteKey("x").public_key()));
  EXPECT_THAT(VerifyLog(FetchOf(files), pins).status(),
              StatusIs(StatusCode::kDataLoss, "known key"));
}

// One byte of any file that is read, each in turn.
TEST_F(Readers, RefuseEachFlippedByte) {
  federation_.FillTo(7);
  const Files good = Served();
  HILUM_ASSERT_OK(Verify(good));
  for (const auto& [path, bytes] : good) {
    for (size_t i = 0; i < bytes.size(); ++i) {
      Files files = good;
      files[path][i] ^= 0x04;
      EXPECT_THAT(Verify(files), StatusIs(StatusCode::kDataLoss, "")) << path << " " << i;
    }
  }
}

// The same with full tiles and a second level: every 41st byte, fewer under a sanitizer.
TEST_F(Readers, RefuseFlippedBytesOfFullTiles) {
#ifdef HILUM_SANITIZED
  constexpr size_t kStep = 8 * 41 + 1;
#else
  constexpr size_t kStep = 41;
#endif
  federation_.FillTo(600);
  const Files good = Served();
  EXPECT_EQ(good.size(), 3u + 3 + 1 + 1);
  const auto verify = [](const Files& files, const LedgerPins& pins) {
    return VerifyLog(FetchOf(files), pins, VerifyDepth::kHashes).status();
  };
  HILUM_ASSERT_OK(verify(good, federation_.Pins()));
  for (const auto& [path, bytes] : good) {
    const size_t step = bytes.size() > 10000 ? 100 * kStep + 11 : kStep;
    for (size_t i = 0; i < bytes.size(); i += step) {
      Files files = good;
      files[path][i] ^= 0x80;
      EXPECT_THAT(verify(files, federation_.Pins()), StatusIs(StatusCode::kDataLoss, ""))
          << path << " " << i;
    }
  }
}

TEST_F(Readers, NameTheFileThatIsMissing) {
  federation_.FillTo(600);
  const Files good = Served();
  for (const auto& [path, bytes] : good) {
    Files files = good;
    files.erase(path);
    EXPECT_EQ(VerifyLog(FetchOf(files), federation_.Pins(), VerifyDepth::kHashes).status().code(),
              StatusCode::kNotFound)
        << path;
  }
}

// The log may grow between two reads: a partial file gives way to the full one.
TEST_F(Readers, TakeTheFullTileForAPartialOne) {
  federation_.FillTo(300);
  const Files later = Served();
  std::vector<std::string> first(federation_.texts.begin(), federation_.texts.begin() + 200);
  Files files = Serve(first, Federation::kOrigin, federation_.LogKey());
  const Bytes checkpoint = files["checkpoint"];
  files = later;
  files["checkpoint"] = checkpoint;
  HILUM_ASSERT_OK_AND_ASSIGN(const LogView view, VerifyLog(FetchOf(files), federation_.Pins()));
  EXPECT_EQ(view.entries.size(), 200u);
}

// An entry that was logged is replaced by another, correctly signed; the tree is left as it was.
TEST_F(Readers, NameTheEntryThatWasRewritten) {
  federation_.FillTo(9);
  std::vector<std::string> texts = federation_.texts;
  Entry incident = federation_.Draft(Incident{"policy", 0, "x", H("e")});
  texts[8] = federation_.Sign(incident);
  Files files = Served();
  const TileId bundle{kEntriesLevel, 0, 9};
  files[TilePath(bundle)] = EncodeBundle(texts);
  EXPECT_THAT(Verify(files), StatusIs(StatusCode::kDataLoss, "entry 8"));
  // With the tile made to fit, the checkpoint still tells.
  TreeHashes tree;
  for (const std::string& text : texts) tree.Add(crypto::LeafHash(AsBytes(text)));
  files[TilePath({0, 0, 9})] = EncodeTile(tree.level(0));
  EXPECT_THAT(Verify(files), StatusIs(StatusCode::kDataLoss, "the checkpoint has"));
}

// Whole logs that a dishonest aggregator could make and sign: the entry rules name the first bad
// one.
TEST_F(Readers, NameTheFirstEntryThatBreaksARule) {
  federation_.FillTo(7);
  const auto refusal = [&](size_t index, const Entry& entry) {
    std::vector<std::string> texts(federation_.texts.begin(),
                                   federation_.texts.begin() + static_cast<ptrdiff_t>(index));
    texts.push_back(federation_.Sign(entry));
    return Verify(Serve(texts, Federation::kOrigin, federation_.LogKey()));
  };
  Entry close = ParseEntry(federation_.texts[6]).value();
  const auto with = [&](const std::function<void(RoundClose&)>& change) {
    Entry changed = close;
    change(std::get<RoundClose>(changed.body));
    return changed;
  };
  HILUM_EXPECT_OK(refusal(6, close));
  EXPECT_THAT(refusal(6, with([](RoundClose& c) { c.prev = H("x"); })),
              StatusIs(StatusCode::kDataLoss, "entry 6: study cxr-1: the round-close names prev"));
  EXPECT_THAT(refusal(6, with([](RoundClose& c) { c.open = H("x"); })),
              StatusIs(StatusCode::kDataLoss, "entry 6"));
  EXPECT_THAT(refusal(6, with([](RoundClose& c) { c.base_model = H("x"); })),
              StatusIs(StatusCode::kDataLoss, "entry 6"));
  EXPECT_THAT(refusal(5, close), StatusIs(StatusCode::kDataLoss, "entry 5"));
  Entry other = close;
  other.study = "ct-2";
  EXPECT_THAT(refusal(6, other), StatusIs(StatusCode::kDataLoss, "entry 6: study ct-2"));
  // The tree alone is in order all the same.
  std::vector<std::string> texts(federation_.texts.begin(), federation_.texts.begin() + 5);
  texts.push_back(federation_.Sign(close));
  const Files files = Serve(texts, Federation::kOrigin, federation_.LogKey());
  HILUM_EXPECT_OK(VerifyLog(FetchOf(files), federation_.Pins(), VerifyDepth::kHashes).status());
}

// Signatures are verified on all cores, ahead of an entry's turn; the first one that fails is
// named.
TEST_F(Readers, FindAForgedSignatureAnywhere) {
  federation_.FillTo(600);
  const auto forge = [](std::string text) {
    Entry entry = ParseEntry(text).value();
    entry.sig.bytes[5] ^= 1;
    return EncodeEntry(entry).value();
  };
  std::mt19937 random(std::random_device{}());
  for (const size_t index :
       {size_t{0}, size_t{2}, size_t{255}, size_t{256}, size_t{599}, size_t{random() % 600}}) {
    std::vector<std::string> texts = federation_.texts;
    texts[index] = forge(texts[index]);
    texts[599] = forge(federation_.texts[599]);
    EXPECT_THAT(Verify(Serve(texts, Federation::kOrigin, federation_.LogKey())),
                StatusIs(StatusCode::kDataLoss, absl::StrCat("entry ", index, ": the signature")));
  }
}

// What was found good ahead of its turn does not count once the signer has left.
TEST_F(Readers, JudgeAPreparedEntryByTheMembersOfItsTurn) {
  federation_.FillTo(7);
  Entry incident = federation_.Draft(Incident{"stale", 0, "x", H("e")});
  incident.by = "hospital-a";
  const std::string text =
      SignEntry(incident, Federation::kOrigin, federation_.SiteKey("hospital-a")).value();
  Admission state = federation_.state;
  const PreparedEntry prepared = state.Prepare(std::span(&text, 1), Trust::kVerify)[0];
  ASSERT_TRUE(prepared.verified.has_value());
  HILUM_EXPECT_OK(Admission(state).Admit(prepared).status());
  HILUM_ASSERT_OK(
      state.Admit(federation_.Sign(federation_.Draft(Leave{"hospital-a", "withdrawn"}))));
  EXPECT_THAT(state.Admit(prepared), StatusIs(StatusCode::kDataLoss, "has left"));
}

TEST_F(Readers, RefuseAnEmptyAndAnEndlessLog) {
  federation_.FillTo(3);
  Files files = Served();
  for (const uint64_t size : {uint64_t{0}, kViewLimit + 1, uint64_t{1} << 62}) {
    const std::string note = SignCheckpoint({.origin = Federation::kOrigin,
                                             .size = size,
                                             .root = size == 0 ? crypto::EmptyTreeHash() : H("r"),
                                             .extensions = {}},
                                            federation_.LogKey());
    files["checkpoint"] = Bytes(note.begin(), note.end());
    EXPECT_THAT(Verify(files), StatusIs(StatusCode::kDataLoss, "entries, not 1 to"));
  }
}

TEST_F(Readers, FindTheEntriesOfARound) {
  federation_.FillTo(8);
  const Files files = Served();
  HILUM_ASSERT_OK_AND_ASSIGN(const LogView view, VerifyLog(FetchOf(files), federation_.Pins()));
  HILUM_ASSERT_OK_AND_ASSIGN(const RoundEntries round, FindRound(view, 2));
  EXPECT_EQ(round.open->index, 5u);
  EXPECT_EQ(round.close->index, 6u);
  ASSERT_EQ(round.earlier.size(), 1u);
  EXPECT_EQ(std::get<RoundClose>(round.earlier[0]->entry.body).round, 1u);
  HILUM_ASSERT_OK_AND_ASSIGN(const RoundEntries open, FindRound(view, 3, Federation::kStudy));
  EXPECT_EQ(open.close, nullptr);
  EXPECT_THAT(FindRound(view, 4), StatusIs(StatusCode::kNotFound, "round 4"));
  EXPECT_THAT(FindRound(view, 1, "ct-2"), StatusIs(StatusCode::kNotFound, "round 1"));
}

TEST_F(Readers, AskForTheStudyWhenThereAreTwo) {
  federation_.FillTo(5);
  Entry open = federation_.OpenDraft();
  open.study = "ct-2";
  std::get<RoundOpen>(open.body).round = 1;
  std::get<RoundOpen>(open.body).prev = federation_.state.chain().Study("ct-2").prev;
  federation_.Add(open);
  const Files files = Served();
  HILUM_ASSERT_OK_AND_ASSIGN(const LogView view, VerifyLog(FetchOf(files), federation_.Pins()));
  EXPECT_THAT(FindRound(view, 1), StatusIs(StatusCode::kInvalidArgument, "2 studies"));
  HILUM_EXPECT_OK(FindRound(view, 1, "ct-2"));
}

}  // namespace
}  // namespace hilum::ledger_anchor
