// Inference: one film, one finding, with the model's proof beside it.
#ifndef HILUM_CLIENT_INFER_H_
#define HILUM_CLIENT_INFER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/file.h"
#include "client/ledger_gate.h"
#include "dicom/png.h"
#include "dicom/profile.h"
#include "dicom/volume.h"
#include "dicom/worker.h"
#include "evaluation/film_gate.h"
#include "models/network.h"

namespace hilum::client {

// What is said about one film. An abstention holds no probability.
struct Finding {
  std::string file;
  bool abstained = false;
  std::string code;    // why: of dicom/refusal.h, AGE, or OUT_OF_DISTRIBUTION
  std::string reason;  // one sentence
  std::vector<std::pair<std::string, double>> probabilities;  // class -> in the model's order
  std::string predicted;                                      // the class of largest probability
  std::optional<double> age_years;  // absent: the header does not say; it is flagged
  // AGE_ABSENT, VIEW_ABSENT, BODY_PART_ABSENT, LOSSY, GATE_NOT_RUN
  std::vector<std::string> flags;
  std::string gate = "not run";  // in distribution: "passed", "refused", or "not run" (no films)
  std::string branches;          // the choices that the file's header forced
  std::optional<dicom::Image8> overlay;  // when asked for, and there is a result
  std::string caption;                   // what the overlay says in its second line
};

// A verified model, ready. Not thread-safe.
class Clinic {
 public:
  // `local`: what stays at this site (LayersFor of local_layers.h).
  // FailedPrecondition: this program's profile of that name is not the model's. Else as
  // LoadNetwork.
  static absl::StatusOr<Clinic> Open(const VerifiedModel& model, std::span<const float> local = {});

  // From here on a film that is unlike those below `folder` is refused (evaluation/film_gate.h),
  // before the network sees it. The folder holds frontal chest films of the site's own kind that
  // somebody looked through; they are read once and not kept. What cannot be read, and patients
  // below the model's age range, are left out.
  // NotFound: no such folder. FailedPrecondition: films of too few patients are left. Unavailable:
  // no film can be read here.
  absl::Status UseReference(const fs::path& folder);

  // A film that is refused gives a finding too. `with_overlay`: Grad-CAM of the predicted class, a
  // debugging aid and never evidence (docs/models.md, "Judgement"), with its burned-in line.
  // DataLoss: the network's output is not finite. Unavailable: no film can be read here.
  absl::StatusOr<Finding> Infer(const fs::path& film, bool with_overlay);

 private:
  Clinic(const VerifiedModel& model, models::Network network, dicom::Profile profile);
  absl::StatusOr<Finding> Judge(const dicom::PixelVolume& volume, bool with_overlay);

  std::vector<std::string> classes_;
  int min_age_years_;
  models::Network network_;
  dicom::Profile profile_;
  std::shared_ptr<dicom::WorkerPool> workers_ = std::make_shared<dicom::WorkerPool>();
  std::optional<evaluation::FilmGate> gate_;
};

// Writes `folder`/result.json and, where the finding has one, `folder`/overlay.png, durably.
// `model_folder` is where the proof lies. Returns the JSON. Errors: as WriteFileDurably.
absl::StatusOr<std::string> WriteResult(const Finding& finding, const VerifiedModel& model,
                                        const fs::path& model_folder, const fs::path& folder);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_INFER_H_
