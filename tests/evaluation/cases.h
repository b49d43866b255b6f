// Small sets of cases whose metrics are known. Expected values in these tests: scikit-learn 1.9.1,
// scipy 1.17.1 and numpy 2.4.6 on the same numbers.
#ifndef HILUM_TESTS_EVALUATION_CASES_H_
#define HILUM_TESTS_EVALUATION_CASES_H_

#include <vector>

#include "evaluation/metrics.h"

namespace hilum::evaluation {

inline Predictions TwoClassCases() {
  const std::vector<double> probability{.9,  .1, .8, .35, .4,  .4,  .7, .65,
                                        .55, .2, .3, .4,  .05, .95, .6, .45};
  Predictions p{2, {1, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 0}, {}, {}, {}};
  for (double of_one : probability) {
    p.probabilities.push_back(1 - of_one);
    p.probabilities.push_back(of_one);
  }
  return p;
}

inline Predictions ThreeClassCases() {
  return {3,
          {0, 1, 2, 2, 1, 0, 2, 0, 1},
          {.7, .2, .1, .3, .4, .3, .1, .2, .7, .5, .3, .2, .2, .5,
           .3, .6, .3, .1, .2, .2, .6, .3, .4, .3, .1, .6, .3},
          {},
          {}};
}

// The same cases with the two probabilities exchanged.
inline Predictions Flipped(Predictions p) {
  for (double& value : p.probabilities) value = 1 - value;
  return p;
}

}  // namespace hilum::evaluation

#endif  // HILUM_TESTS_EVALUATION_CASES_H_
