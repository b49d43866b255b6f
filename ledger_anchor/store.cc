#include "ledger_anchor/store.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "base/system_error.h"
#include "crypto/random.h"

namespace hilum::ledger_anchor {
namespace {

constexpr size_t kChunkBytes = 1 << 20;
constexpr std::chrono::hours kUnfinishedAge{24};

constexpr uint64_t kTombstoneLimitBytes = 256;

// <folder>/<kind>/ab/<62 hex>
fs::path PathIn(const fs::path& folder, const char* kind, const Digest& digest) {
  const std::string hex = ToHex(digest);
  return folder / kind / hex.substr(0, 2) / hex.substr(2);
}

absl::Status Damaged(const Digest& digest) {
  return absl::DataLossError(
      absl::StrCat("the stored object ", ToHex(digest), " is damaged: its bytes hash otherwise"));
}

absl::Status SystemError(absl::string_view action, const fs::path& path,
                         const std::error_code& error) {
  return SystemUnavailable(
      absl::StrCat("cannot ", action, " ", path.string(), ": ", error.message()));
}

void RemoveUnfinished(const fs::path& folder) {
  std::error_code error;
  const auto oldest = fs::file_time_type::clock::now() - kUnfinishedAge;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;  // another process may have removed it
    if (fs::last_write_time(it->path(), ignored) < oldest && !ignored) {
      fs::remove(it->path(), ignored);
    }
  }
}

}  // namespace

absl::StatusOr<Store> Store::Open(const std::filesystem::path& folder) {
  HILUM_RETURN_IF_ERROR(MakeFolder(folder / "sha256"));
  HILUM_RETURN_IF_ERROR(MakeFolder(folder / "tmp"));
  RemoveUnfinished(folder / "tmp");
  return Store(folder);
}

fs::path Store::PathOf(const Digest& digest) const { return PathIn(folder_, "sha256", digest); }

absl::Status Store::NoObject(const Digest& digest) const {
  std::string sentence = absl::StrCat("the store has no object ", ToHex(digest));
  const absl::StatusOr<std::string> tombstone =
      ReadTextFile(PathIn(folder_, "tombstones", digest), kTombstoneLimitBytes);
  if (tombstone.ok()) {
    absl::StrAppend(&sentence,
                    "; it was deleted on purpose: ", absl::StripAsciiWhitespace(*tombstone));
  }
  return absl::NotFoundError(sentence);
}

absl::StatusOr<std::vector<Store::Stored>> Store::List() const {
  std::vector<Stored> objects;
  std::error_code error;
  fs::recursive_directory_iterator it(folder_ / "sha256", error);
  for (const fs::recursive_directory_iterator end; !error && it != end; it.increment(error)) {
    std::error_code ignored;  // another process may have removed it
    if (!it->is_regular_file(ignored)) continue;
    const fs::path& path = it->path();
    const absl::StatusOr<Digest> digest = DigestFromHex(
        absl::StrCat(path.parent_path().filename().string(), path.filename().string()));
    if (!digest.ok() || PathOf(*digest) != path) continue;
    Stored stored{.digest = *digest, .size_bytes = it->file_size(ignored)};
    const auto written = std::chrono::file_clock::to_sys(it->last_write_time(ignored));
    if (ignored) continue;
    stored.stored_s =
        std::chrono::duration_cast<std::chrono::seconds>(written.time_since_epoch()).count();
    objects.push_back(stored);
  }
  if (error) return SystemError("read", folder_ / "sha256", error);
  std::sort(objects.begin(), objects.end(),
            [](const Stored& a, const Stored& b) { return a.digest < b.digest; });
  return objects;
}

absl::Status Store::Remove(const Digest& digest, absl::string_view reason) const {
  if (!Has(digest)) return NoObject(digest);
  const fs::path tombstone = PathIn(folder_, "tombstones", digest);
  HILUM_RETURN_IF_ERROR(MakeFolder(tombstone.parent_path()));
  HILUM_RETURN_IF_ERROR(WriteFileDurably(tombstone, AsBytes(absl::StrCat(reason, "\n"))));
  std::error_code error;
  fs::remove(PathOf(digest), error);
  if (error) return SystemError("delete", PathOf(digest), error);
  return SyncFolder(PathOf(digest).parent_path());
}

absl::StatusOr<Digest> Store::Put(ByteView bytes) const {
  const Digest digest = crypto::Sha256(bytes);
  if (Has(digest)) return digest;
  HILUM_ASSIGN_OR_RETURN(StoreWriter writer, NewObject());
  HILUM_RETURN_IF_ERROR(writer.Append(bytes));
  return writer.Commit();
}

absl::StatusOr<Bytes> Store::Get(const Digest& digest, uint64_t limit_bytes) const {
  absl::StatusOr<Bytes> bytes = ReadFile(PathOf(digest), limit_bytes);
  if (absl::IsNotFound(bytes.status())) return NoObject(digest);
  if (bytes.ok() && crypto::Sha256(*bytes) != digest) return Damaged(digest);
  return bytes;
}

