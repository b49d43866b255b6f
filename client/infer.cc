#include "client/infer.h"

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "base/version.h"
#include "client/film_cache.h"
#include "client/film_folder.h"
#include "client/network.h"
#include "client/pseudonym.h"
#include "crypto/random.h"
#include "dicom/overlay.h"
#include "dicom/refusal.h"
#include "nlohmann/json.hpp"

namespace hilum::client {
namespace {

using Json = nlohmann::ordered_json;

// Memory: 4 bytes a pixel and film.
constexpr size_t kMaxReferenceFilms = 2000;

Finding Abstain(absl::string_view code, absl::string_view reason) {
  Finding finding;
  finding.abstained = true;
  finding.code = std::string(code);
  finding.reason = std::string(reason);
  return finding;
}

std::vector<std::string> FlagsOf(const dicom::BranchRecord& branches) {
  std::vector<std::string> flags;
  if (branches.age_absent) flags.push_back("AGE_ABSENT");
  if (branches.view_absent) flags.push_back("VIEW_ABSENT");
  if (branches.body_part_absent) flags.push_back("BODY_PART_ABSENT");
  if (branches.lossy) flags.push_back("LOSSY");
  return flags;
}

// `coloured`: the heat map has a spot that speaks for the class.
std::string Caption(const Finding& finding, bool coloured) {
  char text[96];
  std::snprintf(text, sizeof text, "%s %.3f. %s", finding.predicted.substr(0, 16).c_str(),
                std::max_element(finding.probabilities.begin(), finding.probabilities.end(),
                                 [](const auto& a, const auto& b) { return a.second < b.second; })
                    ->second,
                coloured ? "Colour: where it looked, no evidence."
                         : "No colour: no spot spoke for this class.");
  return text;
}

}  // namespace

Clinic::Clinic(const VerifiedModel& model, models::Network network, dicom::Profile profile)
    : classes_(model.classes()),
      min_age_years_(model.min_age_years()),
      network_(std::move(network)),
      profile_(std::move(profile)) {}

absl::StatusOr<Clinic> Clinic::Open(const VerifiedModel& model, std::span<const float> local) {
  HILUM_ASSIGN_OR_RETURN(dicom::Profile profile, dicom::FindProfile(model.profile()));
  if (ProfileDigest(profile) != model.profile_digest()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the model was trained with another recipe of profile ", model.profile(),
                     " than this program has; use the release that trained it."));
  }
  HILUM_ASSIGN_OR_RETURN(models::Network network, LoadNetwork(model, local));
  return Clinic(model, std::move(network), std::move(profile));
}

absl::Status Clinic::UseReference(const fs::path& folder) {
  HILUM_ASSIGN_OR_RETURN(const FolderListing listing, ListFolder(folder));
  // Pseudonyms tell patients apart in here, and are forgotten.
  const FilmReader reader(profile_, SiteSecret{crypto::RandomArray<32>()}, {});
  std::vector<PreparedFilm> films;
  uint64_t n_left_out = 0;
  for (const SourceFile& file : listing.films) {
    ReadFilm read = reader.Read(fs::path(file.source) / file.path);
    if (absl::IsUnavailable(read.status)) return read.status;  // no fault of the film
    const bool too_young = read.age_years.has_value() && *read.age_years < min_age_years_;
    if (!read.film.has_value() || too_young || films.size() == kMaxReferenceFilms) {
      ++n_left_out;
    } else {
      films.push_back(*std::move(read.film));
    }
  }
  evaluation::BaselineFilms own{
      .n_classes = 2, .height = profile_.size_px, .width = profile_.size_px};
  for (const PreparedFilm& film : films) {
    own.films.push_back({.pixels = film.pixels(), .patient = film.patient()});
  }
  absl::StatusOr<evaluation::FilmGate> gate = evaluation::FilmGate::Fit(own);
  if (!gate.ok()) {
    return absl::Status(gate.status().code(),
                        absl::StrCat(folder.string(), ": ", gate.status().message(), "; ",
                                     n_left_out, " of its files were left out."));
  }
  gate_ = *std::move(gate);
  return absl::OkStatus();
}

absl::StatusOr<Finding> Clinic::Infer(const fs::path& film, bool with_overlay) {
  // Nothing that identifies the patient is kept: the finding names the file only.
  const dicom::Pseudonym nobody = [](absl::string_view, absl::string_view) {
    return std::string("-");
  };
  const absl::StatusOr<dicom::PixelVolume> volume = workers_->Read(film, profile_, nobody);
  if (absl::IsUnavailable(volume.status())) return volume.status();  // no fault of the film
  absl::StatusOr<Finding> finding = Finding{};
  if (volume.ok()) {
    finding = Judge(*volume, with_overlay);
  } else {
    const absl::string_view code = dicom::CodeOf(volume.status());
    absl::string_view reason = volume.status().message();
    absl::ConsumePrefix(&reason, absl::StrCat(code, ": "));
    finding = Abstain(code.empty() ? "FILE" : code, reason);
  }
  if (finding.ok()) finding->file = film.string();
  return finding;
}

