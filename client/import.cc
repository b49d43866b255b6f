#include "client/import.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "client/film_folder.h"
#include "client/inbox.h"
#include "client/review.h"
#include "crypto/hash.h"
#include "dicom/gate.h"
#include "dicom/refusal.h"

namespace hilum::client {
namespace {

// Films read and written between two looks at the cancel flag.
constexpr size_t kBatch = 64;

// As ReadFacts (film_folder.cc) has them: any change of a file changes one of them.
bool SameFile(const SourceFile& a, const SourceFile& b) {
  return a.size_bytes == b.size_bytes && a.modified_ns == b.modified_ns;
}

// Refusals that rest on more than the file itself: worth another look when the file is unchanged.
bool RestsOnMore(const std::string& code) {
  static constexpr std::array<const char*, 4> kCodes = {"NO_LABEL", "DUPLICATE", "ISSUER",
                                                        "CONSENT"};
  return std::find(kCodes.begin(), kCodes.end(), code) != kCodes.end();
}

// A film on its way in: what was read, and what to record.
struct Incoming {
  FilmRecord record;
  ReadFilm read;
};

// NotFound: nothing of the folder is known.
absl::Status CheckIsSource(State& state, const std::string& source) {
  std::set<std::string> known;
  HILUM_ASSIGN_OR_RETURN(const std::vector<FilmRecord> films, state.Films());
  HILUM_ASSIGN_OR_RETURN(const std::vector<ConsentRecord> consents, state.Consents());
  for (const FilmRecord& film : films) known.insert(film.file.source);
  for (const ConsentRecord& consent : consents) known.insert(consent.file.source);
  if (known.count(source) != 0) return absl::OkStatus();
  return absl::NotFoundError(
      absl::StrCat("nothing was imported from ", source, "; the sources are: ",
                   known.empty() ? std::string("none") : absl::StrJoin(known, ", "), "."));
}

class Importer {
 public:
  Importer(State& state, const FilmCache& cache, const SiteSecret& secret,
           const ImportOptions& options, FilmReader reader)
      : state_(state),
        cache_(cache),
        secret_(secret),
        options_(options),
        reader_(std::move(reader)),
        profile_digest_(ProfileDigest(reader_.profile())) {}

  absl::StatusOr<ImportReport> Run();

 private:
  absl::Status List();
  absl::Status TakeConsents();
  absl::Status CheckForgettable(const std::vector<ConsentRecord>& all) const;
  absl::Status LoadFilms();
  absl::Status DropMissing();
  absl::Status TakeFilms();
  absl::Status TakeBatch(std::span<const SourceFile> files);
  absl::Status WithdrawElsewhere();
  absl::Status CountPatients();
  void CountOthers();

  // What can be said of a film without reading it again; empty: it must be read.
  std::optional<FilmRecord> Settled(const SourceFile& file) const;
  void ReadAll(std::vector<Incoming>& batch);
  // Reads a film again that was held back for text in its pixels and has been released.
  absl::Status ReadReleased(Incoming& film);
  // Fills code and reason of a film that was read.
  void Judge(Incoming& film);
  absl::Status Keep(const FilmRecord& film, bool was_read);
  absl::Status Forget(const FilmRecord& film);
  const Label* LabelOf(const SourceFile& file) const;
  bool IsCancelled() const { return options_.cancel != nullptr && *options_.cancel; }

