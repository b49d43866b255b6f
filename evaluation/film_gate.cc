#include "evaluation/film_gate.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/seeded_random.h"
#include "base/status_macros.h"

namespace hilum::evaluation {
namespace {

constexpr int kGreyCells = 16;    // a side: mean grey
constexpr int kDetailCells = 4;   // a side: mean difference of neighbouring pixels
constexpr int kMinSide = 16;      // pixels
constexpr int kMaxSide = 4096;    // pixels
constexpr double kShrink = 0.3;   // of the correlations, towards none
constexpr double kPenalty = 0.1;  // of the regression
constexpr double kLeastDetail = 1e-3;
constexpr double kLeastDeviation = 1e-6;
constexpr uint64_t kDrawSeed = 1;

using Rows = std::vector<std::vector<double>>;
using Pixels = std::vector<float>;

absl::Status CheckPixels(std::span<const float> pixels, int height, int width) {
  if (pixels.size() != uint64_t{1} * height * width) {
    return absl::InvalidArgumentError(absl::StrCat("a film of ", pixels.size(),
                                                   " pixels is given to a gate of films of ",
                                                   height, " x ", width));
  }
  if (std::ranges::all_of(pixels, [](float value) { return std::isfinite(value); })) {
    return absl::OkStatus();
  }
  return absl::DataLossError("a film for the gate holds NaN or an infinite value");
}

// Means over cells x cells parts of values [height, width].
void AppendCells(const Pixels& values, int height, int width, int cells,
                 std::vector<double>& features) {
  for (int row = 0; row < cells; ++row) {
    const int top = height * row / cells, bottom = height * (row + 1) / cells;
    for (int column = 0; column < cells; ++column) {
      const int left = width * column / cells, right = width * (column + 1) / cells;
      double sum = 0;
      for (int y = top; y < bottom; ++y) {
        for (int x = left; x < right; ++x) sum += values[int64_t{y} * width + x];
      }
      features.push_back(sum / ((bottom - top) * (right - left)));
    }
  }
}

std::vector<double> FeaturesOf(const Pixels& pixels, int height, int width) {
  std::vector<double> features;
  AppendCells(pixels, height, width, kGreyCells, features);
  Pixels steps(pixels.size());
  for (size_t i = 0; i < pixels.size(); ++i) {
    steps[i] = i % width == 0 ? 0 : std::abs(pixels[i] - pixels[i - 1]);
  }
  const size_t greys = features.size();
  AppendCells(steps, height, width, kDetailCells, features);
  for (size_t i = greys; i < features.size(); ++i) {
    features[i] = std::log(kLeastDetail + features[i]);
  }
  return features;
}

// The film upside down, turned to either side, and inverted. A turn keeps height and width: it
// takes the nearest pixel of the same relative place.
std::vector<Pixels> TurnsOf(std::span<const float> pixels, int height, int width) {
  std::vector<Pixels> turns(4, Pixels(pixels.size()));
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const size_t at = size_t(y) * width + x;
      const int across = x * height / width, down = y * width / height;
      turns[0][at] = pixels[size_t(height - 1 - y) * width + x];
      turns[1][at] = pixels[size_t(across) * width + (width - 1 - down)];
      turns[2][at] = pixels[size_t(height - 1 - across) * width + down];
      turns[3][at] = 1 - pixels[at];
    }
  }
  return turns;
}

// The lower factor of a symmetric positive definite matrix [n, n], in place. False: it is not.
bool Cholesky(std::vector<double>& matrix, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j <= i; ++j) {
      double sum = matrix[i * n + j];
      for (size_t k = 0; k < j; ++k) sum -= matrix[i * n + k] * matrix[j * n + k];
      if (i != j) {
        matrix[i * n + j] = sum / matrix[j * n + j];
      } else if (sum > 0) {
        matrix[i * n + i] = std::sqrt(sum);
      } else {
        return false;
      }
    }
  }
  return true;
}

// Solves factor * x = b in place.
void SolveLower(const std::vector<double>& factor, std::vector<double>& b) {
  const size_t n = b.size();
  for (size_t i = 0; i < n; ++i) {
    for (size_t k = 0; k < i; ++k) b[i] -= factor[i * n + k] * b[k];
    b[i] /= factor[i * n + i];
  }
}

