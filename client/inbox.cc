#include "client/inbox.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/hash.h"

namespace hilum::client {
namespace {

constexpr uint64_t kDiskReserveBytes = uint64_t{1} << 30;
constexpr uint64_t kMinObjectBytes = 1 << 20;

fs::path LockOf(const SiteFolder& folder) { return folder.receiving() / "lock"; }

absl::StatusOr<uint64_t> SizeOf(const fs::path& folder) {
  uint64_t size_bytes = 0;
  std::error_code error;
  for (auto item = fs::recursive_directory_iterator(folder, error);
       !error && item != fs::recursive_directory_iterator(); item.increment(error)) {
    std::error_code gone;
    const uintmax_t one = item->is_regular_file(gone) ? item->file_size(gone) : 0;
    if (!gone) size_bytes += one;
  }
  if (!error) return size_bytes;
  return absl::UnavailableError(
      absl::StrCat("the folder ", folder.string(), " cannot be listed: ", error.message()));
}

}  // namespace

std::string InboxName(absl::string_view sop_uid) {
  return absl::StrCat(ToHex(crypto::Sha256(AsBytes(sop_uid))).substr(0, 32), ".dcm");
}

absl::StatusOr<uint64_t> InboxBytes(const SiteFolder& folder) {
  std::error_code error;
  if (!fs::exists(folder.inbox(), error)) return 0;
  return SizeOf(folder.inbox());
}

bool IsInboxInUse(const SiteFolder& folder) {
  std::error_code error;
  return fs::exists(LockOf(folder), error) &&
         absl::IsFailedPrecondition(FileLock::Acquire(LockOf(folder)).status());
}

absl::StatusOr<std::unique_ptr<Inbox>> Inbox::Open(const SiteFolder& folder, uint64_t quota_bytes) {
  HILUM_RETURN_IF_ERROR(MakeFolder(folder.inbox()));
  HILUM_RETURN_IF_ERROR(MakeFolder(folder.receiving()));
  absl::StatusOr<FileLock> lock = FileLock::Acquire(LockOf(folder));
  if (absl::IsFailedPrecondition(lock.status())) {
    return absl::FailedPreconditionError(absl::StrCat(
        "another program fills ", folder.inbox().string(), ": end that import first."));
  }
  HILUM_RETURN_IF_ERROR(lock.status());
  RemoveUnfinished(folder.receiving());
  HILUM_ASSIGN_OR_RETURN(const uint64_t used_bytes, InboxBytes(folder));
  auto inbox = std::unique_ptr<Inbox>(
      new Inbox(*std::move(lock), folder.inbox(), folder.receiving(), quota_bytes));
  inbox->used_bytes_ = used_bytes;
  return inbox;
}

bool Inbox::Has(absl::string_view sop_uid) const {
  std::error_code error;
  return fs::exists(path_ / InboxName(sop_uid), error);
}

absl::StatusOr<NewFile> Inbox::Begin() {
  // A reserved place was counted before; there must be room for something beside it.
  if (quota_bytes_ < used_bytes() + kMinObjectBytes) {
    return absl::ResourceExhaustedError(absl::StrCat(path_.string(), " holds ", used_bytes() >> 20,
                                                     " MiB of the ", quota_bytes_ >> 20,
                                                     " MiB of [import] inbox_gib: raise it."));
  }
  return NewFile::Create(receiving_);
}

absl::StatusOr<bool> Inbox::Take(NewFile file, absl::string_view sop_uid) {
  HILUM_ASSIGN_OR_RETURN(const uint64_t size_bytes, file.size_bytes());
  const std::lock_guard lock(mutex_);
  if (Has(sop_uid)) return false;
  if (size_bytes > quota_bytes_ - std::min(quota_bytes_, used_bytes_)) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "an object of ", size_bytes >> 20, " MiB does not fit the ", quota_bytes_ >> 20,
        " MiB of [import] inbox_gib, of which ", used_bytes_ >> 20, " MiB are used."));
  }
  HILUM_RETURN_IF_ERROR(file.Commit(path_ / InboxName(sop_uid)));
  used_bytes_ += size_bytes;
  return true;
}

uint64_t Inbox::LeftLocked() const {
  std::error_code error;
  const fs::space_info space = fs::space(path_, error);
  const uint64_t disk =
      error ? 0 : space.available - std::min<uint64_t>(space.available, kDiskReserveBytes);
  const uint64_t quota = quota_bytes_ - std::min(quota_bytes_, used_bytes_);
  const uint64_t left = std::min(disk, quota);
  return left - std::min(left, reserved_bytes_);
}

uint64_t Inbox::LeftBytes() const {
  const std::lock_guard lock(mutex_);
  return LeftLocked();
}

uint64_t Inbox::Reserve(uint64_t wanted) {
  const std::lock_guard lock(mutex_);
  const uint64_t reserved = std::min(wanted, LeftLocked() / 2);
  reserved_bytes_ += reserved;
  return reserved;
}

void Inbox::Release(uint64_t reserved) {
  const std::lock_guard lock(mutex_);
  reserved_bytes_ -= std::min(reserved_bytes_, reserved);
}

uint64_t Inbox::used_bytes() const {
  const std::lock_guard lock(mutex_);
  return used_bytes_;
}

}  // namespace hilum::client