  State& state_;
  const FilmCache& cache_;
  const SiteSecret& secret_;
  const ImportOptions& options_;
  FilmReader reader_;
  Digest profile_digest_;
  std::string root_;
  FolderListing listing_;
  Labels labels_;
  std::multiset<std::string> names_;     // file names of the listed films
  std::vector<ConsentRecord> consents_;  // of the whole site, as they are now
  ActiveSet active_;
  std::map<std::string, FilmRecord> known_;       // of this source, by path
  std::map<std::string, FilmRecord> elsewhere_;   // of other sources, by SOP
  std::map<std::string, std::string> by_sop_;     // of this source: SOP -> path
  std::map<std::string, std::string> issuer_of_;  // pid -> issuer
  ImportReport report_;
};

absl::StatusOr<ImportReport> Importer::Run() {
  report_.dry_run = options_.dry_run;
  std::error_code ignored;
  const fs::path root = fs::weakly_canonical(fs::absolute(options_.source, ignored), ignored);
  root_ = (root.has_filename() ? root : root.parent_path()).string();
  HILUM_RETURN_IF_ERROR(options_.forget ? CheckIsSource(state_, root_) : List());
  HILUM_RETURN_IF_ERROR(TakeConsents());
  HILUM_RETURN_IF_ERROR(LoadFilms());
  HILUM_RETURN_IF_ERROR(DropMissing());
  HILUM_RETURN_IF_ERROR(TakeFilms());
  HILUM_RETURN_IF_ERROR(WithdrawElsewhere());
  HILUM_RETURN_IF_ERROR(CountPatients());
  for (const ConsentRecord& record : consents_) {
    if (record.pid.empty() && record.file.source == root_) {
      report_.rows.push_back(
          {record.file.path, "rejected", "CONSENT_FILE", record.consent.reason, ""});
    }
  }
  CountOthers();
  return std::move(report_);
}

absl::Status Importer::List() {
  absl::StatusOr<FolderListing> listing = ListFolder(options_.source);
  if (absl::IsNotFound(listing.status()) && CheckIsSource(state_, root_).ok()) {
    return absl::NotFoundError(absl::StrCat(listing.status().message(),
                                            "; what was imported from it stays in use until the "
                                            "same command with --forget drops it."));
  }
  HILUM_RETURN_IF_ERROR(listing.status());
  listing_ = *std::move(listing);
  HILUM_ASSIGN_OR_RETURN(labels_, Labels::Read(options_.source / "labels.csv"));
  labels_.AlsoByUid(InboxName);
  for (const SourceFile& file : listing_.films) {
    names_.insert(fs::path(file.path).filename().string());
  }
  return absl::OkStatus();
}

// Forgetting a source must never give a permission back that somebody withdrew.
absl::Status Importer::CheckForgettable(const std::vector<ConsentRecord>& all) const {
  const ActiveSet before = ActiveSet::Build(all, options_.now_s);
  size_t n_given_back = 0;
  for (const auto& [pid, reason] : before.patients()) {
    n_given_back += !before.Check(pid).ok() && active_.Check(pid).ok() ? 1 : 0;
  }
  if (n_given_back == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "without ", root_, " training on ", n_given_back,
      " of the patients whom it denies would be permitted again, by other sources. First replace "
      "their Consents there and import that again."));
}

absl::Status Importer::TakeConsents() {
  HILUM_ASSIGN_OR_RETURN(const std::vector<ConsentRecord> all, state_.Consents());
  std::map<std::string, ConsentRecord> before;
  for (const ConsentRecord& record : all) {
    if (record.file.source == root_) {
      before.emplace(record.file.path, record);
    } else {
      consents_.push_back(record);
    }
  }
  std::vector<ConsentRecord> changed;
  for (const SourceFile& file : listing_.consents) {
    // Small files, and what they say must not be missed: all are read each time.
    consents_.push_back(ReadConsentFile(file, secret_));
    changed.push_back(consents_.back());
    before.erase(file.path);
  }
  report_.consent_files = listing_.consents.size();
  active_ = ActiveSet::Build(consents_, options_.now_s);
  if (options_.forget) HILUM_RETURN_IF_ERROR(CheckForgettable(all));
  if (options_.dry_run) return absl::OkStatus();
  return state_.Atomically([&]() -> absl::Status {
    for (const ConsentRecord& record : changed) HILUM_RETURN_IF_ERROR(state_.PutConsent(record));
    for (const auto& [path, gone] : before) {
      HILUM_RETURN_IF_ERROR(state_.RemoveConsent(gone.file));
    }
    return absl::OkStatus();
  });
}

absl::Status Importer::LoadFilms() {
  HILUM_ASSIGN_OR_RETURN(const std::vector<FilmRecord> films, state_.Films());
  for (const FilmRecord& film : films) {
    if (film.file.source == root_) {
      known_.emplace(film.file.path, film);
    } else if (!film.sop.empty()) {
      elsewhere_.emplace(film.sop, film);
    }
    if (film.code.empty() && !film.issuer.empty()) issuer_of_.emplace(film.pid, film.issuer);
  }
  return absl::OkStatus();
}

absl::Status Importer::DropMissing() {
  std::set<std::string> listed;
  for (const SourceFile& file : listing_.films) listed.insert(file.path);
  for (auto film = known_.begin(); film != known_.end();) {
    if (listed.count(film->first) != 0) {
      ++film;
      continue;
    }
    HILUM_RETURN_IF_ERROR(Forget(film->second));
    const char* reason = options_.forget ? "its source is forgotten" : "no longer in the folder";
    report_.rows.push_back({film->first, "removed", "", reason, ""});
    ++report_.removed;
    film = known_.erase(film);
  }
  return absl::OkStatus();
}

absl::Status Importer::TakeFilms() {
  std::vector<SourceFile> unread;
  for (const SourceFile& file : listing_.films) {
    if (const std::optional<FilmRecord> settled = Settled(file)) {
      if (settled->code.empty()) by_sop_.emplace(settled->sop, file.path);
      HILUM_RETURN_IF_ERROR(Keep(*settled, /*was_read=*/false));
    } else {
      unread.push_back(file);
    }
  }
  for (size_t at = 0; at < unread.size(); at += kBatch) {
    if (IsCancelled()) {
      return absl::CancelledError(absl::StrCat(
          "stopped after ", at, " of ", unread.size(),
          " new films; they are taken up, and the same command goes on with the others."));
    }
    const size_t n = std::min(kBatch, unread.size() - at);
    HILUM_RETURN_IF_ERROR(TakeBatch(std::span<const SourceFile>(unread).subspan(at, n)));
    if (options_.on_progress) options_.on_progress(at + n, unread.size());
  }
  return absl::OkStatus();
}

std::optional<FilmRecord> Importer::Settled(const SourceFile& file) const {
  const auto found = known_.find(file.path);
  if (found == known_.end() || !SameFile(found->second.file, file)) return std::nullopt;
  FilmRecord film = found->second;
  if (!film.code.empty() && !RestsOnMore(film.code)) return film;
  const Label* label = LabelOf(file);
  const absl::Status consent = active_.Check(film.pid);
  if (film.code == "CONSENT" && !consent.ok()) {
    film.reason = std::string(consent.message());
    return film;
  }
  if (!film.code.empty() || film.profile_digest != profile_digest_) return std::nullopt;
  // Whoever deletes cache/, or a disk that loses a film of it, has it made again.
  if (!cache_.Load({film.pid, film.sop, film.profile_digest, film.cache_digest}).ok()) {
    return std::nullopt;
  }
  if (!consent.ok()) {
    film.code = "CONSENT";
    film.reason = std::string(consent.message());
  } else if (label == nullptr) {
    film.code = "NO_LABEL";
    film.reason = "labels.csv does not name the film";
  } else {
    film.label = label->label;
    film.origin = label->source;
  }
  return film;
}

const Label* Importer::LabelOf(const SourceFile& file) const {
  const std::string name = fs::path(file.path).filename().string();
  return labels_.Find(file.path, names_.count(name) == 1);
}

void Importer::ReadAll(std::vector<Incoming>& batch) {
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < batch.size(); i = next++) {
      const SourceFile& file = batch[i].record.file;
      batch[i].read = reader_.Read(fs::path(file.source) / file.path);
    }
  };
  std::vector<std::thread> threads;
  const int n_threads = std::min<int>(options_.threads, static_cast<int>(batch.size()));
  for (int i = 1; i < n_threads; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
}

