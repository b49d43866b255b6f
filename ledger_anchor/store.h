// The content-addressed store: an object's name is the SHA-256 of its bytes (ledger.md, section 8).
// Layout: <folder>/sha256/ab/<62 hex>; unfinished objects in <folder>/tmp; what was deleted on
// purpose leaves a line in <folder>/tombstones/ab/<62 hex>.
#ifndef HILUM_LEDGER_ANCHOR_STORE_H_
#define HILUM_LEDGER_ANCHOR_STORE_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "base/file.h"
#include "crypto/hash.h"

namespace hilum::ledger_anchor {

class StoreWriter;
class StoreReader;

// Thread-safe; several processes may share a folder.
class Store {
 public:
  // Makes the folder where needed and removes unfinished objects older than a day.
  static absl::StatusOr<Store> Open(const std::filesystem::path& folder);

  // For readers: makes and removes nothing. What is missing shows at the first read.
  static Store OpenForReading(std::filesystem::path folder) { return Store(std::move(folder)); }

  // Durable when it returns. An object that is there already is not written again.
  // ResourceExhausted: disk full. Unavailable: another system error.
  absl::StatusOr<Digest> Put(ByteView bytes) const;
  // The bytes, hashed again. NotFound. ResourceExhausted: longer than `limit_bytes`. DataLoss: the
  // stored bytes are not what their name says.
  absl::StatusOr<Bytes> Get(const Digest& digest, uint64_t limit_bytes) const;
  bool Has(const Digest& digest) const;
  // NotFound.
  absl::StatusOr<uint64_t> SizeBytes(const Digest& digest) const;
  // Reads the object through once. NotFound; DataLoss: damaged.
  absl::Status Check(const Digest& digest) const;

  // For objects that arrive or leave in chunks.
  absl::StatusOr<StoreWriter> NewObject() const;
  absl::StatusOr<StoreReader> OpenObject(const Digest& digest) const;

  struct Stored {
    Digest digest{};
    uint64_t size_bytes = 0;
    int64_t stored_s = 0;  // when its file was last written, seconds since 1970 UTC
  };
  // All objects, by digest. Unavailable: the folder cannot be read. Files that bear no object's
  // name are left aside.
  absl::StatusOr<std::vector<Stored>> List() const;
  // Deletes an object for good and leaves a tombstone with `reason`, one line, so that a reader is
  // told what became of it. The tombstone is durable first. NotFound.
  absl::Status Remove(const Digest& digest, absl::string_view reason) const;

  // Where an object is or would be.
  std::filesystem::path PathOf(const Digest& digest) const;
  const std::filesystem::path& folder() const { return folder_; }

 private:
  friend class StoreWriter;
  explicit Store(std::filesystem::path folder) : folder_(std::move(folder)) {}
  // The sentence for a missing object, with its tombstone where it has one.
  absl::Status NoObject(const Digest& digest) const;
  std::filesystem::path folder_;
};

// One object on its way in. Without Commit it is removed at the end. Not thread-safe.
class StoreWriter {
 public:
  StoreWriter(StoreWriter&&) noexcept;
  StoreWriter& operator=(StoreWriter&&) noexcept;
  ~StoreWriter();
  absl::Status Append(ByteView chunk);
  uint64_t size_bytes() const;
  // Reads bytes that were appended, also after Commit. OutOfRange: beyond the last of them.
  absl::Status ReadBack(uint64_t offset, std::span<uint8_t> bytes) const;
  // Syncs and links it under its hash. Once only.
  absl::StatusOr<Digest> Commit();
  // As Commit. DataLoss: the hash is not `expected`; nothing is kept.
  absl::Status CommitAs(const Digest& expected);

 private:
  friend class Store;
  struct Impl;
  explicit StoreWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// One object on its way out. Not thread-safe.
class StoreReader {
 public:
  uint64_t size_bytes() const { return size_bytes_; }
  uint64_t offset_bytes() const { return offset_bytes_; }
  // Fills `chunk`, or less at the end; 0 after it. With the last byte the hash is compared.
  // DataLoss: the object is damaged; what was read before must not be used.
  absl::StatusOr<size_t> Read(std::span<uint8_t> chunk);

 private:
  friend class Store;
  std::filesystem::path path_;
  Digest digest_{};
  uint64_t size_bytes_ = 0;
  uint64_t offset_bytes_ = 0;
  crypto::Sha256Stream hash_;
};

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_STORE_H_