bool Store::Has(const Digest& digest) const {
  std::error_code error;
  return fs::is_regular_file(PathOf(digest), error);
}

absl::StatusOr<uint64_t> Store::SizeBytes(const Digest& digest) const {
  std::error_code error;
  const uint64_t size_bytes = fs::file_size(PathOf(digest), error);
  if (error == std::errc::no_such_file_or_directory) return NoObject(digest);
  if (error) return SystemError("read", PathOf(digest), error);
  return size_bytes;
}

absl::Status Store::Check(const Digest& digest) const {
  HILUM_ASSIGN_OR_RETURN(StoreReader reader, OpenObject(digest));
  Bytes chunk(kChunkBytes);
  for (;;) {
    HILUM_ASSIGN_OR_RETURN(const size_t n, reader.Read(chunk));
    if (n == 0) return absl::OkStatus();
  }
}

absl::StatusOr<StoreReader> Store::OpenObject(const Digest& digest) const {
  StoreReader reader;
  reader.path_ = PathOf(digest);
  reader.digest_ = digest;
  HILUM_ASSIGN_OR_RETURN(reader.size_bytes_, SizeBytes(digest));
  if (reader.size_bytes_ == 0 && crypto::Sha256(ByteView()) != digest) return Damaged(digest);
  return reader;
}

absl::StatusOr<size_t> StoreReader::Read(std::span<uint8_t> chunk) {
  const size_t n = std::min<uint64_t>(chunk.size(), size_bytes_ - offset_bytes_);
  if (n == 0) return size_t{0};
  const absl::Status status = ReadFileAt(path_, offset_bytes_, chunk.first(n));
  if (absl::IsOutOfRange(status)) return Damaged(digest_);
  if (!status.ok()) return status;
  hash_.Update(ByteView(chunk.first(n)));
  offset_bytes_ += n;
  if (offset_bytes_ == size_bytes_ && hash_.Finish() != digest_) return Damaged(digest_);
  return n;
}

struct StoreWriter::Impl {
  Impl(Store parent, fs::path path) : store(std::move(parent)), temporary(std::move(path)) {}

  Store store;
  fs::path temporary;
  std::optional<AppendFile> file;
  crypto::Sha256Stream hash;
  bool finished = false;

  ~Impl() {
    std::error_code error;
    fs::remove(temporary, error);
  }

  // A hard link, not a rename: it never replaces an object.
  absl::Status Link(const Digest& digest) const {
    const fs::path path = store.PathOf(digest);
    HILUM_RETURN_IF_ERROR(MakeFolder(path.parent_path()));
    std::error_code error;
    fs::create_hard_link(temporary, path, error);
    if (error && error != std::errc::file_exists) return SystemError("write", path, error);
    fs::remove(PathIn(store.folder(), "tombstones", digest), error);  // it is here again
    HILUM_RETURN_IF_ERROR(SyncFolder(path.parent_path()));
    return SyncFolder(path.parent_path().parent_path());
  }
};

StoreWriter::StoreWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
StoreWriter::StoreWriter(StoreWriter&&) noexcept = default;
StoreWriter& StoreWriter::operator=(StoreWriter&&) noexcept = default;
StoreWriter::~StoreWriter() = default;

absl::StatusOr<StoreWriter> Store::NewObject() const {
  const std::string name = ToHex(crypto::RandomArray<16>());
  auto impl = std::make_unique<StoreWriter::Impl>(*this, folder_ / "tmp" / name);
  HILUM_ASSIGN_OR_RETURN(AppendFile file, AppendFile::Open(impl->temporary, 0));
  impl->file = std::move(file);
  return StoreWriter(std::move(impl));
}

absl::Status StoreWriter::Append(ByteView chunk) {
  impl_->hash.Update(chunk);
  return impl_->file->Append(chunk);
}

uint64_t StoreWriter::size_bytes() const { return impl_->file->size_bytes(); }

absl::Status StoreWriter::ReadBack(uint64_t offset, std::span<uint8_t> bytes) const {
  return ReadFileAt(impl_->temporary, offset, bytes);
}

absl::StatusOr<Digest> StoreWriter::Commit() {
  HILUM_CHECK(!impl_->finished);
  const Digest digest = crypto::Sha256Stream(impl_->hash).Finish();
  HILUM_RETURN_IF_ERROR(CommitAs(digest));
  return digest;
}

absl::Status StoreWriter::CommitAs(const Digest& expected) {
  HILUM_CHECK(!impl_->finished);
  impl_->finished = true;
  const Digest digest = impl_->hash.Finish();
  if (digest != expected) {
    return absl::DataLossError(absl::StrCat("the object of ", size_bytes(), " bytes hashes to ",
                                            ToHex(digest), ", announced was ", ToHex(expected)));
  }
  HILUM_RETURN_IF_ERROR(impl_->file->Sync());
  return impl_->Link(digest);
}

}  // namespace hilum::ledger_anchor