absl::Status Importer::ReadReleased(Incoming& film) {
  const SourceFile& file = film.record.file;
  const fs::path path = fs::path(file.source) / file.path;
  const absl::StatusOr<Bytes> bytes = ReadFile(path, dicom::GateLimits{}.file_bytes);
  if (!bytes.ok()) return absl::OkStatus();  // stays refused
  HILUM_ASSIGN_OR_RETURN(const std::string by, ReleasedBy(state_, crypto::Sha256(*bytes)));
  if (!by.empty()) film.read = reader_.Read(path, /*reviewed_for_text=*/true);
  return absl::OkStatus();
}

void Importer::Judge(Incoming& film) {
  FilmRecord& record = film.record;
  const auto refuse = [&](const char* code, absl::string_view reason) {
    record.code = code;
    record.reason = std::string(reason);
  };
  record.issuer = film.read.issuer;
  record.age_years = film.read.age_years;
  if (!film.read.film.has_value()) {
    return refuse(film.read.code.c_str(), film.read.status.message());
  }
  record.pid = film.read.film->patient();
  record.sop = film.read.film->sop();
  const auto twin = by_sop_.emplace(record.sop, record.file.path);
  if (!twin.second) {
    return refuse("DUPLICATE", absl::StrCat("the same SOP instance as ", twin.first->second));
  }
  const auto issuer = issuer_of_.emplace(record.pid, record.issuer);
  if (!issuer.second && issuer.first->second != record.issuer && !record.issuer.empty()) {
    return refuse("ISSUER",
                  "two issuers use this patient id; name this hospital's own in "
                  "[import] issuers of site.toml");
  }
  if (const absl::Status consent = active_.Check(record.pid); !consent.ok()) {
    return refuse("CONSENT", consent.message());
  }
  const Label* label = LabelOf(record.file);
  if (label == nullptr) return refuse("NO_LABEL", "labels.csv does not name the film");
  record.label = label->label;
  record.origin = label->source;
  record.profile = reader_.profile().name;
  record.profile_digest = profile_digest_;
}

