#include "ledger_anchor/reader.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "crypto/tree.h"
#include "ledger_anchor/cosign.h"
#include "ledger_anchor/note.h"
#include "ledger_anchor/proof.h"
#include "ledger_anchor/tiles.h"

namespace hilum::ledger_anchor {
namespace {

// A partial file may have been replaced by the full one since the checkpoint was read (ledger.md
// 2.6): then its start holds what is wanted.
absl::StatusOr<Bytes> FetchTile(const Fetch& fetch, TileId tile, uint64_t limit_bytes,
                                bool* is_full) {
  absl::StatusOr<Bytes> bytes = fetch(TilePath(tile), limit_bytes);
  *is_full = tile.width == kTileWidth;
  if (*is_full || !absl::IsNotFound(bytes.status())) return bytes;
  tile.width = kTileWidth;
  *is_full = true;
  return fetch(TilePath(tile), limit_bytes);
}

absl::StatusOr<std::vector<std::string>> FetchBundle(const Fetch& fetch, const TileId& bundle) {
  bool is_full = false;
  HILUM_ASSIGN_OR_RETURN(const Bytes bytes, FetchTile(fetch, bundle, kBundleLimitBytes, &is_full));
  absl::StatusOr<std::vector<std::string>> entries =
      DecodeBundle(bytes, is_full ? kTileWidth : bundle.width);
  if (!entries.ok()) {
    return absl::DataLossError(absl::StrCat(TilePath(bundle), ": ", entries.status().message()));
  }
  entries->resize(static_cast<size_t>(bundle.width));
  return entries;
}

absl::Status CheckTile(const Fetch& fetch, const TileId& tile, const TreeHashes& hashes) {
  bool is_full = false;
  HILUM_ASSIGN_OR_RETURN(const Bytes bytes,
                         FetchTile(fetch, tile, kTileWidth * sizeof(Digest), &is_full));
  HILUM_ASSIGN_OR_RETURN(const HashList found,
                         DecodeTile(bytes, is_full ? kTileWidth : tile.width));
  const HashSpan expected =
      hashes.level(tile.level).subspan(tile.index * kTileWidth, static_cast<size_t>(tile.width));
  for (size_t i = 0; i < expected.size(); ++i) {
    if (found[i] == expected[i]) continue;
    return absl::DataLossError(
        absl::StrCat(TilePath(tile), " has another hash ", i, " than the entries give"));
  }
  return absl::OkStatus();
}

// All tiles that a tree of `from` entries did not have in full.
absl::Status CheckTiles(const Fetch& fetch, const TreeHashes& hashes, uint64_t from) {
  for (int l = 0; l < hashes.n_levels(); ++l) {
    const uint64_t first = from >> (8 * (l + 1));  // kTileWidth^(l + 1) leaves to a full tile
    for (const TileId& tile : TilesOfLevel(l, hashes.size())) {
      if (tile.index < first) continue;
      HILUM_RETURN_IF_ERROR(CheckTile(fetch, tile, hashes));
    }
  }
  return absl::OkStatus();
}

// Without pins the genesis itself says which key signs the checkpoints.
absl::StatusOr<VerifierKey> LogKey(const LedgerPins& pins, const std::string& first_entry) {
  if (!pins.log_vkey.empty()) return ParseVerifierKey(pins.log_vkey);
  HILUM_ASSIGN_OR_RETURN(const Entry entry, ParseEntry(first_entry));
  const auto* genesis = std::get_if<Genesis>(&entry.body);
  if (genesis == nullptr) {
    return absl::DataLossError(
        absl::StrCat("entry 0 is a ", EntryType(entry), ", not the genesis"));
  }
  return ParseVerifierKey(genesis->log_vkey);
}

absl::Status NameIndex(uint64_t index, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("entry ", index, ": ", status.message()));
}

absl::Status TakeEntry(uint64_t index, std::string text, PreparedEntry prepared, VerifyDepth depth,
                       LogView& view) {
  ViewEntry one;
  one.index = index;
  one.leaf_hash = prepared.leaf_hash;
  const RootReader root_at = [&view](uint64_t size) { return RootAt(view, size); };
  absl::StatusOr<Entry> entry = depth == VerifyDepth::kEverything
                                    ? view.state.Admit(std::move(prepared), Trust::kVerify, root_at)
                                    : std::move(prepared.entry);
  if (!entry.ok()) return NameIndex(index, entry.status());
  one.entry = *std::move(entry);
  one.text = std::move(text);
  view.hashes.Add(one.leaf_hash);
  view.entries.push_back(std::move(one));
  return absl::OkStatus();
}

// Entries first, so that the first bad one is named; then the root, then the tiles. Goes on from
// what the view holds.
absl::Status TakeEntries(const Fetch& fetch, VerifyDepth depth, LogView& view) {
  const uint64_t from = view.entries.size();
  for (const TileId& bundle : TilesOfLevel(kEntriesLevel, view.checkpoint.size)) {
    if (bundle.index < from / kTileWidth) continue;
    HILUM_ASSIGN_OR_RETURN(std::vector<std::string> texts, FetchBundle(fetch, bundle));
    const uint64_t first = bundle.index * kTileWidth;
    if (first < from) texts.erase(texts.begin(), texts.begin() + (from - first));
    std::vector<PreparedEntry> prepared = view.state.Prepare(
        texts, depth == VerifyDepth::kEverything ? Trust::kVerify : Trust::kReplay);
    for (size_t i = 0; i < texts.size(); ++i) {
      HILUM_RETURN_IF_ERROR(
          TakeEntry(view.entries.size(), std::move(texts[i]), std::move(prepared[i]), depth, view));
    }
  }
  return absl::OkStatus();
}

// The tile of level 0 that does not fit tells which entry was rewritten.
absl::Status NameRewrittenEntry(const Fetch& fetch, const LogView& view) {
  for (const TileId& tile : TilesOfLevel(0, view.hashes.size())) {
    bool is_full = false;
    const absl::StatusOr<Bytes> bytes =
        FetchTile(fetch, tile, kTileWidth * sizeof(Digest), &is_full);
    if (!bytes.ok()) continue;
    const absl::StatusOr<HashList> found = DecodeTile(*bytes, is_full ? kTileWidth : tile.width);
    if (!found.ok()) continue;
    for (int i = 0; i < tile.width; ++i) {
      const uint64_t index = tile.index * kTileWidth + static_cast<uint64_t>(i);
      if ((*found)[static_cast<size_t>(i)] == view.hashes.level(0)[index]) continue;
      return absl::DataLossError(absl::StrCat("entry ", index, " is not the one that was logged: ",
                                              "its hash differs from ", TilePath(tile)));
    }
  }
  return absl::DataLossError(absl::StrCat("the ", view.hashes.size(), " entries give the root ",
                                          ToHex(view.hashes.Root()), ", the checkpoint has ",
                                          ToHex(view.checkpoint.root)));
}

}  // namespace

