#include "client/consent_store.h"

#include <functional>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/sqlite.h"
#include "base/status_macros.h"

namespace hilum::client {
namespace {

constexpr char kSchema[] = R"sql(
CREATE TABLE IF NOT EXISTS batches(
  number INTEGER PRIMARY KEY, study TEXT, root BLOB UNIQUE, count INTEGER, entry TEXT,
  log_index INTEGER);
CREATE TABLE IF NOT EXISTS batch_leaves(
  root BLOB, commitment BLOB, nonce BLOB, event TEXT, PRIMARY KEY(root, commitment)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS manifests(
  study TEXT, round INTEGER, attempt INTEGER, entry TEXT, log_index INTEGER, consent_size INTEGER,
  PRIMARY KEY(study, round, attempt)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS manifest_leaves(
  study TEXT, round INTEGER, attempt INTEGER, slot INTEGER, pid TEXT, content BLOB, nonce BLOB,
  PRIMARY KEY(study, round, attempt, slot)) WITHOUT ROWID;
)sql";

constexpr int64_t kNotLogged = -1;

std::optional<uint64_t> IndexOf(int64_t stored) {
  if (stored < 0) return std::nullopt;
  return static_cast<uint64_t>(stored);
}

int64_t StoredIndex(const std::optional<uint64_t>& index) {
  return index ? static_cast<int64_t>(*index) : kNotLogged;
}

void BindName(Statement& statement, const RoundName& name) {
  statement.Bind(name.study)
      .Bind(static_cast<int64_t>(name.round))
      .Bind(static_cast<int64_t>(name.attempt));
}

}  // namespace

struct ConsentStore::Impl {
  explicit Impl(Database d) : database(std::move(d)) {}

  absl::Status Atomically(const std::function<absl::Status()>& apply) {
    HILUM_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database));
    HILUM_RETURN_IF_ERROR(apply());
    return transaction.Commit();
  }
  absl::Status ReadLeaves(ManifestRecord& record) {
    Statement find = database.Prepare(
        "SELECT pid, content, nonce FROM manifest_leaves WHERE study=? AND round=? AND attempt=? "
        "ORDER BY slot");
    BindName(find, record.name);
    while (true) {
      HILUM_ASSIGN_OR_RETURN(const bool more, find.Step());
      if (!more) return absl::OkStatus();
      ledger_anchor::ManifestLeaf leaf;
      leaf.pid = find.Text();
      leaf.content = find.DigestValue();
      leaf.nonce = find.DigestValue();
      record.leaves.push_back(std::move(leaf));
    }
  }

  std::mutex mutex;
  std::mutex logging;
  Database database;
};

ConsentStore::ConsentStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ConsentStore::~ConsentStore() = default;
std::mutex& ConsentStore::logging() { return impl_->logging; }

absl::StatusOr<std::unique_ptr<ConsentStore>> ConsentStore::Open(const fs::path& file) {
  HILUM_ASSIGN_OR_RETURN(Database database, Database::Open(file));
  HILUM_RETURN_IF_ERROR(database.Script(kSchema));
  return std::unique_ptr<ConsentStore>(
      new ConsentStore(std::make_unique<Impl>(std::move(database))));
}

absl::Status ConsentStore::PutBatch(const BatchRecord& batch,
                                    const std::vector<BatchLeaf>& leaves) {
  const std::lock_guard lock(impl_->mutex);
  return impl_->Atomically([&]() -> absl::Status {
    HILUM_RETURN_IF_ERROR(
        impl_->database
            .Prepare("INSERT INTO batches(study, root, count, entry, log_index) VALUES(?,?,?,?,?)")
            .Bind(batch.study)
            .Bind(batch.root)
            .Bind(static_cast<int64_t>(batch.count))
            .Bind(batch.entry)
            .Bind(StoredIndex(batch.index))
            .Run());
    for (const BatchLeaf& leaf : leaves) {
      HILUM_RETURN_IF_ERROR(
          impl_->database
              .Prepare("INSERT INTO batch_leaves(root, commitment, nonce, event) VALUES(?,?,?,?)")
              .Bind(batch.root)
              .Bind(leaf.commitment)
              .Bind(leaf.nonce)
              .Bind(leaf.event)
              .Run());
    }
    return absl::OkStatus();
  });
}

absl::Status ConsentStore::MarkBatch(const Digest& root, uint64_t index) {
  const std::lock_guard lock(impl_->mutex);
  return impl_->database.Prepare("UPDATE batches SET log_index=? WHERE root=?")
      .Bind(static_cast<int64_t>(index))
      .Bind(root)
      .Run();
}

absl::Status ConsentStore::ReplaceEntry(const Digest& root, absl::string_view entry) {
  const std::lock_guard lock(impl_->mutex);
  return impl_->database.Prepare("UPDATE batches SET entry=? WHERE root=?")
      .Bind(entry)
      .Bind(root)
      .Run();
}

