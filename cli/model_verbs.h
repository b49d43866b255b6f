// The verbs of hilum-model that judge models: evaluate, compare, verify, card.
#ifndef HILUM_CLI_MODEL_VERBS_H_
#define HILUM_CLI_MODEL_VERBS_H_

#include <functional>
#include <map>

#include "absl/status/status.h"
#include "cli/cli11_status.h"

namespace hilum::cli {

using ModelVerbs = std::map<const CLI::App*, std::function<absl::Status()>>;

// Adds the verb to `app`, and what it does to `verbs`. The flags live as long as the function.
void AddEvaluate(App& app, ModelVerbs& verbs);
void AddCompare(App& app, ModelVerbs& verbs);
void AddVerify(App& app, ModelVerbs& verbs);
void AddCard(App& app, ModelVerbs& verbs);

}  // namespace hilum::cli

#endif  // HILUM_CLI_MODEL_VERBS_H_
