#include "aggregator/state.h"

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "aggregator/state_impl.h"
#include "base/status_macros.h"
#include "base/version.h"

namespace hilum::aggregator {
namespace {

constexpr char kSchema[] = R"(
CREATE TABLE invites (secret_hash BLOB PRIMARY KEY, member TEXT NOT NULL, role TEXT NOT NULL,
  expires_s INTEGER NOT NULL) STRICT;
CREATE TABLE members (name TEXT PRIMARY KEY, role TEXT NOT NULL, fingerprint BLOB NOT NULL,
  joined_s INTEGER NOT NULL, join_entry TEXT NOT NULL, certificate TEXT NOT NULL,
  removed INTEGER NOT NULL) STRICT;
CREATE TABLE removals (site TEXT PRIMARY KEY) STRICT;
CREATE TABLE jobs (job TEXT PRIMARY KEY, plan TEXT NOT NULL, state INTEGER NOT NULL,
  message TEXT NOT NULL, initial_model BLOB NOT NULL, model BLOB NOT NULL,
  closed_round INTEGER NOT NULL, last_ok_round INTEGER NOT NULL, aborted_in_row INTEGER NOT NULL,
  launched_s INTEGER NOT NULL, launch_order INTEGER NOT NULL, release_entry TEXT NOT NULL,
  release_index INTEGER) STRICT;
CREATE TABLE answers (job TEXT NOT NULL, site TEXT NOT NULL, approved INTEGER NOT NULL,
  reason TEXT NOT NULL, PRIMARY KEY (job, site)) STRICT;
CREATE TABLE rounds (job TEXT NOT NULL, round INTEGER NOT NULL, attempt INTEGER NOT NULL,
  status TEXT NOT NULL, config BLOB NOT NULL, roster BLOB NOT NULL,
  dropped TEXT NOT NULL, base_model BLOB NOT NULL,
  opened_s INTEGER NOT NULL, open_entry TEXT NOT NULL, open_index INTEGER, open_leaf BLOB NOT NULL,
  close_entry TEXT NOT NULL, close_index INTEGER, close_leaf BLOB NOT NULL,
  closed_s INTEGER NOT NULL, model BLOB NOT NULL, total_weight INTEGER NOT NULL,
  mean_loss REAL NOT NULL, received_bytes INTEGER NOT NULL, reason TEXT NOT NULL,
  PRIMARY KEY (job, round)) STRICT;
CREATE TABLE updates (job TEXT NOT NULL, round INTEGER NOT NULL, site_index INTEGER NOT NULL,
  root BLOB NOT NULL, signature BLOB NOT NULL, object BLOB NOT NULL, weight INTEGER NOT NULL,
  loss REAL NOT NULL, size_bytes INTEGER NOT NULL, PRIMARY KEY (job, round, site_index)) STRICT;
CREATE TABLE drops (job TEXT NOT NULL, round INTEGER NOT NULL, site_index INTEGER NOT NULL,
  reason TEXT NOT NULL, PRIMARY KEY (job, round, site_index)) STRICT;
CREATE TABLE models (sha256 BLOB PRIMARY KEY) STRICT;
)";

// Of masked rounds. A folder of an earlier version has none.
constexpr char kFlightSchema[] = R"(
CREATE TABLE IF NOT EXISTS flights (job TEXT NOT NULL, round INTEGER NOT NULL,
  attempt INTEGER NOT NULL, flight INTEGER NOT NULL, sender INTEGER NOT NULL,
  message BLOB NOT NULL, PRIMARY KEY (job, round, attempt, flight, sender)) STRICT;
)";

absl::StatusOr<int64_t> FoundVersion(SqlDatabase& database) {
  SqlStatement version(database.get(), "PRAGMA user_version");
  if (!version.Step()) return version.status();
  return version.Integer(0);
}

absl::Status MakeSchema(SqlDatabase& database) {
  SqlTransaction transaction(database);
  HILUM_RETURN_IF_ERROR(transaction.status());
  HILUM_RETURN_IF_ERROR(database.Execute(kSchema));
  const std::string version = absl::StrCat("PRAGMA user_version=", kStateVersion);
  HILUM_RETURN_IF_ERROR(database.Execute(version.c_str()));
  return transaction.Commit();
}

constexpr char kSelectMembers[] =
    "SELECT name, role, fingerprint, joined_s, join_entry, certificate, removed FROM members ";

MemberRow ReadMember(SqlStatement& row) {
  return {.name = row.Text(0),
          .role = row.Text(1),
          .fingerprint = row.Fixed<32>(2),
          .joined_s = row.Integer(3),
          .join_entry = row.Text(4),
          .certificate = row.Text(5),
          .removed = row.Integer(6) != 0};
}

}  // namespace

State::State(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
State::~State() = default;

absl::StatusOr<std::unique_ptr<State>> State::Open(const fs::path& path) {
  HILUM_ASSIGN_OR_RETURN(SqlDatabase database, SqlDatabase::Open(path));
  HILUM_ASSIGN_OR_RETURN(const int64_t found, FoundVersion(database));
  if (found == 0) {
    HILUM_RETURN_IF_ERROR(MakeSchema(database));
  } else if (found != kStateVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat(path.string(), " was written with state version ", found, ", this is hilum ",
                     std::string(kVersion), " with state version ", kStateVersion,
                     ": run the program version that wrote it, or start with a new folder"));
  }
  HILUM_RETURN_IF_ERROR(database.Execute(kFlightSchema));
  // A crash may have left erased shares in it. A disk without room for it stops no start.
  EmptyWriteAheadLog(database).IgnoreError();
  return std::unique_ptr<State>(new State(std::make_unique<Impl>(std::move(database))));
}