absl::StatusOr<std::vector<BatchRecord>> ConsentStore::Batches(absl::string_view study) {
  const std::lock_guard lock(impl_->mutex);
  Statement find = impl_->database.Prepare(
      "SELECT study, root, count, entry, log_index FROM batches WHERE study=? ORDER BY number");
  find.Bind(study);
  std::vector<BatchRecord> batches;
  while (true) {
    HILUM_ASSIGN_OR_RETURN(const bool more, find.Step());
    if (!more) return batches;
    BatchRecord batch;
    batch.study = find.Text();
    batch.root = find.DigestValue();
    batch.count = static_cast<uint64_t>(find.Int());
    batch.entry = find.Text();
    batch.index = IndexOf(find.Int());
    batches.push_back(std::move(batch));
  }
}

absl::StatusOr<std::vector<BatchLeaf>> ConsentStore::Leaves(const Digest& root) {
  const std::lock_guard lock(impl_->mutex);
  Statement find = impl_->database.Prepare(
      "SELECT commitment, nonce, event FROM batch_leaves WHERE root=? ORDER BY commitment");
  find.Bind(root);
  std::vector<BatchLeaf> leaves;
  while (true) {
    HILUM_ASSIGN_OR_RETURN(const bool more, find.Step());
    if (!more) return leaves;
    BatchLeaf leaf;
    leaf.commitment = find.DigestValue();
    leaf.nonce = find.DigestValue();
    leaf.event = find.Text();
    leaves.push_back(std::move(leaf));
  }
}

absl::Status ConsentStore::PutManifest(const ManifestRecord& manifest) {
  const std::lock_guard lock(impl_->mutex);
  return impl_->Atomically([&]() -> absl::Status {
    Statement put = impl_->database.Prepare(
        "INSERT INTO manifests(study, round, attempt, entry, log_index, consent_size) "
        "VALUES(?,?,?,?,?,?)");
    BindName(put, manifest.name);
    put.Bind(manifest.entry).Bind(StoredIndex(manifest.index));
    put.Bind(static_cast<int64_t>(manifest.consent_size));
    HILUM_RETURN_IF_ERROR(put.Run());
    for (size_t i = 0; i < manifest.leaves.size(); ++i) {
      const ledger_anchor::ManifestLeaf& leaf = manifest.leaves[i];
      Statement add = impl_->database.Prepare(
          "INSERT INTO manifest_leaves(study, round, attempt, slot, pid, content, nonce) "
          "VALUES(?,?,?,?,?,?,?)");
      BindName(add, manifest.name);
      add.Bind(static_cast<int64_t>(i)).Bind(leaf.pid).Bind(leaf.content).Bind(leaf.nonce);
      HILUM_RETURN_IF_ERROR(add.Run());
    }
    return absl::OkStatus();
  });
}

absl::Status ConsentStore::MarkManifest(const RoundName& name, uint64_t index) {
  const std::lock_guard lock(impl_->mutex);
  Statement mark = impl_->database.Prepare(
      "UPDATE manifests SET log_index=? WHERE study=? AND round=? AND attempt=?");
  mark.Bind(static_cast<int64_t>(index));
  BindName(mark, name);
  return mark.Run();
}

absl::StatusOr<std::optional<ManifestRecord>> ConsentStore::Manifest(const RoundName& name) {
  const std::lock_guard lock(impl_->mutex);
  Statement find = impl_->database.Prepare(
      "SELECT entry, log_index, consent_size FROM manifests "
      "WHERE study=? AND round=? AND attempt=?");
  BindName(find, name);
  HILUM_ASSIGN_OR_RETURN(const bool found, find.Step());
  if (!found) return std::optional<ManifestRecord>();
  ManifestRecord record;
  record.name = name;
  record.entry = find.Text();
  record.index = IndexOf(find.Int());
  record.consent_size = static_cast<uint64_t>(find.Int());
  HILUM_RETURN_IF_ERROR(impl_->ReadLeaves(record));
  return std::optional<ManifestRecord>(std::move(record));
}

absl::StatusOr<std::optional<ManifestRecord>> ConsentStore::LoggedManifest(absl::string_view study,
                                                                           uint64_t round) {
  RoundName name{.study = std::string(study), .round = round, .attempt = 0};
  {
    const std::lock_guard lock(impl_->mutex);
    Statement find = impl_->database.Prepare(
        "SELECT attempt FROM manifests WHERE study=? AND round=? AND log_index>=0");
    find.Bind(study).Bind(static_cast<int64_t>(round));
    HILUM_ASSIGN_OR_RETURN(const bool found, find.Step());
    if (!found) return std::optional<ManifestRecord>();
    name.attempt = static_cast<uint32_t>(find.Int());
  }
  return Manifest(name);
}

}  // namespace hilum::client
