// The folder of objects that came over the network, as `hilum site import` takes them up: each
// under a name of ours, complete and on the disk, within a quota.
#ifndef HILUM_CLIENT_INBOX_H_
#define HILUM_CLIENT_INBOX_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/file.h"
#include "base/new_file.h"
#include "client/site_folder.h"

namespace hilum::client {

// The name of an instance in the inbox: the first 32 hexadecimal digits of the SHA-256 of its SOP
// Instance UID, and ".dcm". Never text of a peer, so no path leads out of the folder.
std::string InboxName(absl::string_view sop_uid);

// What the inbox holds. Unavailable: it cannot be listed.
absl::StatusOr<uint64_t> InboxBytes(const SiteFolder& folder);
// Whether a program fills the inbox now.
bool IsInboxInUse(const SiteFolder& folder);

// Thread-safe. One program at a time.
class Inbox {
 public:
  // Makes the folders; removes what an interrupted import left half. FailedPrecondition: another
  // program fills it. Unavailable: the system.
  static absl::StatusOr<std::unique_ptr<Inbox>> Open(const SiteFolder& folder,
                                                     uint64_t quota_bytes);

  const fs::path& path() const { return path_; }
  bool Has(absl::string_view sop_uid) const;
  // ResourceExhausted: the quota or the disk is full; the sentence says what to do.
  absl::StatusOr<NewFile> Begin();
  // Commits the file as that instance. An instance that is there already stays as it is: a SOP
  // Instance UID names one object for ever (PS3.5 section 9). True: it is new. ResourceExhausted:
  // it does not fit the quota.
  absl::StatusOr<bool> Take(NewFile file, absl::string_view sop_uid);

  // Sets room aside for a sender that is not trusted with all of it: at most `wanted`, at most
  // half of what is left. Release gives it back.
  uint64_t Reserve(uint64_t wanted);
  void Release(uint64_t reserved);

  uint64_t used_bytes() const;
  // What may still come: of the quota, and of the disk less 1 GiB.
  uint64_t LeftBytes() const;

 private:
  Inbox(FileLock lock, fs::path path, fs::path receiving, uint64_t quota_bytes)
      : lock_(std::move(lock)),
        path_(std::move(path)),
        receiving_(std::move(receiving)),
        quota_bytes_(quota_bytes) {}
  uint64_t LeftLocked() const;

  const FileLock lock_;
  const fs::path path_;
  const fs::path receiving_;
  const uint64_t quota_bytes_;
  mutable std::mutex mutex_;
  uint64_t used_bytes_ = 0;
  uint64_t reserved_bytes_ = 0;
};

}  // namespace hilum::client

#endif  // HILUM_CLIENT_INBOX_H_