absl::Status Importer::TakeBatch(std::span<const SourceFile> files) {
  std::vector<Incoming> batch(files.size());
  for (size_t i = 0; i < files.size(); ++i) batch[i].record.file = files[i];
  ReadAll(batch);
  for (Incoming& film : batch) {
    if (film.read.code == dicom::NameOf(dicom::Refusal::kBurnedIn)) {
      HILUM_RETURN_IF_ERROR(ReadReleased(film));
    }
    if (absl::IsUnavailable(film.read.status)) return film.read.status;  // no fault of the film
    Judge(film);
    if (film.record.code.empty() && !options_.dry_run) {
      HILUM_ASSIGN_OR_RETURN(film.record.cache_digest,
                             cache_.Store(*film.read.film, profile_digest_));
    }
  }
  const auto keep_all = [&]() -> absl::Status {
    for (const Incoming& film : batch) HILUM_RETURN_IF_ERROR(Keep(film.record, /*was_read=*/true));
    return absl::OkStatus();
  };
  return options_.dry_run ? keep_all() : state_.Atomically(keep_all);
}

// Records the film and its row. A film that another source had belongs to this one from now on.
absl::Status Importer::Keep(const FilmRecord& film, bool was_read) {
  const auto elsewhere = elsewhere_.find(film.sop);
  const bool moved = elsewhere != elsewhere_.end() && film.code != "DUPLICATE";
  const bool accepted = film.code.empty();
  const bool is_new = was_read && !(moved && elsewhere->second.code.empty());
  report_.accepted += accepted ? 1 : 0;
  report_.rejected += accepted ? 0 : 1;
  report_.unchanged += accepted && !is_new ? 1 : 0;
  report_.rows.push_back({film.file.path,
                          !accepted ? "rejected"
                          : is_new  ? "accepted"
                                    : "unchanged",
                          film.code, film.reason, film.label});
  if (options_.dry_run) return absl::OkStatus();
  if (moved) {
    HILUM_RETURN_IF_ERROR(state_.RemoveFilm(elsewhere->second.file));
    if (!accepted) HILUM_RETURN_IF_ERROR(cache_.Remove(film.sop, elsewhere->second.profile_digest));
    elsewhere_.erase(elsewhere);
  }
  FilmRecord stored = film;
  if (!accepted && stored.cache_digest != Digest{}) {
    HILUM_RETURN_IF_ERROR(cache_.Remove(film.sop, film.profile_digest));
    stored.cache_digest = Digest{};
  }
  return state_.PutFilm(stored);
}

