#include "ledger_anchor/log_records.h"

#include <algorithm>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/system_error.h"
#include "crypto/hash.h"
#include "crypto/tree.h"
#include "ledger_anchor/tiles.h"

namespace hilum::ledger_anchor {
namespace {

constexpr size_t kWindowBytes = 1 << 20;

uint64_t ReadNumber(ByteView bytes) {
  uint64_t value = 0;
  for (const uint8_t byte : bytes) value = value << 8 | byte;
  return value;
}

absl::StatusOr<uint64_t> FileSize(const fs::path& path) {
  std::error_code error;
  const uint64_t size_bytes = fs::file_size(path, error);
  if (!error) return size_bytes;
  if (error == std::errc::no_such_file_or_directory) {
    return absl::NotFoundError(absl::StrCat("there is no file ", path.string()));
  }
  return SystemUnavailable(absl::StrCat("cannot read ", path.string(), ": ", error.message()));
}

// A file read from its start in windows: Peek gives the next n bytes, fewer at the end.
class Scanner {
 public:
  Scanner(fs::path path, uint64_t size_bytes) : path_(std::move(path)), size_bytes_(size_bytes) {}

  absl::StatusOr<ByteView> Peek(size_t n) {
    if (window_.size() - at_ < n && window_start_ + window_.size() < size_bytes_) {
      window_start_ += at_;
      at_ = 0;
      window_.resize(std::min<uint64_t>(std::max(n, kWindowBytes), size_bytes_ - window_start_));
      HILUM_RETURN_IF_ERROR(ReadFileAt(path_, window_start_, window_));
    }
    return ByteView(window_).subspan(at_, std::min(n, window_.size() - at_));
  }
  void Skip(size_t n) { at_ += n; }
  uint64_t offset() const { return window_start_ + at_; }
  uint64_t rest() const { return size_bytes_ - offset(); }

 private:
  fs::path path_;
  uint64_t size_bytes_;
  uint64_t window_start_ = 0;
  size_t at_ = 0;
  Bytes window_;
};

constexpr size_t kJournalHead = 8 + 4;
constexpr size_t kHeadHead = 4;
constexpr size_t kDigestBytes = sizeof(Digest);

}  // namespace

Bytes EncodeJournalRecord(uint64_t index, absl::string_view entry, const Digest& leaf_hash) {
  Bytes bytes;
  bytes.reserve(kJournalHead + entry.size() + kDigestBytes);
  AppendU64(bytes, index);
  AppendU32(bytes, static_cast<uint32_t>(entry.size()));
  AppendText(bytes, entry);
  AppendBytes(bytes, leaf_hash);
  return bytes;
}

Bytes EncodeHeadRecord(absl::string_view note) {
  Bytes bytes;
  AppendU32(bytes, static_cast<uint32_t>(note.size()));
  AppendText(bytes, note);
  AppendBytes(bytes, crypto::Sha256(note));
  return bytes;
}

absl::StatusOr<uint64_t> ReadJournal(
    const std::filesystem::path& path,
    const std::function<absl::Status(const JournalEntry&)>& visit) {
  HILUM_ASSIGN_OR_RETURN(const uint64_t size_bytes, FileSize(path));
  Scanner scanner(path, size_bytes);
  for (uint64_t index = 0;; ++index) {
    HILUM_ASSIGN_OR_RETURN(const ByteView head, scanner.Peek(kJournalHead));
    if (head.size() < kJournalHead || ReadNumber(head.first(8)) != index) break;
    const size_t length = ReadNumber(head.subspan(8));
    if (length > kEntryLimitBytes) break;
    const size_t record_bytes = kJournalHead + length + kDigestBytes;
    HILUM_ASSIGN_OR_RETURN(const ByteView record, scanner.Peek(record_bytes));
    if (record.size() < record_bytes) break;
    JournalEntry entry;
    entry.index = index;
    entry.text = AsText(record.subspan(kJournalHead, length));
    entry.leaf_hash = crypto::LeafHash(AsBytes(entry.text));
    const ByteView stored = record.last(kDigestBytes);
    if (!std::equal(stored.begin(), stored.end(), entry.leaf_hash.begin())) break;
    HILUM_RETURN_IF_ERROR(visit(entry));
    scanner.Skip(record_bytes);
  }
  return scanner.offset();
}

namespace {

// The next note; absent when the rest of the file is a torn tail.
absl::StatusOr<std::optional<std::string>> NextHead(Scanner& scanner) {
  HILUM_ASSIGN_OR_RETURN(const ByteView head, scanner.Peek(kHeadHead));
  if (head.size() < kHeadHead) return std::nullopt;
  const size_t length = ReadNumber(head);
  const size_t record_bytes = kHeadHead + length + kDigestBytes;
  if (scanner.rest() < record_bytes) return std::nullopt;
  if (length <= kNoteLimitBytes) {
    HILUM_ASSIGN_OR_RETURN(const ByteView record, scanner.Peek(record_bytes));
    const absl::string_view note = AsText(record.subspan(kHeadHead, length));
    const Digest digest = crypto::Sha256(note);
    const ByteView stored = record.last(kDigestBytes);
    if (std::equal(stored.begin(), stored.end(), digest.begin())) {
      scanner.Skip(record_bytes);
      return std::string(note);
    }
  }
  if (scanner.rest() == record_bytes) return std::nullopt;
  return absl::DataLossError(
      absl::StrCat("the record of a signed checkpoint at byte ", scanner.offset(), " is damaged"));
}

}  // namespace

absl::StatusOr<Heads> ReadHeads(const std::filesystem::path& path) {
  HILUM_ASSIGN_OR_RETURN(const uint64_t size_bytes, FileSize(path));
  Scanner scanner(path, size_bytes);
  Heads heads;
  for (;;) {
    HILUM_ASSIGN_OR_RETURN(std::optional<std::string> note, NextHead(scanner));
    if (!note) break;
    HILUM_ASSIGN_OR_RETURN(const Note parsed, ParseNote(*note));
    HILUM_ASSIGN_OR_RETURN(Checkpoint checkpoint, ParseCheckpointText(parsed.text));
    if (!heads.checkpoints.empty() && checkpoint.size < heads.checkpoints.back().size) {
      return absl::DataLossError(absl::StrCat("signed checkpoints go from size ",
                                              heads.checkpoints.back().size, " back to ",
                                              checkpoint.size));
    }
    heads.checkpoints.push_back(std::move(checkpoint));
    heads.last_note = *std::move(note);
    heads.good_bytes = scanner.offset();
  }
  return heads;
}

}  // namespace hilum::ledger_anchor
