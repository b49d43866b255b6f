// hilum infer.
#ifndef HILUM_CLI_INFER_RUN_H_
#define HILUM_CLI_INFER_RUN_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/pins.h"

namespace hilum::cli {

struct InferFlags {
  std::vector<std::string> paths;  // films, or folders of films
  std::string model;
  std::string out;
  std::string reference;  // folder of the site's own films; empty: no gate
  client::PinSource trust;
  bool no_overlay = false;
  bool json = false;
};

// Checks the model against its proof, then writes OUT/NAME/result.json and OUT/NAME/overlay.png for
// each film. A film that is refused gets a result that says so and never ends the run: an
// abstention is an answer, so it is OK too when every film is refused. DataLoss (exit 3): the model
// does not verify; no film is looked at. NotFound: no such film. InvalidArgument: `out` is a file.
absl::Status RunInfer(const InferFlags& flags);

}  // namespace hilum::cli

#endif  // HILUM_CLI_INFER_RUN_H_