// Solves factor' * x = b in place.
void SolveUpper(const std::vector<double>& factor, std::vector<double>& b) {
  const size_t n = b.size();
  for (size_t i = n; i-- > 0;) {
    for (size_t k = i + 1; k < n; ++k) b[i] -= factor[k * n + i] * b[k];
    b[i] /= factor[i * n + i];
  }
}

// sum += weight * row * row'
void AddOuter(double weight, const std::vector<double>& row, std::vector<double>& sum) {
  const size_t n = row.size();
  for (size_t i = 0; i < n; ++i) {
    const double factor = weight * row[i];
    for (size_t j = 0; j < n; ++j) sum[i * n + j] += factor * row[j];
  }
}

// Which films make the tests, and which set the limits: half of the patients each, drawn, so that
// an order by class or site does not matter. A film without a patient is its own.
struct Halves {
  std::vector<size_t> fit, held_out;
  size_t n_patients = 0;
};
Halves HalvesOf(const BaselineFilms& own) {
  Halves halves;
  std::map<std::string, size_t> known;
  std::vector<size_t> patient_of;  // by film
  for (const BaselineFilm& film : own.films) {
    size_t nth = halves.n_patients;
    if (!film.patient.empty()) nth = known.emplace(film.patient, nth).first->second;
    if (nth == halves.n_patients) ++halves.n_patients;
    patient_of.push_back(nth);
  }
  std::vector<size_t> place(halves.n_patients);  // of a patient in the draw
  for (size_t i = 0; i < place.size(); ++i) place[i] = i;
  SeededRandom(kDrawSeed).Shuffle(std::span(place));
  for (size_t i = 0; i < patient_of.size(); ++i) {
    const bool fits = 2 * place[patient_of[i]] < halves.n_patients;
    (fits ? halves.fit : halves.held_out).push_back(i);
  }
  return halves;
}

// The value that `share` of new values exceed at most, by n exchangeable ones.
double UpperLimit(std::vector<double> values, double share) {
  std::ranges::sort(values);
  const auto n = static_cast<double>(values.size());
  const auto rank = static_cast<size_t>(std::ceil((n + 1) * (1 - share) - 1e-9));
  return values[std::clamp<size_t>(rank, 1, values.size()) - 1];
}

absl::Status NotDefinite() {
  return absl::FailedPreconditionError("the films for the gate do not differ from one another");
}

}  // namespace

std::vector<double> FilmGate::Scaling::Apply(const std::vector<double>& features) const {
  std::vector<double> scaled(features.size());
  for (size_t j = 0; j < features.size(); ++j) scaled[j] = (features[j] - mean[j]) * scale[j];
  return scaled;
}

FilmGate::Scaling FilmGate::ScalingOf(const Rows& rows) {
  const size_t n = rows.front().size();
  Scaling scaling{std::vector<double>(n), std::vector<double>(n)};
  const auto count = static_cast<double>(rows.size());
  for (size_t j = 0; j < n; ++j) {
    double squares = 0;
    for (const auto& row : rows) scaling.mean[j] += row[j] / count;
    for (const auto& row : rows) squares += std::pow(row[j] - scaling.mean[j], 2) / count;
    scaling.scale[j] = 1 / (std::sqrt(squares) + kLeastDeviation);
  }
  return scaling;
}

absl::Status FilmGate::FitDistance(const Rows& own) {
  distance_scaling_ = ScalingOf(own);
  const size_t n = own.front().size();
  factor_.assign(n * n, 0);
  for (const auto& row : own) {
    AddOuter((1 - kShrink) / static_cast<double>(own.size()), distance_scaling_.Apply(row),
             factor_);
  }
  for (size_t i = 0; i < n; ++i) factor_[i * n + i] += kShrink;
  return Cholesky(factor_, n) ? absl::OkStatus() : NotDefinite();
}

