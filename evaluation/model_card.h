// MODEL_CARD.md of a model as a round made it: what it is, and no figure that nobody measured.
#ifndef HILUM_EVALUATION_MODEL_CARD_H_
#define HILUM_EVALUATION_MODEL_CARD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "proto/model_json.h"
#include "proto/round_plan.h"

namespace hilum::evaluation {

struct CardMeasure {
  std::string name;
  std::string value;  // decimal
  uint64_t n = 0;     // cases
};

// What the ledger says of the round.
struct CardRound {
  std::vector<std::string> cohort, dropped;
  std::vector<CardMeasure> measures;  // of the round's training
  uint64_t entry_index = 0;           // of its round-close
  bool quorum_none = false;           // no witness vouches for the log
};

// Markdown. The same inputs give the same bytes.
std::string ModelCard(const proto::ModelDescription& model, const proto::RoundPlan& plan,
                      const CardRound& round);

}  // namespace hilum::evaluation

#endif  // HILUM_EVALUATION_MODEL_CARD_H_
