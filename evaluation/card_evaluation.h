// The part of a model card that says how well the model does: figures with intervals, the films
// behind them by source and class, and the leak audit. None without the others.
#ifndef HILUM_EVALUATION_CARD_EVALUATION_H_
#define HILUM_EVALUATION_CARD_EVALUATION_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "evaluation/document.h"

namespace hilum::evaluation {

// Markdown of `document`, what `hilum model evaluate --json` or `hilum model compare --json` (with
// --federated) printed for the model with SHA-256 `model`. The first line after the heading says
// whether the audit's rows promote the model, whatever the document says of itself, else that it is
// `research`. A figure without value,
// interval or n is "not available", one of fewer than kMinSubgroup cases "insufficient".
// InvalidArgument: over kEvaluationLimitBytes, not such a document, or without the leak audit or
// the films by source: such figures do not go on a card. DataLoss: of another model.
absl::StatusOr<std::string> CardEvaluation(absl::string_view document, const Digest& model);

}  // namespace hilum::evaluation

#endif  // HILUM_EVALUATION_CARD_EVALUATION_H_
