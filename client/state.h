// What a site remembers: films, consents, jobs, rounds, and what has left the house (SQLite).
#ifndef HILUM_CLIENT_STATE_H_
#define HILUM_CLIENT_STATE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "base/file.h"
#include "client/consent.h"
#include "privacy/accountant.h"
#include "privacy/secagg/cohort_guard.h"

namespace hilum::client {

// Where a file of an import came from, and what tells whether it changed.
struct SourceFile {
  std::string source;  // the imported folder, absolute
  std::string path;    // relative to it
  int64_t size_bytes = 0;
  int64_t modified_ns = 0;
};

// One film. `code` is empty for a film that may be used; else a code of dicom/refusal.h, or
// NO_PATIENT, NO_LABEL, DUPLICATE, CONSENT.
struct FilmRecord {
  SourceFile file;
  std::string pid;     // pseudonym of the patient
  std::string issuer;  // pseudonym of IssuerOfPatientID; empty: none
  std::string sop;     // pseudonym of the SOP instance
  std::string label;
  std::string origin;  // third column of labels.csv
  std::string code;
  std::string reason;
  std::optional<double> age_years;
  std::string profile;  // of the cached image
  Digest profile_digest{};
  Digest cache_digest{};  // of the cached image's file; zero: none
};

// One Consent file.
struct ConsentRecord {
  SourceFile file;
  std::string pid;  // empty: the file could not be read; `consent.reason` says why
  Consent consent;  // with `patient` left empty
};

// What a patient's consents came to, at the last import.
struct PatientRecord {
  std::string pid;
  bool granted = false;
  bool revoked = false;  // not granted now, but was at an earlier import
  std::string reason;
};

enum class Answer { kPending, kApproved, kDenied };
absl::string_view ToString(Answer answer);  // "pending", "approved", "denied"

// A job that the server has offered.
struct JobRecord {
  std::string job;
  std::string plan;           // canonical RoundPlan as last offered
  std::string answered_plan;  // the plan that the answer was given for
  Answer answer = Answer::kPending;
  std::string answered_by;   // operator, policy
  std::string reason;        // of a denial
  std::string server_state;  // recruiting, running, ...
  uint64_t round = 0;        // the last closed one
};

// One round that this site took part in, or refused. `phase`: training, stored, sent, accepted,
// refused, dropped.
struct RoundRecord {
  std::string job;
  uint64_t round = 0;
  uint32_t attempt = 0;
  std::string phase;
  std::string reason;
  Digest cfg_hash{};
  Digest base_model{};
  Digest root{};    // R_i, of the words that leave
  Digest sha256{};  // of the bytes that leave
  Bytes signature;
  uint16_t site_index = 0;
  uint64_t n_bytes = 0;
  std::string masking;  // "none (open mode)"
  uint64_t n_films = 0;
  uint64_t n_patients = 0;
  uint64_t n_left_out = 0;  // patients without consent, or with it revoked
  double loss = 0;
  double update_norm = 0;  // L2 before clipping; never leaves the site
  Digest manifest_root{};
  int64_t started_at_s = 0;
  int64_t sent_at_s = 0;  // 0: nothing has left
};

// What this site found out about a round that is over (round_check.h).
struct CheckRecord {
  std::string job;
  uint64_t round = 0;
  std::string status;    // of the round-close: ok, aborted
  std::string standing;  // counted, left_out, absent (not in the roster), aborted
  // full; sum: as full, but the model follows from moments that only the server has; tags; proof:
  // by the ledger's proof alone; open, aborted: no masks, no sum; failed; accepted: failed, and the
  // operator went on all the same
  std::string verified;
  std::string reason;   // of an alarm: what is wrong, and what to do
  Digest model{};       // that the round made, by its round-close
  std::string receipt;  // of a counted update: ledger_anchor/update_receipt.h
  int64_t checked_at_s = 0;
};

// What a masked round must have on disk before something leaves (privacy/secagg/journal.h).
struct MaskedRow {
  std::string job;
  uint64_t round = 0;
  uint32_t attempt = 0;
  std::string kind;  // input, vote, answer
  Bytes record;
};

// One release with differential privacy that was paid for (budget.h).
struct SpendRow {
  std::string job;
  uint64_t round = 0;
  uint32_t attempt = 0;
  privacy::PrivateRelease release;
  int64_t charged_at_s = 0;
};

// Thread-safe; several processes may open one file. Every change is durable when it returns.
// Errors: DataLoss when the file is damaged, ResourceExhausted when the disk is full, Internal
// when SQLite fails; FailedPrecondition from Open when a newer program wrote the file.
class State {
 public:
  static absl::StatusOr<std::unique_ptr<State>> Open(const fs::path& file);

  // All changes of `apply` or none.
  absl::Status Atomically(const std::function<absl::Status()>& apply);

  absl::Status PutFilm(const FilmRecord& film);
  absl::Status RemoveFilm(const SourceFile& file);
  absl::StatusOr<std::vector<FilmRecord>> Films();

  absl::Status PutConsent(const ConsentRecord& consent);
  absl::Status RemoveConsent(const SourceFile& file);
  absl::StatusOr<std::vector<ConsentRecord>> Consents();

  absl::Status PutPatient(const PatientRecord& patient);
  absl::StatusOr<std::vector<PatientRecord>> Patients();

  absl::Status PutJob(const JobRecord& job);
  absl::StatusOr<std::vector<JobRecord>> Jobs();
  absl::StatusOr<std::optional<JobRecord>> Job(absl::string_view job);

  absl::Status PutRound(const RoundRecord& round);
  absl::StatusOr<std::vector<RoundRecord>> Rounds();  // ascending by start
  absl::StatusOr<std::optional<RoundRecord>> Round(absl::string_view job, uint64_t round,
                                                   uint32_t attempt);

  // FailedPrecondition: another record of this kind is there. A vote and an answer are made once.
  absl::Status PutMasked(const MaskedRow& row);
  absl::StatusOr<std::optional<Bytes>> Masked(const MaskedRow& key);  // `record` is not read
  // Out of the database and of its write-ahead log. Unavailable: another process reads; again.
  absl::Status EraseMasked(const MaskedRow& key);
  // The cohort guard's rows: sums on one model that this site has signed. One row a cohort.
  absl::Status PutSum(const privacy::secagg::SumRow& sum);
  absl::StatusOr<std::vector<privacy::secagg::SumRow>> Sums(const Digest& model_hash);

  absl::Status PutCheck(const CheckRecord& check);
  absl::StatusOr<std::vector<CheckRecord>> Checks();  // ascending by job, then round
  absl::StatusOr<std::optional<CheckRecord>> Check(absl::string_view job, uint64_t round);
  absl::Status PutSpend(const SpendRow& spend);
  absl::StatusOr<std::vector<SpendRow>> Spends();

  // Small values by name. Empty: not there.
  absl::Status PutValue(absl::string_view name, absl::string_view value);
  absl::StatusOr<std::string> Value(absl::string_view name);

  ~State();

 private:
  struct Impl;
  explicit State(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hilum::client

#endif  // HILUM_CLIENT_STATE_H_
