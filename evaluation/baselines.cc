#include "evaluation/baselines.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hilum::evaluation {
namespace {

constexpr int kThumbnailSide = 32;  // cells
constexpr int kMinSide = 4;         // pixels, as in ablation.h
constexpr int kMaxSide = 4096;      // pixels
constexpr double kPenalty = 0.01;
constexpr int kSteps = 200;
constexpr int kPowerSteps = 20;
constexpr double kStepMargin = 1.2;  // the power method finds the largest eigenvalue from below
constexpr int kHeldOutPatient = 4;   // of so many one is judged

absl::Status CheckFilms(const BaselineFilms& set) {
  if (set.n_classes < 2 || set.height < kMinSide || set.width < kMinSide || set.height > kMaxSide ||
      set.width > kMaxSide) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a baseline of ", set.n_classes, " classes on ", set.height, " x ", set.width,
        " pixels: at least 2 classes and sides of ", kMinSide, " to ", kMaxSide, " are needed"));
  }
  for (size_t i = 0; i < set.films.size(); ++i) {
    const BaselineFilm& film = set.films[i];
    if (film.pixels.size() != uint64_t{1} * set.height * set.width || film.label < 0 ||
        film.label >= set.n_classes) {
      return absl::InvalidArgumentError(absl::StrCat(
          "film ", i, " of a baseline has ", film.pixels.size(), " pixels and the label ",
          film.label, "; ", uint64_t{1} * set.height * set.width, " and 0 to ", set.n_classes - 1,
          " are needed"));
    }
    if (!std::ranges::all_of(film.pixels, [](float value) { return std::isfinite(value); })) {
      return absl::DataLossError(
          absl::StrCat("film ", i, " of a baseline holds NaN or an infinite value"));
    }
  }
  return absl::OkStatus();
}

// Cell means of the ablated film, and a 1 for the intercept.
void AppendFeatures(const BaselineFilms& set, size_t film, Ablate ablate,
                    std::vector<float>& scratch, std::vector<double>& features) {
  scratch.assign(set.films[film].pixels.begin(), set.films[film].pixels.end());
  if (ablate != nullptr) ablate(scratch, set.height, set.width);
  const int rows = std::min(set.height, kThumbnailSide);
  const int columns = std::min(set.width, kThumbnailSide);
  for (int row = 0; row < rows; ++row) {
    const int top = set.height * row / rows, bottom = set.height * (row + 1) / rows;
    for (int column = 0; column < columns; ++column) {
      const int left = set.width * column / columns, right = set.width * (column + 1) / columns;
      double sum = 0;
      for (int y = top; y < bottom; ++y) {
        for (int x = left; x < right; ++x) sum += scratch[int64_t{y} * set.width + x];
      }
      features.push_back(sum / ((bottom - top) * (right - left)));
    }
  }
  features.push_back(1);
}

// Rows of features, one a film; the last feature is 1.
struct Matrix {
  size_t n = 0, width = 0;
  std::vector<double> values;
  double* row(size_t i) { return values.data() + i * width; }
  const double* row(size_t i) const { return values.data() + i * width; }
};

Matrix FeaturesOf(const BaselineFilms& set, Ablate ablate) {
  Matrix matrix;
  matrix.n = set.films.size();
  std::vector<float> scratch;
  for (size_t i = 0; i < matrix.n; ++i) {
    AppendFeatures(set, i, ablate, scratch, matrix.values);
  }
  matrix.width = matrix.n == 0 ? 0 : matrix.values.size() / matrix.n;
  return matrix;
}

// Mean 0 and deviation 1 by the films of `train`; a feature that is the same in all becomes 0.
void Standardise(Matrix& train, Matrix& test) {
  for (size_t j = 0; j + 1 < train.width; ++j) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < train.n; ++i) sum += train.row(i)[j];
    const double mean = sum / static_cast<double>(train.n);
    for (size_t i = 0; i < train.n; ++i) squares += std::pow(train.row(i)[j] - mean, 2);
    const double deviation = std::sqrt(squares / static_cast<double>(train.n));
    const double scale = deviation > 1e-9 ? 1 / deviation : 0;
    for (Matrix* matrix : {&train, &test}) {
      for (size_t i = 0; i < matrix->n; ++i) {
        matrix->row(i)[j] = (matrix->row(i)[j] - mean) * scale;
      }
    }
  }
}

double Dot(const double* a, const double* b, size_t n) {
  double lanes[4] = {};  // four sums: the compiler may keep them in one register
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    for (size_t lane = 0; lane < 4; ++lane) lanes[lane] += a[i + lane] * b[i + lane];
  }
  for (; i < n; ++i) lanes[0] += a[i] * b[i];
  return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
}

void AddTo(double factor, const double* a, double* sum, size_t n) {
  for (size_t i = 0; i < n; ++i) sum[i] += factor * a[i];
}

// The largest eigenvalue of X'X / n, by the power method from a vector of ones.
double LargestEigenvalue(const Matrix& x) {
  std::vector<double> vector(x.width, 1), next(x.width);
  double eigenvalue = 1;
  for (int step = 0; step < kPowerSteps; ++step) {
    std::ranges::fill(next, 0);
    for (size_t i = 0; i < x.n; ++i) {
      AddTo(Dot(x.row(i), vector.data(), x.width) / static_cast<double>(x.n), x.row(i), next.data(),
            x.width);
    }
    eigenvalue = std::sqrt(Dot(next.data(), next.data(), x.width));
    if (!(eigenvalue > 0)) return 1;
    for (size_t j = 0; j < x.width; ++j) vector[j] = next[j] / eigenvalue;
  }
  return eigenvalue;
}