absl::StatusOr<LedgerPins> ParsePins(absl::string_view log_vkey, absl::string_view entry_key) {
  LedgerPins pins;
  if (!log_vkey.empty()) {
    HILUM_ASSIGN_OR_RETURN(const VerifierKey key, ParseVerifierKey(log_vkey));
    pins.origin = key.name;
    pins.log_vkey = std::string(log_vkey);
  }
  if (!entry_key.empty()) {
    HILUM_ASSIGN_OR_RETURN(pins.entry_key, crypto::PublicKeyFromBase64(entry_key));
    HILUM_RETURN_IF_ERROR(crypto::CheckPublicKey(pins.entry_key));
  }
  return pins;
}

absl::StatusOr<LogView> VerifyLog(const Fetch& fetch, const LedgerPins& pins, VerifyDepth depth) {
  LogView view;
  view.state = Admission(pins);
  const bool has_entry_key =
      depth == VerifyDepth::kEverything && pins.entry_key != crypto::PublicKey{};
  view.trusted_on_first_use = pins.log_vkey.empty() && !has_entry_key;
  HILUM_ASSIGN_OR_RETURN(const Bytes note, fetch("checkpoint", kNoteLimitBytes));
  view.checkpoint_note = std::string(AsText(note));
  HILUM_ASSIGN_OR_RETURN(const Note parsed, ParseNote(view.checkpoint_note));
  HILUM_ASSIGN_OR_RETURN(view.checkpoint, ParseCheckpointText(parsed.text));
  if (view.checkpoint.size == 0 || view.checkpoint.size > kViewLimit) {
    return absl::DataLossError(absl::StrCat("the checkpoint is of ", view.checkpoint.size,
                                            " entries, not 1 to ", kViewLimit));
  }
  if (!pins.log_vkey.empty()) {
    HILUM_ASSIGN_OR_RETURN(const VerifierKey key, ParseVerifierKey(pins.log_vkey));
    HILUM_RETURN_IF_ERROR(OpenCheckpoint(view.checkpoint_note, key));
  }
  HILUM_RETURN_IF_ERROR(TakeEntries(fetch, depth, view));
  HILUM_ASSIGN_OR_RETURN(const VerifierKey key, LogKey(pins, view.entries[0].text));
  HILUM_RETURN_IF_ERROR(OpenCheckpoint(view.checkpoint_note, key));
  if (view.hashes.Root() != view.checkpoint.root) return NameRewrittenEntry(fetch, view);
  HILUM_RETURN_IF_ERROR(CheckTiles(fetch, view.hashes, 0));
  return view;
}

