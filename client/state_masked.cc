// What masked rounds and the privacy budget leave in the site's database.
#include "client/state.h"

#include <algorithm>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "base/sqlite.h"
#include "base/status_macros.h"
#include "client/state_impl.h"

namespace hilum::client {
namespace {

constexpr char kCheckColumns[] =
    "job, round, status, standing, verified, reason, model, receipt, checked_at";

CheckRecord ReadCheck(Statement& row) {
  CheckRecord check;
  check.job = row.Text();
  check.round = static_cast<uint64_t>(row.Int());
  check.status = row.Text();
  check.standing = row.Text();
  check.verified = row.Text();
  check.reason = row.Text();
  check.model = row.DigestValue();
  check.receipt = row.Text();
  check.checked_at_s = row.Int();
  return check;
}

SpendRow ReadSpend(Statement& row) {
  SpendRow spend;
  spend.job = row.Text();
  spend.round = static_cast<uint64_t>(row.Int());
  spend.attempt = static_cast<uint32_t>(row.Int());
  const int64_t unit = row.Int();
  spend.release.unit = unit == 1   ? privacy::PrivacyUnit::kSilo
                       : unit == 2 ? privacy::PrivacyUnit::kRecord
                                   : privacy::PrivacyUnit::kNone;
  spend.release.sigma = row.Real();
  spend.release.n_honest = static_cast<uint64_t>(row.Int());
  spend.release.n_params = static_cast<uint64_t>(row.Int());
  spend.release.l2 = row.Real();
  spend.release.rate = row.Real();
  spend.release.n_steps = static_cast<uint64_t>(row.Int());
  spend.charged_at_s = row.Int();
  return spend;
}

}  // namespace

absl::Status State::PutMasked(const MaskedRow& row) {
  const std::lock_guard lock(impl_->mutex);
  HILUM_ASSIGN_OR_RETURN(const std::optional<Bytes> known, Masked(row));
  if (known.has_value() && *known != row.record) {
    return absl::FailedPreconditionError(
        absl::StrCat("another ", row.kind, " of round ", row.round, " of job ", row.job,
                     ", attempt ", row.attempt, ", is on record; a second one is not made."));
  }
  return impl_->database
      .Prepare("INSERT OR REPLACE INTO masked(job, round, attempt, kind, record) VALUES(?,?,?,?,?)")
      .Bind(row.job)
      .Bind(static_cast<int64_t>(row.round))
      .Bind(static_cast<int64_t>(row.attempt))
      .Bind(row.kind)
      .Bind(row.record)
      .Run();
}

absl::StatusOr<std::optional<Bytes>> State::Masked(const MaskedRow& key) {
  const std::lock_guard lock(impl_->mutex);
  Statement find = impl_->database.Prepare(
      "SELECT record FROM masked WHERE job=? AND round=? AND attempt=? AND kind=?");
  find.Bind(key.job).Bind(static_cast<int64_t>(key.round));
  find.Bind(static_cast<int64_t>(key.attempt)).Bind(key.kind);
  return First<Bytes>(std::move(find), [](Statement& row) { return row.Blob(); });
}

absl::Status State::EraseMasked(const MaskedRow& key) {
  const std::lock_guard lock(impl_->mutex);
  HILUM_ASSIGN_OR_RETURN(const std::optional<Bytes> found, Masked(key));
  if (!found.has_value() && !impl_->erased) return absl::OkStatus();
  impl_->erased = true;
  HILUM_RETURN_IF_ERROR(impl_->Delete(key));
  HILUM_RETURN_IF_ERROR(impl_->database.EmptyLog());
  impl_->erased = false;
  return absl::OkStatus();
}

absl::Status State::Impl::Delete(const MaskedRow& key) {
  return database.Prepare("DELETE FROM masked WHERE job=? AND round=? AND attempt=? AND kind=?")
      .Bind(key.job)
      .Bind(static_cast<int64_t>(key.round))
      .Bind(static_cast<int64_t>(key.attempt))
      .Bind(key.kind)
      .Run();
}

absl::Status State::PutSum(const privacy::secagg::SumRow& sum) {
  Bytes cohort;
  for (const crypto::PublicKey& key : sum.cohort) AppendBytes(cohort, key.bytes);
  const std::lock_guard lock(impl_->mutex);
  return impl_->database.Prepare("INSERT OR REPLACE INTO sums(model_hash, cohort) VALUES(?,?)")
      .Bind(sum.model_hash)
      .Bind(cohort)
      .Run();
}

absl::StatusOr<std::vector<privacy::secagg::SumRow>> State::Sums(const Digest& model_hash) {
  const std::lock_guard lock(impl_->mutex);
  Statement select = impl_->database.Prepare("SELECT cohort FROM sums WHERE model_hash=?");
  select.Bind(model_hash);
  HILUM_ASSIGN_OR_RETURN(const std::vector<Bytes> cohorts,
                         All<Bytes>(std::move(select), [](Statement& row) { return row.Blob(); }));
  std::vector<privacy::secagg::SumRow> sums;
  for (const Bytes& cohort : cohorts) {
    privacy::secagg::SumRow& sum = sums.emplace_back();
    sum.model_hash = model_hash;
    if (cohort.size() % 32 != 0) return absl::DataLossError("a stored cohort is damaged");
    for (size_t at = 0; at < cohort.size(); at += 32) {
      std::copy_n(cohort.begin() + static_cast<ptrdiff_t>(at), 32,
                  sum.cohort.emplace_back().bytes.begin());
    }
  }
  return sums;
}

absl::Status State::PutCheck(const CheckRecord& check) {
  const std::lock_guard lock(impl_->mutex);
  Statement put = impl_->database.Prepare(
      absl::StrCat("INSERT OR REPLACE INTO checks(", kCheckColumns, ") VALUES(?,?,?,?,?,?,?,?,?)"));
  put.Bind(check.job).Bind(static_cast<int64_t>(check.round)).Bind(check.status);
  put.Bind(check.standing).Bind(check.verified).Bind(check.reason).Bind(check.model);
  put.Bind(check.receipt).Bind(check.checked_at_s);
  return put.Run();
}

absl::StatusOr<std::vector<CheckRecord>> State::Checks() {
  const std::lock_guard lock(impl_->mutex);
  return All<CheckRecord>(impl_->database.Prepare(absl::StrCat("SELECT ", kCheckColumns,
                                                               " FROM checks ORDER BY job, round")),
                          ReadCheck);
}

absl::StatusOr<std::optional<CheckRecord>> State::Check(absl::string_view job, uint64_t round) {
  const std::lock_guard lock(impl_->mutex);
  Statement find = impl_->database.Prepare(
      absl::StrCat("SELECT ", kCheckColumns, " FROM checks WHERE job=? AND round=?"));
  find.Bind(job).Bind(static_cast<int64_t>(round));
  return First<CheckRecord>(std::move(find), ReadCheck);
}

absl::Status State::PutSpend(const SpendRow& spend) {
  const std::lock_guard lock(impl_->mutex);
  const privacy::PrivateRelease& release = spend.release;
  return impl_->database
      .Prepare(
          "INSERT OR REPLACE INTO spends(job, round, attempt, unit, sigma, n_honest, n_params, "
          "l2, rate, n_steps, charged_at) VALUES(?,?,?,?,?,?,?,?,?,?,?)")
      .Bind(spend.job)
      .Bind(static_cast<int64_t>(spend.round))
      .Bind(static_cast<int64_t>(spend.attempt))
      .Bind(static_cast<int64_t>(release.unit))
      .Bind(release.sigma)
      .Bind(static_cast<int64_t>(release.n_honest))
      .Bind(static_cast<int64_t>(release.n_params))
      .Bind(release.l2)
      .Bind(release.rate)
      .Bind(static_cast<int64_t>(release.n_steps))
      .Bind(spend.charged_at_s)
      .Run();
}

absl::StatusOr<std::vector<SpendRow>> State::Spends() {
  const std::lock_guard lock(impl_->mutex);
  return All<SpendRow>(
      impl_->database.Prepare("SELECT job, round, attempt, unit, sigma, n_honest, n_params, l2, "
                              "rate, n_steps, charged_at FROM spends ORDER BY job, round, attempt"),
      ReadSpend);
}

}  // namespace hilum::client