// Softmax of the scores of one film.
void Score(const Matrix& x, size_t film, const Matrix& weights, std::vector<double>& row) {
  row.resize(weights.n);
  for (size_t k = 0; k < weights.n; ++k) row[k] = Dot(x.row(film), weights.row(k), x.width);
  const double largest = *std::ranges::max_element(row);
  double sum = 0;
  for (double& value : row) sum += value = std::exp(value - largest);
  for (double& value : row) value /= sum;
}

// Weights [classes, features] of the penalised regression. The intercept is not penalised.
Matrix Fit(const Matrix& x, const BaselineFilms& set) {
  const size_t classes = static_cast<size_t>(set.n_classes);
  Matrix weights{classes, x.width, std::vector<double>(classes * x.width)};
  Matrix previous = weights, ahead = weights, gradient = weights;
  const double step = 1 / (kStepMargin * 0.5 * LargestEigenvalue(x) + kPenalty);
  std::vector<double> row;
  double momentum = 1;
  for (int s = 0; s < kSteps; ++s) {
    const double next = (1 + std::sqrt(1 + 4 * momentum * momentum)) / 2;
    const double weight = (momentum - 1) / next;
    momentum = next;
    for (size_t j = 0; j < weights.values.size(); ++j) {
      ahead.values[j] = weights.values[j] + weight * (weights.values[j] - previous.values[j]);
      gradient.values[j] = (j + 1) % x.width == 0 ? 0 : kPenalty * ahead.values[j];
    }
    for (size_t i = 0; i < x.n; ++i) {
      Score(x, i, ahead, row);
      row[set.films[i].label] -= 1;
      for (size_t k = 0; k < classes; ++k) {
        AddTo(row[k] / static_cast<double>(x.n), x.row(i), gradient.row(k), x.width);
      }
    }
    previous = weights;
    for (size_t j = 0; j < weights.values.size(); ++j) {
      weights.values[j] = ahead.values[j] - step * gradient.values[j];
    }
  }
  return weights;
}

}  // namespace

absl::StatusOr<Predictions> BaselinePredictions(const BaselineFilms& train,
                                                const BaselineFilms& test, Ablate ablate) {
  HILUM_RETURN_IF_ERROR(CheckFilms(train));
  HILUM_RETURN_IF_ERROR(CheckFilms(test));
  if (train.n_classes != test.n_classes || train.height != test.height ||
      train.width != test.width) {
    return absl::InvalidArgumentError(
        absl::StrCat("a baseline was trained on ", train.n_classes, " classes of ", train.height,
                     " x ", train.width, " pixels and is judged on ", test.n_classes, " of ",
                     test.height, " x ", test.width, "; they must be the same"));
  }
  std::set<int> labels;
  for (const BaselineFilm& film : train.films) labels.insert(film.label);
  const auto n_train = static_cast<int64_t>(train.films.size());
  if (n_train < kMinBaselineFilms || labels.size() < 2 || test.films.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "a baseline has ", n_train, " films of ", labels.size(), " classes to learn from and ",
        test.films.size(), " to be judged on: ", kMinBaselineFilms, ", 2 and 1 are needed"));
  }
  Matrix x = FeaturesOf(train, ablate), y = FeaturesOf(test, ablate);
  Standardise(x, y);
  const Matrix weights = Fit(x, train);
  Predictions predictions{test.n_classes, {}, {}, {}, {}};
  std::vector<double> row;
  for (size_t i = 0; i < y.n; ++i) {
    Score(y, i, weights, row);
    predictions.probabilities.insert(predictions.probabilities.end(), row.begin(), row.end());
    predictions.labels.push_back(test.films[i].label);
    predictions.patients.push_back(test.films[i].patient);
    predictions.sites.push_back(test.films[i].site);
  }
  return predictions;
}

absl::StatusOr<Baseline> CompareBaseline(const Predictions& baseline, int64_t n_train,
                                         const Predictions* model,
                                         const BootstrapOptions& options) {
  Baseline result;
  result.n_train = n_train;
  HILUM_ASSIGN_OR_RETURN(result.auroc, MeanAurocOf(baseline, options));
  if (model == nullptr) return result;
  HILUM_ASSIGN_OR_RETURN(result.model_better_by, MeanAurocDifference(*model, baseline, options));
  return result;
}

absl::StatusOr<Baseline> PredictSite(const BaselineFilms& films, const BootstrapOptions& options) {
  std::map<std::string, int> site_of;
  for (const BaselineFilm& film : films.films) site_of.emplace(film.site, 0);
  if (site_of.size() < 2) {
    return absl::FailedPreconditionError(
        absl::StrCat("the films are of ", site_of.size(), " sites, telling sites apart needs two"));
  }
  int n_sites = 0;
  for (auto& [site, index] : site_of) index = n_sites++;
  BaselineFilms train{n_sites, films.height, films.width, {}}, test = train;
  std::map<std::string, bool> is_judged;        // by patient
  std::vector<int> n_patients(site_of.size());  // by site
  for (BaselineFilm film : films.films) {
    film.label = site_of[film.site];
    const auto known = is_judged.find(film.patient);
    bool judged = false;
    if (known != is_judged.end()) {
      judged = known->second;
    } else {
      judged = ++n_patients[film.label] % kHeldOutPatient == 0;
      if (!film.patient.empty()) is_judged.emplace(film.patient, judged);
    }
    (judged ? test : train).films.push_back(std::move(film));
  }
  HILUM_ASSIGN_OR_RETURN(const Predictions predictions, BaselinePredictions(train, test));
  return CompareBaseline(predictions, static_cast<int64_t>(train.films.size()), nullptr, options);
}

}  // namespace hilum::evaluation
