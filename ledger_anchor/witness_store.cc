#include "ledger_anchor/witness_store.h"

#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/sqlite.h"
#include "base/status_macros.h"

namespace hilum::ledger_anchor {
namespace {

namespace fs = std::filesystem;

constexpr char kSchema[] = R"sql(
CREATE TABLE witness (vkey TEXT NOT NULL);
CREATE TABLE heads (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL,
                    time_s INTEGER NOT NULL, note TEXT NOT NULL);
CREATE TABLE evidence (origin TEXT NOT NULL, is_fork INTEGER NOT NULL, cosigned TEXT NOT NULL,
                       refused TEXT NOT NULL);
)sql";

absl::Status FillNew(const fs::path& path, absl::string_view vkey) {
  HILUM_ASSIGN_OR_RETURN(Database database, Database::Open(path));
  HILUM_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database));
  HILUM_RETURN_IF_ERROR(database.Script(kSchema));
  HILUM_RETURN_IF_ERROR(database.Prepare("INSERT INTO witness VALUES (?1)").Bind(vkey).Run());
  return transaction.Commit();
}

}  // namespace

struct WitnessStore::Impl {
  explicit Impl(Database opened) : database(std::move(opened)) {}
  mutable std::mutex mutex;
  mutable Database database;

  absl::StatusOr<std::optional<WitnessedHead>> Last(absl::string_view origin) const {
    Statement select =
        database.Prepare("SELECT size, root, time_s, note FROM heads WHERE origin = ?1");
    HILUM_ASSIGN_OR_RETURN(const bool found, select.Bind(origin).Step());
    if (!found) return std::optional<WitnessedHead>();
    WitnessedHead head;
    head.size = static_cast<uint64_t>(select.Int());
    head.root = select.DigestValue();
    head.time_s = static_cast<uint64_t>(select.Int());
    head.note = select.Text();
    return std::optional<WitnessedHead>(std::move(head));
  }
};

WitnessStore::WitnessStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

WitnessStore::~WitnessStore() = default;

absl::Status WitnessStore::Create(const fs::path& path, absl::string_view vkey) {
  std::error_code ignored;
  if (fs::exists(path, ignored)) {
    return absl::AlreadyExistsError(
        absl::StrCat("there is a witness database at ", path.string(), " already"));
  }
  fs::path unfinished = path;
  unfinished += ".new";
  for (const char* part : {"", "-wal", "-shm"}) fs::remove(unfinished.string() + part, ignored);
  HILUM_RETURN_IF_ERROR(FillNew(unfinished, vkey));
  std::error_code error;
  fs::rename(unfinished, path, error);
  if (error) {
    return absl::InternalError(absl::StrCat("cannot make ", path.string(), ": ", error.message()));
  }
  return SyncFolder(path.parent_path());
}

absl::StatusOr<std::unique_ptr<WitnessStore>> WitnessStore::Open(const fs::path& path,
                                                                 absl::string_view vkey) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    return absl::NotFoundError(
        absl::StrCat("the witness database ", path.string(),
                     " is gone: a witness that lost its memory must not sign again. Retire its "
                     "key and make a new one; never put an older copy back."));
  }
  HILUM_ASSIGN_OR_RETURN(Database database, Database::Open(path));
  Statement select = database.Prepare("SELECT vkey FROM witness");
  HILUM_ASSIGN_OR_RETURN(const bool found, select.Step());
  const std::string owner = found ? select.Text() : "";
  if (owner != vkey) {
    return absl::FailedPreconditionError(absl::StrCat("the witness database ", path.string(),
                                                      " is of the witness \"", owner, "\", not of ",
                                                      "\"", vkey, "\""));
  }
  return std::unique_ptr<WitnessStore>(
      new WitnessStore(std::make_unique<Impl>(std::move(database))));
}

absl::StatusOr<std::optional<WitnessedHead>> WitnessStore::Last(absl::string_view origin) const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->Last(origin);
}

absl::Status WitnessStore::Advance(absl::string_view origin, uint64_t old_size,
                                   const WitnessedHead& head) {
  const std::lock_guard lock(impl_->mutex);
  HILUM_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(impl_->database));
  HILUM_ASSIGN_OR_RETURN(const std::optional<WitnessedHead> last, impl_->Last(origin));
  const uint64_t last_size = last ? last->size : 0;
  if (last_size != old_size) {
    return absl::AbortedError(absl::StrCat("size ", last_size, " was cosigned meanwhile"));
  }
  HILUM_RETURN_IF_ERROR(
      impl_->database.Prepare("INSERT OR REPLACE INTO heads VALUES (?1, ?2, ?3, ?4, ?5)")
          .Bind(origin)
          .Bind(static_cast<int64_t>(head.size))
          .Bind(head.root)
          .Bind(static_cast<int64_t>(head.time_s))
          .Bind(head.note)
          .Run());
  return transaction.Commit();
}

absl::Status WitnessStore::KeepEvidence(const WitnessEvidence& evidence) {
  const std::lock_guard lock(impl_->mutex);
  return impl_->database
      .Prepare(
          "INSERT INTO evidence SELECT ?1, ?2, ?3, ?4 WHERE "
          "(SELECT count(*) FROM evidence WHERE origin = ?1 AND is_fork = ?2) < ?5 AND "
          "NOT EXISTS (SELECT 1 FROM evidence WHERE origin = ?1 AND cosigned = ?3 AND "
          "refused = ?4)")
      .Bind(evidence.origin)
      .Bind(evidence.is_fork)
      .Bind(evidence.cosigned)
      .Bind(evidence.refused)
      .Bind(static_cast<int64_t>(kEvidenceLimit))
      .Run();
}

absl::StatusOr<std::vector<WitnessEvidence>> WitnessStore::Evidence() const {
  const std::lock_guard lock(impl_->mutex);
  Statement select = impl_->database.Prepare(
      "SELECT origin, is_fork, cosigned, refused FROM evidence ORDER BY is_fork DESC, rowid");
  std::vector<WitnessEvidence> found;
  while (true) {
    HILUM_ASSIGN_OR_RETURN(const bool more, select.Step());
    if (!more) return found;
    WitnessEvidence& one = found.emplace_back();
    one.origin = select.Text();
    one.is_fork = select.Int() != 0;
    one.cosigned = select.Text();
    one.refused = select.Text();
  }
}

}  // namespace hilum::ledger_anchor