absl::Status ExtendLog(const Fetch& fetch, absl::string_view note, const VerifierKey& log,
                       VerifyDepth depth, LogView& view) {
  HILUM_ASSIGN_OR_RETURN(const OpenedCheckpoint opened, OpenCheckpoint(note, log));
  const uint64_t from = view.checkpoint.size;
  if (opened.checkpoint.size < from || opened.checkpoint.size > kViewLimit) {
    return absl::DataLossError(absl::StrCat("the checkpoint is of ", opened.checkpoint.size,
                                            " entries, not ", from, " to ", kViewLimit));
  }
  view.checkpoint_note = std::string(note);
  view.checkpoint = opened.checkpoint;
  HILUM_RETURN_IF_ERROR(TakeEntries(fetch, depth, view));
  if (view.hashes.Root() != view.checkpoint.root) return NameRewrittenEntry(fetch, view);
  return CheckTiles(fetch, view.hashes, from);
}

absl::StatusOr<Digest> RootAt(const LogView& view, uint64_t size) {
  if (size > view.hashes.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the log has ", view.hashes.size(), " entries, not ", size));
  }
  if (size == 0) return crypto::TreeHasher().Root();
  return RangeRoot(0, size, view.hashes.reader());
}

absl::StatusOr<std::string> ProveEntry(const LogView& view, uint64_t index) {
  if (index >= view.entries.size()) {
    return absl::OutOfRangeError(
        absl::StrCat("the log has ", view.entries.size(), " entries, none has the index ", index));
  }
  TlogProof proof;
  proof.extra = view.entries[index].text;
  proof.index = index;
  HILUM_ASSIGN_OR_RETURN(proof.hashes,
                         ProveInclusion(index, view.hashes.size(), view.hashes.reader()));
  proof.checkpoint = view.checkpoint_note;
  return FormatTlogProof(proof);
}

absl::StatusOr<RoundEntries> FindRound(const LogView& view, uint64_t round,
                                       absl::string_view study) {
  RoundEntries found;
  std::set<std::string> studies;
  for (const ViewEntry& one : view.entries) {
    const auto* open = std::get_if<RoundOpen>(&one.entry.body);
    const auto* close = std::get_if<RoundClose>(&one.entry.body);
    if (open == nullptr && close == nullptr) continue;
    if (!study.empty() && one.entry.study != study) continue;
    studies.insert(one.entry.study);
    if (open != nullptr && open->round == round) found.open = &one;
    if (close != nullptr && close->round == round) found.close = &one;
    if (close == nullptr || close->round >= round) continue;
    found.earlier.push_back(&one);
    if (close->status == "ok") found.before = &one;
  }
  if (studies.size() > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("the log holds ", studies.size(), " studies; name the one of round ", round,
                     " with --study: ", absl::StrJoin(studies, ", ")));
  }
  if (found.open != nullptr) return found;
  return absl::NotFoundError(absl::StrCat("the log holds no round ", round));
}

absl::StatusOr<std::vector<std::string>> CosignersOf(const LogView& view) {
  HILUM_ASSIGN_OR_RETURN(const Note note, ParseNote(view.checkpoint_note));
  std::vector<std::string> cosigners;
  for (const auto& [name, member] : view.state.members().all()) {
    if (!member.witness_vkey.has_value()) continue;
    HILUM_ASSIGN_OR_RETURN(const VerifierKey witness, ParseVerifierKey(*member.witness_vkey));
    int n_lines = 0;
    for (const SignatureLine& line : note.lines) {
      if (line.name != witness.name || line.key_id != witness.id) continue;
      if (++n_lines > 1) {
        return absl::DataLossError(
            absl::StrCat("the checkpoint has two cosignatures of ", witness.name));
      }
      if (const auto time = VerifyCosignature(note.text, line, witness); !time.ok()) {
        return absl::DataLossError(absl::StrCat("the cosignature of ", witness.name,
                                                " does not verify: ", time.status().message()));
      }
    }
    if (n_lines == 1) cosigners.push_back(name);
  }
  return cosigners;
}

}  // namespace hilum::ledger_anchor
