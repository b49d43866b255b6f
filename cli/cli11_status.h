// CLI11 -> absl::Status: the only file of cli/ that catches.
//
//   int main(int argc, char** argv) {
//     hilum::cli::App app("hilum-model", "Makes and describes models");
//     Flags flags;
//     CLI::App* init = app.add_subcommand("init", "Makes version 0");
//     init->add_option("--out", flags.out, "Folder to make")->required();
//     return hilum::cli::RunApp(app, argc, argv, [&] { return Run(*init, flags); });
//   }
#ifndef HILUM_CLI_CLI11_STATUS_H_
#define HILUM_CLI_CLI11_STATUS_H_

#include <cmath>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "base/process.h"
#include "base/version.h"
#include "cli/output.h"

namespace hilum::cli {

// A program's command line: --help everywhere and --version are there, and one verb at most.
// A program with verbs calls require_subcommand(1) itself.
class App : public CLI::App {
 public:
  App(absl::string_view program, absl::string_view description)
      : CLI::App(std::string(description), std::string(program)) {
    set_version_flag("--version",
                     absl::StrCat(program, " ", kVersion, " (protocol ", kProtocolVersion, ")"),
                     "Prints the version");
    set_help_flag("--help,-h", "Prints this help");
    footer(std::string(kResearchUseOnly));
  }
};

// For options of an unsigned type: CLI11 reads "-1" as the largest number of the type.
inline CLI::Validator WholeNumber() {
  return CLI::Validator(
      [](std::string& text) {
        const bool whole =
            !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
        return whole ? std::string() : absl::StrCat("\"", text, "\" is not a whole number from 0");
      },
      "");
}

// For options of type double.
inline CLI::Validator NumberAboveZero() {
  return CLI::Validator(
      [](std::string& text) {
        double value = 0;
        const bool fits = absl::SimpleAtod(text, &value) && value > 0 && std::isfinite(value);
        return fits ? std::string() : absl::StrCat("\"", text, "\" is not a number above 0");
      },
      "");
}

// What CLI11 said; where a verb is needed and a word stands there that is none, that word.
inline std::string SentenceOf(const CLI::App& app, const CLI::Error& error) {
  const std::vector<std::string> rest = app.remaining();
  const bool needs_verb = app.get_require_subcommand_min() > 0 && app.get_subcommands().empty();
  if (!needs_verb || rest.empty()) return error.what();
  if (rest[0][0] == '-') return absl::StrCat("there is no flag ", rest[0], " before a verb");
  std::vector<std::string> verbs;
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    verbs.push_back(verb->get_name());
  }
  return absl::StrCat("there is no verb ", rest[0], "; there are ", absl::StrJoin(verbs, ", "));
}

enum class Parsed { kRun, kAnswered };

// kAnswered: --help or --version, which is now on standard output; end with exit code 0.
// InvalidArgument: wrong usage; the sentence says what and where the help is.
inline absl::StatusOr<Parsed> ParseArguments(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    return Parsed::kRun;
  } catch (const CLI::Success& answer) {  // CallForHelp, CallForAllHelp, CallForVersion
    app.exit(answer);
    return Parsed::kAnswered;
  } catch (const CLI::Error& error) {
    std::string command = app.get_name();
    for (const CLI::App* verb : app.get_subcommands()) command += " " + verb->get_name();
    std::string sentence = SentenceOf(app, error);
    while (!sentence.empty() && (sentence.back() == '\n' || sentence.back() == '.')) {
      sentence.pop_back();
    }
    return absl::InvalidArgumentError(
        absl::StrCat(Printable(sentence), "; see `", command, " --help`."));
  }
}

// Parses, runs `body` (a function without arguments that returns absl::Status) and returns the
// exit code; the sentence of an error is on standard error.
template <class Body>
int RunApp(CLI::App& app, int argc, char** argv, Body body) {
  KeepOutOfCoreDumps();
  const absl::StatusOr<Parsed> parsed = ParseArguments(app, argc, argv);
  if (!parsed.ok()) return Fail(parsed.status());
  if (*parsed == Parsed::kAnswered) return 0;
  return Fail(body());
}

}  // namespace hilum::cli

#endif  // HILUM_CLI_CLI11_STATUS_H_