absl::StatusOr<Finding> Clinic::Judge(const dicom::PixelVolume& volume, bool with_overlay) {
  const std::optional<double> age = volume.facts().age_years;
  if (age.has_value() && *age < min_age_years_) {
    return Abstain("AGE", absl::StrCat("the patient is ", *age, " years old, the model is for ",
                                       min_age_years_, " years and older"));
  }
  const PreparedFilm film = Prepare(volume);
  const models::ImageBatch image{.n = 1,
                                 .channels = 1,
                                 .height = film.height(),
                                 .width = film.width(),
                                 .pixels = film.pixels()};
  if (gate_.has_value()) {
    HILUM_ASSIGN_OR_RETURN(const evaluation::GateAnswer answer, gate_->Judge(film.pixels()));
    if (!answer.passed) {
      Finding refused = Abstain("OUT_OF_DISTRIBUTION", answer.reason);
      refused.gate = "refused";
      return refused;
    }
  }
  HILUM_ASSIGN_OR_RETURN(const models::Prediction prediction, network_.Predict(image));
  Finding finding;
  size_t best = 0;
  for (size_t k = 0; k < classes_.size(); ++k) {
    finding.probabilities.emplace_back(classes_[k], prediction.probabilities[k]);
    if (prediction.probabilities[k] > prediction.probabilities[best]) best = k;
  }
  finding.predicted = classes_[best];
  finding.age_years = age;
  finding.flags = FlagsOf(volume.branches());
  finding.gate = gate_.has_value() ? "passed" : "not run";
  if (!gate_.has_value()) finding.flags.push_back("GATE_NOT_RUN");
  finding.branches = volume.branches().ToText();
  if (with_overlay) {
    HILUM_ASSIGN_OR_RETURN(const models::HeatMap heat,
                           network_.Explain(image, static_cast<int>(best)));
    const bool coloured =
        std::any_of(heat.values.begin(), heat.values.end(), [](float h) { return h > 0; });
    finding.caption = Caption(finding, coloured);
    HILUM_ASSIGN_OR_RETURN(finding.overlay, dicom::DrawOverlay({.height = film.height(),
                                                                .width = film.width(),
                                                                .film = film.pixels(),
                                                                .heat = heat.values,
                                                                .caption = finding.caption}));
  }
  return finding;
}

absl::StatusOr<std::string> WriteResult(const Finding& finding, const VerifiedModel& model,
                                        const fs::path& model_folder, const fs::path& folder) {
  HILUM_RETURN_IF_ERROR(MakeFolder(folder));
  Json json = {{"file", finding.file}, {"abstained", finding.abstained}};
  if (finding.abstained) {
    json["code"] = finding.code;
    json["reason"] = finding.reason;
  } else {
    for (const auto& [name, value] : finding.probabilities) json["probabilities"][name] = value;
    json["predicted"] = finding.predicted;
  }
  json["classes"] = model.classes();
  if (finding.age_years.has_value()) json["age_years"] = *finding.age_years;
  json["flags"] = finding.flags;
  json["gate"] = finding.gate;
  json["branches"] = finding.branches;
  json["model"] = model.job();
  json["architecture"] = model.spec().architecture;
  json["round"] = model.round();
  json["model_sha256"] = ToHex(model.sha256());
  json["profile"] = model.profile();
  json["profile_digest"] = ToHex(model.profile_digest());
  json["min_age_years"] = model.min_age_years();
  json["ledger"] = {{"origin", model.origin()},
                    {"index", model.entry_index()},
                    {"quorum", model.quorum_none() ? "none" : "met"}};
  json["proof"] = (model_folder / "round.tlog-proof").string();
  if (finding.overlay.has_value()) {
    const fs::path overlay = folder / "overlay.png";
    HILUM_RETURN_IF_ERROR(dicom::WritePng(overlay, *finding.overlay));
    json["overlay"] = overlay.string();
  }
  json["notice"] = std::string(kResearchUseOnly);
  // Paths may hold any bytes.
  const std::string text = json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  HILUM_RETURN_IF_ERROR(WriteFileDurably(folder / "result.json", AsBytes(text)));
  return text;
}

}  // namespace hilum::client
