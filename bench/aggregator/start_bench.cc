// How long people wait for programs: server_start/N until `hilum-server run` prints its `listening`
// line with N rounds of state; site_start until a joined site's `hilum-site run` prints its first
// line, LibTorch loaded; version/PROGRAM until `PROGRAM --version` has ended.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "aggregator/state.h"
#include "tests/aggregator/server_program.h"
#include "tests/aggregator/test_federation.h"

namespace hilum::aggregator {
namespace {

// A job of `n_rounds` closed rounds of ten sites, with entries as long as real ones.
absl::Status WriteRounds(const fs::path& folder, uint64_t n_rounds) {
  absl::StatusOr<std::unique_ptr<State>> state = State::Open(folder / "state.sqlite");
  if (!state.ok()) return state.status();
  const proto::RoundPlan plan = MakePlan("cxr", 1000);
  const absl::StatusOr<std::string> encoded = proto::EncodeRoundPlan(plan);
  if (!encoded.ok()) return encoded.status();
  const JobRow job{
      .job = {"cxr"}, .plan = *encoded, .state = JobState::kDone, .closed_round = n_rounds};
  for (uint64_t number = 1; number <= n_rounds; ++number) {
    RoundRow row{.job = {"cxr"}, .round = {number}, .status = "ok"};
    for (int site = 0; site < 10; ++site) row.roster.push_back({.site = {absl::StrCat("s", site)}});
    row.config.resize(900);
    row.open_entry.resize(900, 'x');
    row.close_entry.resize(1500, 'x');
    row.open_index = 2 * number;
    row.close_index = 2 * number + 1;
    if (const absl::Status written = (*state)->CloseRound(row, job); !written.ok()) return written;
  }
  return absl::OkStatus();
}

std::string InitServer(const fs::path& folder) {
  const Result init =
      Call(absl::StrCat("init --json --dir ", folder.string(), " --federation bench.example"));
  return init.exit_code == 0 ? "" : init.output;
}

void ServerStart(benchmark::State& bench) {
  const TempFolder temporary;
  const fs::path folder = temporary.path() / "server";
  if (const std::string fault = InitServer(folder); !fault.empty()) {
    bench.SkipWithError(fault.c_str());
    return;
  }
  const absl::Status written = WriteRounds(folder, static_cast<uint64_t>(bench.range(0)));
  if (!written.ok()) {
    bench.SkipWithError(written.ToString().c_str());
    return;
  }
  for (auto _ : bench) {
    const Running server(folder);
    bench.SetIterationTime(static_cast<double>(server.start_ms()) / 1e3);
    if (!server.listening()) {
      bench.SkipWithError("the server does not listen");
      return;
    }
  }
}

void SiteStart(benchmark::State& bench) {
  const TempFolder temporary;
  const fs::path folder = temporary.path() / "server";
  const std::string site = (temporary.path() / "site").string();
  if (const std::string fault = InitServer(folder); !fault.empty()) {
    bench.SkipWithError(fault.c_str());
    return;
  }
  const Running server(folder);
  const Result invite =
      Call(absl::StrCat("invite --json --site hospital-a --dir ", folder.string()));
  const nlohmann::json invitation = nlohmann::json::parse(invite.output, nullptr, false);
  if (!server.listening() || !invitation.is_object()) {
    bench.SkipWithError("no invitation");
    return;
  }
  const Result joined =
      Call(absl::StrCat("join --dir ", site, " --token ", invitation["token"].get<std::string>(),
                        " --server ", server.grpc()),
           "", "hilum-site");
  if (joined.exit_code != 0) {
    bench.SkipWithError(joined.output.c_str());
    return;
  }
  for (auto _ : bench) {
    const absl::Time started = absl::Now();
    std::FILE* pipe = popen(absl::StrCat("echo $$; exec ", HILUM_BIN_DIR,
                                         "/hilum-site run --json --dir ", site, " 2>/dev/null")
                                .c_str(),
                            "r");
    char line[1024] = "";
    const int pid = std::fgets(line, sizeof(line), pipe) != nullptr ? std::atoi(line) : 0;
    const bool ready = std::fgets(line, sizeof(line), pipe) != nullptr;
    bench.SetIterationTime(absl::ToDoubleSeconds(absl::Now() - started));
    if (pid > 0) kill(pid, SIGTERM);
    pclose(pipe);
    if (!ready) {
      bench.SkipWithError("the site printed nothing");
      return;
    }
  }
}

void Version(benchmark::State& bench, const char* program) {
  for (auto _ : bench) {
    const Result result = Call("--version", "", program);
    if (result.exit_code != 0) {
      bench.SkipWithError(result.output.c_str());
      return;
    }
  }
}

BENCHMARK(ServerStart)
    ->Name("server_start")
    ->Arg(0)
    ->Arg(1000)
    ->Unit(benchmark::kMillisecond)
    ->UseManualTime()
    ->Iterations(10);
BENCHMARK(SiteStart)
    ->Name("site_start")
    ->Unit(benchmark::kMillisecond)
    ->UseManualTime()
    ->Iterations(5);
BENCHMARK_CAPTURE(Version, job, "hilum-job")
    ->Name("version/hilum-job")
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace hilum::aggregator

BENCHMARK_MAIN();
