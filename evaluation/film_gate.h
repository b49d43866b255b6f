// Is this a film like those the site knows? A gate in front of the network, made of the site's own
// films: it needs no network, no labels and no foreign images, and nothing of it leaves the site.
//
// A softmax cannot be the gate: it is as sure of noise as of a film (docs/models.md). Two tests,
// each of which finds what the other misses:
//  - how far the film lies from the site's films (Mahalanobis distance of grey means and of the
//    detail in them): black, noise, other bodies, drawings;
//  - whether a regression that learned the site's films against the same films upside down, turned
//    and inverted takes it for one of those: what has the right greys in the wrong place.
// Research use only: what passes is like the site's films, which is not the same as good.
#ifndef HILUM_EVALUATION_FILM_GATE_H_
#define HILUM_EVALUATION_FILM_GATE_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "evaluation/baselines.h"

namespace hilum::evaluation {

// Films of the site's own kind that the gate may refuse: half by each test.
inline constexpr double kGateRefusedShare = 0.05;
// Patients that a gate is made of, at least: the limits of both tests are quantiles over half of
// them, and a quantile of 2.5 % needs 39.
inline constexpr int64_t kMinGatePatients = 80;

struct GateAnswer {
  bool passed = false;
  std::string reason;   // one sentence, when it did not pass
  double distance = 0;  // in units of the limit: above 1 does not pass
  double upright = 0;   // score minus its limit: below 0 does not pass
};

class FilmGate {
 public:
  // Half of the patients, drawn with a fixed seed, make the tests, the others set their limits
  // (split conformal prediction, Vovk et al. 2005; Lei et al. 2018, arXiv:1604.04173, section 2): a
  // new film of the same kind is refused with a probability of about kGateRefusedShare. The same
  // films in the same order give the same gate on every computer. Labels and classes are not read.
  // FailedPrecondition: fewer than kMinGatePatients patients. InvalidArgument: sides under 16
  // pixels, or a film of another size. DataLoss: a pixel is not finite.
  static absl::StatusOr<FilmGate> Fit(const BaselineFilms& own);

  // pixels [height, width] as a profile prepares them. InvalidArgument: another size than the
  // gate's films. DataLoss: a pixel is not finite. Thread-safe.
  absl::StatusOr<GateAnswer> Judge(std::span<const float> pixels) const;

  int64_t n_films() const { return n_films_; }

 private:
  FilmGate() = default;
  struct Scaling {
    std::vector<double> mean, scale;
    std::vector<double> Apply(const std::vector<double>& features) const;
  };
  double Distance(const std::vector<double>& features) const;
  double Upright(const std::vector<double>& features) const;
  static Scaling ScalingOf(const std::vector<std::vector<double>>& rows);
  absl::Status FitDistance(const std::vector<std::vector<double>>& own);
  absl::Status FitUpright(const std::vector<std::vector<double>>& own,
                          const std::vector<std::vector<double>>& turned);

  int height_ = 0, width_ = 0;
  int64_t n_films_ = 0;
  Scaling distance_scaling_, upright_scaling_;
  std::vector<double> factor_;   // lower Cholesky factor of the shrunk correlation, [d, d]
  std::vector<double> weights_;  // of the regression, [d + 1]; the last is the intercept
  double distance_limit_ = 0;
  double upright_limit_ = 0;
};

}  // namespace hilum::evaluation

#endif  // HILUM_EVALUATION_FILM_GATE_H_