// Least squares of +1 for the site's films and -1 for their turns, both sides of equal weight.
absl::Status FilmGate::FitUpright(const Rows& own, const Rows& turned) {
  Rows all = own;
  all.insert(all.end(), turned.begin(), turned.end());
  upright_scaling_ = ScalingOf(all);
  const size_t n = own.front().size() + 1;
  std::vector<double> gram(n * n, 0);
  weights_.assign(n, 0);
  for (size_t i = 0; i < all.size(); ++i) {
    std::vector<double> row = upright_scaling_.Apply(all[i]);
    row.push_back(1);
    const bool is_own = i < own.size();
    const double weight = 0.5 / static_cast<double>(is_own ? own.size() : turned.size());
    AddOuter(weight, row, gram);
    for (size_t j = 0; j < n; ++j) weights_[j] += (is_own ? weight : -weight) * row[j];
  }
  for (size_t i = 0; i < n; ++i) gram[i * n + i] += kPenalty;
  if (!Cholesky(gram, n)) return NotDefinite();
  SolveLower(gram, weights_);
  SolveUpper(gram, weights_);
  return absl::OkStatus();
}

double FilmGate::Distance(const std::vector<double>& features) const {
  std::vector<double> solved = distance_scaling_.Apply(features);
  SolveLower(factor_, solved);
  double sum = 0;
  for (double value : solved) sum += value * value;
  return sum;
}

double FilmGate::Upright(const std::vector<double>& features) const {
  const std::vector<double> scaled = upright_scaling_.Apply(features);
  double score = weights_.back();
  for (size_t j = 0; j < scaled.size(); ++j) score += weights_[j] * scaled[j];
  return score;
}

absl::StatusOr<FilmGate> FilmGate::Fit(const BaselineFilms& own) {
  if (own.height < kMinSide || own.width < kMinSide || own.height > kMaxSide ||
      own.width > kMaxSide) {
    return absl::InvalidArgumentError(absl::StrCat("a gate of films of ", own.height, " x ",
                                                   own.width, " pixels: sides of ", kMinSide,
                                                   " to ", kMaxSide, " are needed"));
  }
  const Halves halves = HalvesOf(own);
  if (halves.n_patients < kMinGatePatients) {
    return absl::FailedPreconditionError(absl::StrCat("the gate has films of ", halves.n_patients,
                                                      " patients to go by, at least ",
                                                      kMinGatePatients, " are needed"));
  }
  for (const BaselineFilm& film : own.films) {
    HILUM_RETURN_IF_ERROR(CheckPixels(film.pixels, own.height, own.width));
  }
  FilmGate gate;
  gate.height_ = own.height;
  gate.width_ = own.width;
  gate.n_films_ = static_cast<int64_t>(own.films.size());
  const auto features = [&](const Pixels& p) { return FeaturesOf(p, own.height, own.width); };
  Rows upright, turned;
  for (size_t i : halves.fit) {
    const std::span<const float> pixels = own.films[i].pixels;
    upright.push_back(features({pixels.begin(), pixels.end()}));
    for (const Pixels& turn : TurnsOf(pixels, own.height, own.width)) {
      turned.push_back(features(turn));
    }
  }
  HILUM_RETURN_IF_ERROR(gate.FitDistance(upright));
  HILUM_RETURN_IF_ERROR(gate.FitUpright(upright, turned));
  std::vector<double> distances, scores;
  for (size_t i : halves.held_out) {
    const std::span<const float> pixels = own.films[i].pixels;
    const std::vector<double> row = features({pixels.begin(), pixels.end()});
    distances.push_back(gate.Distance(row));
    scores.push_back(-gate.Upright(row));
  }
  gate.distance_limit_ = UpperLimit(std::move(distances), kGateRefusedShare / 2);
  gate.upright_limit_ = -UpperLimit(std::move(scores), kGateRefusedShare / 2);
  return gate;
}

absl::StatusOr<GateAnswer> FilmGate::Judge(std::span<const float> pixels) const {
  HILUM_RETURN_IF_ERROR(CheckPixels(pixels, height_, width_));
  const std::vector<double> features = FeaturesOf({pixels.begin(), pixels.end()}, height_, width_);
  GateAnswer answer;
  answer.distance = Distance(features) / distance_limit_;
  answer.upright = Upright(features) - upright_limit_;
  if (!(answer.distance <= 1)) {
    answer.reason = absl::StrFormat(
        "the image is unlike the %d films of the site that the gate was made of: %.2f times the "
        "distance that is allowed",
        n_films_, answer.distance);
  } else if (!(answer.upright >= 0)) {
    answer.reason = absl::StrFormat(
        "the image looks turned, upside down or inverted beside the %d films of the site that the "
        "gate was made of",
        n_films_);
  }
  answer.passed = answer.reason.empty();
  return answer;
}

}  // namespace hilum::evaluation