absl::Status State::PutInvite(const InviteRow& invite) {
  const absl::MutexLock lock(&impl_->mutex);
  SqlStatement insert(impl_->database.get(), "INSERT INTO invites VALUES (?,?,?,?)");
  return insert.Bind(ByteView(invite.secret_hash))
      .Bind(absl::string_view(invite.member))
      .Bind(absl::string_view(invite.role))
      .Bind(invite.expires_s)
      .Run();
}

absl::StatusOr<InviteRow> State::FindInvite(const Digest& secret_hash) {
  const absl::MutexLock lock(&impl_->mutex);
  SqlStatement select(impl_->database.get(),
                      "SELECT member, role, expires_s FROM invites WHERE secret_hash = ?");
  select.Bind(ByteView(secret_hash));
  if (!select.Step()) {
    HILUM_RETURN_IF_ERROR(select.status());
    return absl::NotFoundError("the invitation is unknown or was used");
  }
  return InviteRow{.secret_hash = secret_hash,
                   .member = select.Text(0),
                   .role = select.Text(1),
                   .expires_s = select.Integer(2)};
}

absl::Status State::Impl::PutMember(const MemberRow& member) {
  SqlStatement insert(database.get(), "INSERT OR REPLACE INTO members VALUES (?,?,?,?,?,?,?)");
  return insert.Bind(absl::string_view(member.name))
      .Bind(absl::string_view(member.role))
      .Bind(ByteView(member.fingerprint))
      .Bind(member.joined_s)
      .Bind(absl::string_view(member.join_entry))
      .Bind(absl::string_view(member.certificate))
      .Bind(int64_t{member.removed})
      .Run();
}

absl::Status State::UseInvite(const Digest& secret_hash, const MemberRow& member) {
  const absl::MutexLock lock(&impl_->mutex);
  SqlTransaction transaction(impl_->database);
  HILUM_RETURN_IF_ERROR(transaction.status());
  SqlStatement remove(impl_->database.get(), "DELETE FROM invites WHERE secret_hash = ?");
  HILUM_RETURN_IF_ERROR(remove.Bind(ByteView(secret_hash)).Run());
  if (sqlite3_changes(impl_->database.get()) != 1) {
    return absl::NotFoundError("the invitation is unknown or was used");
  }
  HILUM_RETURN_IF_ERROR(impl_->PutMember(member));
  return transaction.Commit();
}

absl::Status State::PutMember(const MemberRow& member) {
  const absl::MutexLock lock(&impl_->mutex);
  return impl_->PutMember(member);
}

absl::StatusOr<std::vector<MemberRow>> State::Members() {
  const absl::MutexLock lock(&impl_->mutex);
  SqlStatement select(impl_->database.get(), absl::StrCat(kSelectMembers, "ORDER BY name"));
  std::vector<MemberRow> members;
  while (select.Step()) members.push_back(ReadMember(select));
  HILUM_RETURN_IF_ERROR(select.status());
  return members;
}

absl::StatusOr<MemberRow> State::FindMember(absl::string_view name) {
  const absl::MutexLock lock(&impl_->mutex);
  SqlStatement select(impl_->database.get(), absl::StrCat(kSelectMembers, "WHERE name = ?"));
  select.Bind(name);
  if (!select.Step()) {
    HILUM_RETURN_IF_ERROR(select.status());
    return absl::NotFoundError(absl::StrCat("this federation has no member ", name));
  }
  MemberRow member = ReadMember(select);
  HILUM_RETURN_IF_ERROR(select.status());
  return member;
}

absl::Status State::RequestRemoval(const SiteId& site) {
  const absl::MutexLock lock(&impl_->mutex);
  SqlStatement insert(impl_->database.get(), "INSERT OR REPLACE INTO removals VALUES (?)");
  return insert.Bind(absl::string_view(site.name)).Run();
}

absl::StatusOr<std::vector<SiteId>> State::RequestedRemovals() {
  const absl::MutexLock lock(&impl_->mutex);
  SqlStatement select(impl_->database.get(), "SELECT site FROM removals ORDER BY site");
  std::vector<SiteId> sites;
  while (select.Step()) sites.push_back({select.Text(0)});
  HILUM_RETURN_IF_ERROR(select.status());
  return sites;
}

absl::Status State::FinishRemoval(const SiteId& site) {
  const absl::MutexLock lock(&impl_->mutex);
  SqlTransaction transaction(impl_->database);
  HILUM_RETURN_IF_ERROR(transaction.status());
  SqlStatement update(impl_->database.get(), "UPDATE members SET removed = 1 WHERE name = ?");
  HILUM_RETURN_IF_ERROR(update.Bind(absl::string_view(site.name)).Run());
  SqlStatement remove(impl_->database.get(), "DELETE FROM removals WHERE site = ?");
  HILUM_RETURN_IF_ERROR(remove.Bind(absl::string_view(site.name)).Run());
  return transaction.Commit();
}

absl::Status State::PutModel(const Digest& sha256) {
  const absl::MutexLock lock(&impl_->mutex);
  SqlStatement insert(impl_->database.get(), "INSERT OR IGNORE INTO models VALUES (?)");
  return insert.Bind(ByteView(sha256)).Run();
}

absl::StatusOr<bool> State::IsModel(const Digest& sha256) {
  const absl::MutexLock lock(&impl_->mutex);
  SqlStatement select(impl_->database.get(), "SELECT 1 FROM models WHERE sha256 = ?");
  const bool found = select.Bind(ByteView(sha256)).Step();
  HILUM_RETURN_IF_ERROR(select.status());
  return found;
}

}  // namespace hilum::aggregator
