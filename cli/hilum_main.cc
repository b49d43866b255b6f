// hilum VERB ARGUMENTS...: runs hilum-VERB, found beside this program, like git does. It passes
// the arguments on and, since it becomes that program, returns its exit code.
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/child_process.h"
#include "base/version.h"

namespace hilum {
namespace {

namespace fs = std::filesystem;

constexpr int kUsageError = 2;

struct Verb {
  const char* name;
  const char* description;
};

constexpr Verb kVerbs[] = {
    {"server", "the aggregator: init, invite, members, policy, remove, status, gc, run"},
    {"site",
     "a hospital: join, import, send, release, run, status, approve, deny, resume, policy, "
     "studies, "
     "receipt, round-receipt, disclose, evaluate, incident, rotate-key, doctor"},
    {"job",
     "the ML lead: plan, launch, status, watch, cancel, resume, report, compare, "
     "model"},
    {"ledger",
     "an auditor: verify, show, prove, audit, audit-consent, export, open, fsck, witness, "
     "anchors, monitor"},
    {"model", "models: init, describe, evaluate, compare, verify, card"},
    {"infer", "a clinician: a proven model on films"},
    {"dicom", "a physicist: inspect, report, series, deidentify DICOM files"},
};

fs::path ProgramOf(absl::string_view verb) {
  return SiblingProgram(absl::StrCat("hilum-", verb)).value_or(fs::path());
}

bool Exists(absl::string_view verb) { return access(ProgramOf(verb).c_str(), X_OK) == 0; }

std::string Help() {
  std::string text =
      "hilum: federated learning for medical imaging\n\nUsage: hilum VERB [ARGUMENTS...]\n\n";
  for (const Verb& verb : kVerbs) {
    if (!Exists(verb.name)) continue;
    absl::StrAppend(&text, "  hilum ", verb.name, std::string(8 - std::strlen(verb.name), ' '),
                    verb.description, "\n");
  }
  absl::StrAppend(
      &text,
      "\nExit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 does not verify, "
      "4 refused by policy,\n5 cannot be reached.\n");
  absl::StrAppend(&text, "\n`hilum VERB --help` says more; `hilum --version` prints the version.\n",
                  kResearchUseOnly, "\n");
  return text;
}

// Levenshtein distance.
size_t Distance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

int RefuseVerb(absl::string_view verb) {
  const auto* nearest =
      std::min_element(std::begin(kVerbs), std::end(kVerbs), [&](const Verb& a, const Verb& b) {
        return Distance(verb, a.name) < Distance(verb, b.name);
      });
  if (verb == nearest->name) {
    std::cerr << "hilum: " << ProgramOf(verb).string() << " is not installed.\n";
    return kUsageError;
  }
  std::cerr << "hilum: there is no verb `" << verb << "`";
  if (Distance(verb, nearest->name) <= 2) std::cerr << "; did you mean `" << nearest->name << "`?";
  std::cerr << (Distance(verb, nearest->name) <= 2 ? "" : "; `hilum --help` lists them.") << "\n";
  return kUsageError;
}

int Main(int argc, char** argv) {
  const absl::string_view verb = argc > 1 ? argv[1] : "";
  if (verb == "--version") {
    std::cout << "hilum " << kVersion << " (protocol " << kProtocolVersion << ")\n";
    return 0;
  }
  if (verb == "--help" || verb == "-h" || verb == "help") {
    std::cout << Help();
    return 0;
  }
  if (verb.empty()) {
    std::cerr << Help();
    return kUsageError;
  }
  const bool is_name = std::all_of(verb.begin(), verb.end(),
                                   [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; });
  if (!is_name || verb.front() == '-' || !Exists(verb)) return RefuseVerb(verb);
  const std::string program = ProgramOf(verb).string();
  std::vector<char*> arguments(argv + 1, argv + argc);
  arguments[0] = const_cast<char*>(program.c_str());
  arguments.push_back(nullptr);
  execv(program.c_str(), arguments.data());
  std::cerr << "hilum: " << program << " cannot be run: " << std::strerror(errno) << ".\n";
  return 1;
}

}  // namespace
}  // namespace hilum

int main(int argc, char** argv) { return hilum::Main(argc, argv); }
