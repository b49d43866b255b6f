#include "client/state.h"

#include <algorithm>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "base/sqlite.h"
#include "base/status_macros.h"
#include "base/version.h"
#include "client/state_impl.h"

namespace hilum::client {
namespace {

constexpr char kSchema[] = R"sql(
CREATE TABLE IF NOT EXISTS films(
  source TEXT, path TEXT, size INTEGER, modified INTEGER, pid TEXT, issuer TEXT, sop TEXT,
  label TEXT, origin TEXT, code TEXT, reason TEXT, age REAL, profile TEXT, profile_digest BLOB,
  cache_digest BLOB, PRIMARY KEY(source, path)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS consent_files(
  source TEXT, path TEXT, size INTEGER, modified INTEGER, pid TEXT, permits INTEGER, reason TEXT,
  given_at INTEGER, given_until INTEGER, starts INTEGER, ends INTEGER, PRIMARY KEY(source, path))
  WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS patients(
  pid TEXT PRIMARY KEY, granted INTEGER, revoked INTEGER, reason TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS jobs(
  job TEXT PRIMARY KEY, plan TEXT, answered_plan TEXT, answer INTEGER, answered_by TEXT,
  reason TEXT, server_state TEXT, round INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rounds(
  job TEXT, round INTEGER, attempt INTEGER, phase TEXT, reason TEXT, cfg_hash BLOB,
  base_model BLOB, root BLOB, sha256 BLOB, signature BLOB, site_index INTEGER, n_bytes INTEGER,
  masking TEXT, n_films INTEGER, n_patients INTEGER, n_left_out INTEGER, loss REAL,
  update_norm REAL, manifest_root BLOB, started_at INTEGER, sent_at INTEGER,
  PRIMARY KEY(job, round, attempt)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS masked(
  job TEXT, round INTEGER, attempt INTEGER, kind TEXT, record BLOB,
  PRIMARY KEY(job, round, attempt, kind)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sums(model_hash BLOB, cohort BLOB, PRIMARY KEY(model_hash, cohort))
  WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS checks(
  job TEXT, round INTEGER, status TEXT, standing TEXT, verified TEXT, reason TEXT, model BLOB,
  receipt TEXT, checked_at INTEGER, PRIMARY KEY(job, round)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spends(
  job TEXT, round INTEGER, attempt INTEGER, unit INTEGER, sigma REAL, n_honest INTEGER,
  n_params INTEGER, l2 REAL, rate REAL, n_steps INTEGER, charged_at INTEGER,
  PRIMARY KEY(job, round, attempt)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS vals(name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
)sql";

constexpr char kFilmColumns[] =
    "source, path, size, modified, pid, issuer, sop, label, origin, code, reason, age, profile, "
    "profile_digest, cache_digest";
constexpr char kRoundColumns[] =
    "job, round, attempt, phase, reason, cfg_hash, base_model, root, sha256, signature, "
    "site_index, n_bytes, masking, n_films, n_patients, n_left_out, loss, update_norm, "
    "manifest_root, started_at, sent_at";

void BindFile(Statement& statement, const SourceFile& file) {
  statement.Bind(file.source).Bind(file.path).Bind(file.size_bytes).Bind(file.modified_ns);
}

SourceFile ReadFileColumns(Statement& row) {
  SourceFile file;
  file.source = row.Text();
  file.path = row.Text();
  file.size_bytes = row.Int();
  file.modified_ns = row.Int();
  return file;
}

JobRecord ReadJob(Statement& row) {
  JobRecord job;
  job.job = row.Text();
  job.plan = row.Text();
  job.answered_plan = row.Text();
  const int64_t answer = row.Int();
  job.answer = answer == 1 ? Answer::kApproved : answer == 2 ? Answer::kDenied : Answer::kPending;
  job.answered_by = row.Text();
  job.reason = row.Text();
  job.server_state = row.Text();
  job.round = static_cast<uint64_t>(row.Int());
  return job;
}

RoundRecord ReadRound(Statement& row) {
  RoundRecord round;
  round.job = row.Text();
  round.round = static_cast<uint64_t>(row.Int());
  round.attempt = static_cast<uint32_t>(row.Int());
  round.phase = row.Text();
  round.reason = row.Text();
  round.cfg_hash = row.DigestValue();
  round.base_model = row.DigestValue();
  round.root = row.DigestValue();
  round.sha256 = row.DigestValue();
  round.signature = row.Blob();
  round.site_index = static_cast<uint16_t>(row.Int());
  round.n_bytes = static_cast<uint64_t>(row.Int());
  round.masking = row.Text();
  round.n_films = static_cast<uint64_t>(row.Int());
  round.n_patients = static_cast<uint64_t>(row.Int());
  round.n_left_out = static_cast<uint64_t>(row.Int());
  round.loss = row.Real();
  round.update_norm = row.Real();
  round.manifest_root = row.DigestValue();
  round.started_at_s = row.Int();
  round.sent_at_s = row.Int();
  return round;
}

}  // namespace

absl::string_view ToString(Answer answer) {
  switch (answer) {
    case Answer::kPending:
      return "pending";
    case Answer::kApproved:
      return "approved";
    case Answer::kDenied:
      return "denied";
  }
  return "";
}

State::State(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
State::~State() = default;

absl::StatusOr<std::unique_ptr<State>> State::Open(const fs::path& file) {
  HILUM_ASSIGN_OR_RETURN(Database database, Database::Open(file));
  HILUM_RETURN_IF_ERROR(database.Script(kSchema));
  // What is erased, an answer of a masked round above all, is overwritten.
  HILUM_RETURN_IF_ERROR(database.Script("PRAGMA secure_delete=ON;"));
  auto state = std::unique_ptr<State>(new State(std::make_unique<Impl>(std::move(database))));
  HILUM_ASSIGN_OR_RETURN(const std::string version, state->Value("state_version"));
  if (version.empty()) {
    HILUM_RETURN_IF_ERROR(state->PutValue("state_version", absl::StrCat(kStateVersion)));
  } else if (version != absl::StrCat(kStateVersion)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the site's database ", file.string(), " has version ", version,
                     ", this program knows version ", kStateVersion, "; install that release."));
  }
  return state;
}

absl::Status State::Atomically(const std::function<absl::Status()>& apply) {
  const std::lock_guard lock(impl_->mutex);
  HILUM_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(impl_->database));
  HILUM_RETURN_IF_ERROR(apply());
  return transaction.Commit();
}

absl::Status State::PutFilm(const FilmRecord& film) {
  const std::lock_guard lock(impl_->mutex);
  Statement put = impl_->database.Prepare(absl::StrCat(
      "INSERT OR REPLACE INTO films(", kFilmColumns, ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"));
  BindFile(put, film.file);
  put.Bind(film.pid).Bind(film.issuer).Bind(film.sop).Bind(film.label).Bind(film.origin);
  put.Bind(film.code).Bind(film.reason).Bind(film.age_years).Bind(film.profile);
  put.Bind(film.profile_digest).Bind(film.cache_digest);
  return put.Run();
}

absl::Status State::RemoveFilm(const SourceFile& file) {
  const std::lock_guard lock(impl_->mutex);
  return impl_->database.Prepare("DELETE FROM films WHERE source=? AND path=?")
      .Bind(file.source)
      .Bind(file.path)
      .Run();
}

absl::StatusOr<std::vector<FilmRecord>> State::Films() {
  const std::lock_guard lock(impl_->mutex);
  return All<FilmRecord>(impl_->database.Prepare(absl::StrCat("SELECT ", kFilmColumns,
                                                              " FROM films ORDER BY source, path")),
                         [](Statement& row) {
                           FilmRecord film;
                           film.file = ReadFileColumns(row);
                           film.pid = row.Text();
                           film.issuer = row.Text();
                           film.sop = row.Text();
                           film.label = row.Text();
                           film.origin = row.Text();
                           film.code = row.Text();
                           film.reason = row.Text();
                           film.age_years = row.OptionalReal();
                           film.profile = row.Text();
                           film.profile_digest = row.DigestValue();
                           film.cache_digest = row.DigestValue();
                           return film;
                         });
}

absl::Status State::PutConsent(const ConsentRecord& record) {
  const std::lock_guard lock(impl_->mutex);
  Statement put = impl_->database.Prepare(
      "INSERT OR REPLACE INTO consent_files(source, path, size, modified, pid, permits, reason, "
      "given_at, given_until, starts, ends) VALUES(?,?,?,?,?,?,?,?,?,?,?)");
  BindFile(put, record.file);
  put.Bind(record.pid).Bind(record.consent.permits).Bind(record.consent.reason);
  put.Bind(record.consent.given_at_s).Bind(record.consent.given_until_s);
  put.Bind(record.consent.starts_s).Bind(record.consent.ends_s);
  return put.Run();
}

absl::Status State::RemoveConsent(const SourceFile& file) {
  const std::lock_guard lock(impl_->mutex);
  return impl_->database.Prepare("DELETE FROM consent_files WHERE source=? AND path=?")
      .Bind(file.source)
      .Bind(file.path)
      .Run();
}

absl::StatusOr<std::vector<ConsentRecord>> State::Consents() {
  const std::lock_guard lock(impl_->mutex);
  return All<ConsentRecord>(
      impl_->database.Prepare("SELECT source, path, size, modified, pid, permits, reason, "
                              "given_at, given_until, starts, ends FROM consent_files "
                              "ORDER BY source, path"),
      [](Statement& row) {
        ConsentRecord record;
        record.file = ReadFileColumns(row);
        record.pid = row.Text();
        record.consent.permits = row.Int() != 0;
        record.consent.reason = row.Text();
        record.consent.given_at_s = row.Int();
        record.consent.given_until_s = row.Int();
        record.consent.starts_s = row.Int();
        record.consent.ends_s = row.Int();
        return record;
      });
}

absl::Status State::PutPatient(const PatientRecord& patient) {
  const std::lock_guard lock(impl_->mutex);
  return impl_->database
      .Prepare("INSERT OR REPLACE INTO patients(pid, granted, revoked, reason) VALUES(?,?,?,?)")
      .Bind(patient.pid)
      .Bind(patient.granted)
      .Bind(patient.revoked)
      .Bind(patient.reason)
      .Run();
}

absl::StatusOr<std::vector<PatientRecord>> State::Patients() {
  const std::lock_guard lock(impl_->mutex);
  return All<PatientRecord>(
      impl_->database.Prepare("SELECT pid, granted, revoked, reason FROM patients ORDER BY pid"),
      [](Statement& row) {
        PatientRecord patient;
        patient.pid = row.Text();
        patient.granted = row.Int() != 0;
        patient.revoked = row.Int() != 0;
        patient.reason = row.Text();
        return patient;
      });
}

absl::Status State::PutJob(const JobRecord& job) {
  const std::lock_guard lock(impl_->mutex);
  return impl_->database
      .Prepare(
          "INSERT OR REPLACE INTO jobs(job, plan, answered_plan, answer, answered_by, reason, "
          "server_state, round) VALUES(?,?,?,?,?,?,?,?)")
      .Bind(job.job)
      .Bind(job.plan)
      .Bind(job.answered_plan)
      .Bind(static_cast<int64_t>(job.answer))
      .Bind(job.answered_by)
      .Bind(job.reason)
      .Bind(job.server_state)
      .Bind(static_cast<int64_t>(job.round))
      .Run();
}

absl::StatusOr<std::vector<JobRecord>> State::Jobs() {
  const std::lock_guard lock(impl_->mutex);
  return All<JobRecord>(
      impl_->database.Prepare("SELECT job, plan, answered_plan, answer, answered_by, reason, "
                              "server_state, round FROM jobs ORDER BY job"),
      ReadJob);
}

absl::StatusOr<std::optional<JobRecord>> State::Job(absl::string_view job) {
  const std::lock_guard lock(impl_->mutex);
  Statement find = impl_->database.Prepare(
      "SELECT job, plan, answered_plan, answer, answered_by, reason, server_state, round FROM jobs "
      "WHERE job=?");
  find.Bind(job);
  return First<JobRecord>(std::move(find), ReadJob);
}

absl::Status State::PutRound(const RoundRecord& round) {
  const std::lock_guard lock(impl_->mutex);
  Statement put =
      impl_->database.Prepare(absl::StrCat("INSERT OR REPLACE INTO rounds(", kRoundColumns,
                                           ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"));
  put.Bind(round.job).Bind(static_cast<int64_t>(round.round));
  put.Bind(static_cast<int64_t>(round.attempt)).Bind(round.phase).Bind(round.reason);
  put.Bind(round.cfg_hash).Bind(round.base_model).Bind(round.root).Bind(round.sha256);
  put.Bind(round.signature).Bind(static_cast<int64_t>(round.site_index));
  put.Bind(static_cast<int64_t>(round.n_bytes)).Bind(round.masking);
  put.Bind(static_cast<int64_t>(round.n_films)).Bind(static_cast<int64_t>(round.n_patients));
  put.Bind(static_cast<int64_t>(round.n_left_out)).Bind(round.loss).Bind(round.update_norm);
  put.Bind(round.manifest_root).Bind(round.started_at_s).Bind(round.sent_at_s);
  return put.Run();
}

absl::StatusOr<std::vector<RoundRecord>> State::Rounds() {
  const std::lock_guard lock(impl_->mutex);
  return All<RoundRecord>(
      impl_->database.Prepare(absl::StrCat(
          "SELECT ", kRoundColumns, " FROM rounds ORDER BY started_at, job, round, attempt")),
      ReadRound);
}

absl::StatusOr<std::optional<RoundRecord>> State::Round(absl::string_view job, uint64_t round,
                                                        uint32_t attempt) {
  const std::lock_guard lock(impl_->mutex);
  Statement find = impl_->database.Prepare(
      absl::StrCat("SELECT ", kRoundColumns, " FROM rounds WHERE job=? AND round=? AND attempt=?"));
  find.Bind(job).Bind(static_cast<int64_t>(round)).Bind(static_cast<int64_t>(attempt));
  return First<RoundRecord>(std::move(find), ReadRound);
}

absl::Status State::PutValue(absl::string_view name, absl::string_view value) {
  const std::lock_guard lock(impl_->mutex);
  return impl_->database.Prepare("INSERT OR REPLACE INTO vals(name, value) VALUES(?,?)")
      .Bind(name)
      .Bind(value)
      .Run();
}

absl::StatusOr<std::string> State::Value(absl::string_view name) {
  const std::lock_guard lock(impl_->mutex);
  Statement find = impl_->database.Prepare("SELECT value FROM vals WHERE name=?");
  find.Bind(name);
  HILUM_ASSIGN_OR_RETURN(const bool found, find.Step());
  return found ? find.Text() : std::string();
}

}  // namespace hilum::client
