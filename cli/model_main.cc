// hilum-model: makes version 0 of a model, describes networks, judges and verifies models.
#include "cli/cli11_status.h"
#include "cli/model_init.h"
#include "cli/model_verbs.h"

namespace hilum::cli {
namespace {

CLI::App* AddInit(CLI::App& app, ModelInitFlags& flags) {
  CLI::App* const init = app.add_subcommand(
      "init", "Makes version 0 of a model: weights that follow from the seed alone");
  init->add_option("ARCH", flags.architecture,
                   "covidnet-nano, -tiny, -s, -paper224, covidnet-ct-s, -ct-l, or resnet18")
      ->required();
  init->add_option("--seed", flags.seed, "Seed of the random weights")
      ->required()
      ->check(WholeNumber());
  init->add_option("--out", flags.out, "Folder for model.safetensors and model.json")->required();
  init->add_option("--classes", flags.classes, "Names of the classes, in the order of the outputs")
      ->delimiter(',')
      ->capture_default_str();
  init->add_option("--profile", flags.profile,
                   "Preprocessing, for example cxr128; default: the network's own size");
  init->add_option("--norm", flags.norm, "Norm layers: group, batch or batch_local")
      ->capture_default_str();
  init->add_option("--local", flags.local_layers,
                   "Tensors that stay at each site, for example 'head.*'; several with commas")
      ->delimiter(',');
  init->add_option("--min-age", flags.min_age_years, "Youngest patient the model is for, in years")
      ->capture_default_str();
  init->add_flag("--json", flags.json, "One JSON document");
  return init;
}

CLI::App* AddDescribe(CLI::App& app, ModelDescribeFlags& flags) {
  CLI::App* const describe = app.add_subcommand(
      "describe", "Prints layers, parameter and MAC counts; without ARCH one row a network");
  describe->add_option("ARCH", flags.architectures, "Networks");
  describe->add_option("--classes", flags.n_classes, "Number of classes")->capture_default_str();
  describe->add_option("--size", flags.input_size,
                       "Side of the image in pixels; default: the network's own");
  describe->add_option("--norm", flags.norm, "Norm layers: group, batch or batch_local")
      ->capture_default_str();
  describe->add_flag("--json", flags.json, "One JSON document");
  return describe;
}

}  // namespace
}  // namespace hilum::cli

int main(int argc, char** argv) {
  hilum::cli::App app("hilum-model", "Makes, describes and judges models");
  app.require_subcommand(1);
  hilum::cli::ModelInitFlags init_flags;
  hilum::cli::ModelDescribeFlags describe_flags;
  hilum::cli::ModelVerbs verbs;
  verbs[hilum::cli::AddInit(app, init_flags)] = [&] { return RunModelInit(init_flags); };
  verbs[hilum::cli::AddDescribe(app, describe_flags)] = [&] {
    return RunModelDescribe(describe_flags);
  };
  hilum::cli::AddEvaluate(app, verbs);
  hilum::cli::AddCompare(app, verbs);
  hilum::cli::AddVerify(app, verbs);
  hilum::cli::AddCard(app, verbs);
  return hilum::cli::RunApp(app, argc, argv,
                            [&] { return verbs.at(app.get_subcommands().front())(); });
}
