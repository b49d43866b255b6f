#include "ledger_anchor/anchor_folder.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/system_error.h"

namespace hilum::ledger_anchor {

absl::StatusOr<AnchorFolder> AnchorFolder::Open(fs::path folder) {
  HILUM_RETURN_IF_ERROR(MakeFolder(folder));
  AnchorFolder opened(std::move(folder));
  std::error_code error;
  for (fs::directory_iterator it(opened.folder_, error), end; !error && it != end;
       it.increment(error)) {
    const auto size = ParseDecimalInteger("a size", it->path().filename().string());
    if (size.ok()) opened.sizes_.push_back(*size);
  }
  if (error) {
    return SystemUnavailable(
        absl::StrCat("cannot list ", opened.folder_.string(), ": ", error.message()));
  }
  std::sort(opened.sizes_.begin(), opened.sizes_.end());
  HILUM_RETURN_IF_ERROR(opened.WriteList());
  return opened;
}

absl::Status AnchorFolder::WriteList() const {
  std::string text;
  for (const uint64_t size : sizes_) absl::StrAppend(&text, size, "\n");
  if (text.size() > kAnchorListLimitBytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        folder_.string(), " holds ", sizes_.size(), " receipts, whose list has ", text.size(),
        " bytes, the limit is ", kAnchorListLimitBytes, "; move the oldest receipts elsewhere"));
  }
  return WriteFileDurably(folder_ / "list", AsBytes(text));
}

absl::Status AnchorFolder::Put(const AnchoredNote& note, const AnchorReceipt& receipt) {
  const uint64_t size = note.checkpoint.size;
  const fs::path path = folder_ / absl::StrCat(size);
  HILUM_RETURN_IF_ERROR(WriteFileDurably(path.string() + ".note", AsBytes(note.note)));
  HILUM_RETURN_IF_ERROR(WriteFileDurably(path, receipt.bytes));
  const auto place = std::lower_bound(sizes_.begin(), sizes_.end(), size);
  if (place == sizes_.end() || *place != size) sizes_.insert(place, size);
  return WriteList();
}

absl::Status AnchorFolder::PutAuthority(absl::string_view pem) {
  return WriteFileDurably(folder_ / "ca.pem", AsBytes(pem));
}

absl::StatusOr<std::vector<uint64_t>> ReadAnchorList(const Fetch& fetch) {
  const absl::StatusOr<Bytes> bytes = fetch("list", kAnchorListLimitBytes);
  std::vector<uint64_t> sizes;
  if (absl::IsNotFound(bytes.status())) return sizes;
  HILUM_RETURN_IF_ERROR(bytes.status());
  if (bytes->empty()) return sizes;  // which splits into no line at all
  std::vector<absl::string_view> lines = absl::StrSplit(AsText(*bytes), '\n');
  if (!lines.back().empty()) {
    return absl::DataLossError("the list of receipts does not end with a line end");
  }
  lines.pop_back();
  for (const absl::string_view line : lines) {
    const absl::StatusOr<uint64_t> size = ParseDecimalInteger("a size", line);
    if (!size.ok() || (!sizes.empty() && *size <= sizes.back())) {
      return absl::DataLossError(
          absl::StrCat("line ", sizes.size() + 1, " of the list of receipts is no larger size"));
    }
    sizes.push_back(*size);
  }
  return sizes;
}

absl::StatusOr<StoredAnchor> ReadAnchor(const Fetch& fetch, uint64_t size, const VerifierKey& log) {
  const auto read = [&](const std::string& path, uint64_t limit) -> absl::StatusOr<Bytes> {
    absl::StatusOr<Bytes> bytes = fetch(path, limit);
    if (!absl::IsNotFound(bytes.status()) && !absl::IsResourceExhausted(bytes.status())) {
      return bytes;
    }
    return absl::DataLossError(bytes.status().message());  // the list names it
  };
  HILUM_ASSIGN_OR_RETURN(const Bytes text, read(absl::StrCat(size, ".note"), kNoteLimitBytes));
  StoredAnchor stored;
  HILUM_ASSIGN_OR_RETURN(stored.note, MakeAnchoredNote(AsText(text), log));
  HILUM_ASSIGN_OR_RETURN(stored.receipt.bytes, read(absl::StrCat(size), kAnchorReceiptLimitBytes));
  if (stored.note.checkpoint.size != size) {
    return absl::DataLossError(absl::StrCat("the note beside the receipt of size ", size,
                                            " is of size ", stored.note.checkpoint.size));
  }
  if (stored.note.note == AsText(text)) return stored;
  return absl::DataLossError(absl::StrCat("the note beside the receipt of size ", size,
                                          " holds more than the log's own line"));
}

}  // namespace hilum::ledger_anchor