absl::Status Importer::Forget(const FilmRecord& film) {
  if (options_.dry_run) return absl::OkStatus();
  if (film.cache_digest != Digest{}) {
    HILUM_RETURN_IF_ERROR(cache_.Remove(film.sop, film.profile_digest));
  }
  return state_.RemoveFilm(film.file);
}

// A consent that was withdrawn in this source also counts for the patient's films of others.
absl::Status Importer::WithdrawElsewhere() {
  if (options_.dry_run) return absl::OkStatus();
  for (auto& [sop, film] : elsewhere_) {
    const absl::Status consent = active_.Check(film.pid);
    if (!film.code.empty() || consent.ok()) continue;
    HILUM_RETURN_IF_ERROR(cache_.Remove(film.sop, film.profile_digest));
    film.code = "CONSENT";
    film.reason = std::string(consent.message());
    film.cache_digest = Digest{};
    HILUM_RETURN_IF_ERROR(state_.PutFilm(film));
  }
  return absl::OkStatus();
}

absl::Status Importer::CountPatients() {
  HILUM_ASSIGN_OR_RETURN(const std::vector<PatientRecord> before, state_.Patients());
  std::map<std::string, PatientRecord> patients;
  for (const PatientRecord& patient : before) patients.emplace(patient.pid, patient);
  for (const auto& [pid, reason] : active_.patients()) patients[pid].pid = pid;
  const auto count = [&]() -> absl::Status {
    for (auto& [pid, patient] : patients) {
      const absl::Status consent = active_.Check(pid);
      patient.revoked = !consent.ok() && (patient.granted || patient.revoked);
      patient.granted = consent.ok();
      patient.reason = std::string(consent.message());
      report_.patients_granted += patient.granted ? 1 : 0;
      report_.patients_denied += patient.granted ? 0 : 1;
      report_.patients_revoked += patient.revoked ? 1 : 0;
      if (!options_.dry_run) HILUM_RETURN_IF_ERROR(state_.PutPatient(patient));
    }
    return absl::OkStatus();
  };
  return options_.dry_run ? count() : state_.Atomically(count);
}

void Importer::CountOthers() {
  std::map<std::string, OtherSource> others;
  for (const ConsentRecord& record : consents_) {
    if (record.file.source != root_) ++others[record.file.source].consent_files;
  }
  for (const auto& [sop, film] : elsewhere_) {
    others[film.file.source].films += film.code.empty() ? 1 : 0;
  }
  for (auto& [path, other] : others) {
    other.path = path;
    report_.others.push_back(other);
  }
}

}  // namespace

absl::StatusOr<ImportReport> Import(State& state, const FilmCache& cache, const SiteSecret& secret,
                                    const ImportOptions& options) {
  HILUM_ASSIGN_OR_RETURN(dicom::Profile profile, dicom::FindProfile(options.profile));
  return Importer(state, cache, secret, options,
                  FilmReader(std::move(profile), secret, options.issuers))
      .Run();
}

}  // namespace hilum::client
