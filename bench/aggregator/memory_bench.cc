// server_memory/N/P: what a masked round of N sites and P parameters adds to hilum-server's memory:
// its peak resident size until the round is closed, less the resident size of the idle server that
// the sites had joined. The program is the real one; the sites are in this process and send one
// after the other. The counter bytes_a_parameter must not depend on N: the server holds one sum, a
// model and what closes the round, never two updates.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "tests/aggregator/masked_site.h"
#include "tests/aggregator/server_program.h"

namespace hilum::aggregator {
namespace {

constexpr char kJob[] = "bench";

// A line of /proc/PID/status in bytes, for example "VmHWM:     1234 kB". 0: there is none.
int64_t MemoryOf(int pid, absl::string_view field) {
  std::ifstream status(absl::StrCat("/proc/", pid, "/status"));
  for (std::string line; std::getline(status, line);) {
    const std::vector<std::string> words =
        absl::StrSplit(line, absl::ByAnyChar(": \t"), absl::SkipWhitespace());
    int64_t kilobytes = 0;
    if (words.size() == 3 && words[0] == field && absl::SimpleAtoi(words[1], &kilobytes)) {
      return kilobytes * 1024;
    }
  }
  return 0;
}

absl::StatusOr<std::unique_ptr<TestSite>> JoinSite(const fs::path& folder, const Running& server,
                                                   const std::string& name) {
  const Result invite =
      Call(absl::StrCat("invite --json --site ", name, " --dir ", folder.string()));
  const nlohmann::json invitation = nlohmann::json::parse(invite.output, nullptr, false);
  if (!invitation.is_object()) return absl::InternalError(invite.output);
  return TestSite::Join(server.grpc(), invitation["token"].get<std::string>());
}

absl::Status Launch(const fs::path& folder, const Running& server, const proto::RoundPlan& plan) {
  const fs::path lead = folder / "operator";
  proto::TlsIdentity tls;
  HILUM_ASSIGN_OR_RETURN(tls.ca_pem, ReadTextFile(lead / "ca.pem", 1 << 16));
  HILUM_ASSIGN_OR_RETURN(tls.certificate_pem, ReadTextFile(lead / "cert.pem", 1 << 16));
  HILUM_ASSIGN_OR_RETURN(tls.key_pem, ReadTextFile(lead / "key.pem", 1 << 16));
  const auto jobs = wire::Jobs::NewStub(proto::OpenChannel(server.grpc(), tls));
  HILUM_ASSIGN_OR_RETURN(const Digest model, SendModel(*jobs, MakeModelFile(plan.spec, 1)));
  return SendLaunch(*jobs, plan, model).status();
}

absl::Status PlayMaskedRound(std::vector<MaskedSite>& sites, uint64_t round) {
  for (MaskedSite& site : sites) HILUM_RETURN_IF_ERROR(site.Begin(kJob, round));
  for (Flight flight = Flight::kAdvertise; NumberOf(flight) <= NumberOf(Flight::kAnswer);
       flight = After(flight)) {
    for (MaskedSite& site : sites) HILUM_RETURN_IF_ERROR(site.Answer(flight));
  }
  return sites[0].site().WaitForRound(kJob, round + 1).status();
}

// The job's sites, connected and approving. `idle_bytes`: of the server before it has a job.
absl::Status Prepare(const fs::path& folder, const Running& server, const proto::RoundPlan& plan,
                     std::vector<std::unique_ptr<TestSite>>& sites, int64_t& idle_bytes) {
  for (size_t i = 0; i < sites.size(); ++i) {
    HILUM_ASSIGN_OR_RETURN(sites[i], JoinSite(folder, server, absl::StrFormat("site-%03d", i)));
    sites[i]->Arrive();
  }
  idle_bytes = MemoryOf(server.pid(), "VmRSS");
  HILUM_RETURN_IF_ERROR(Launch(folder, server, plan));
  for (const auto& site : sites) HILUM_RETURN_IF_ERROR(site->Answer(plan.job, true));
  return absl::OkStatus();
}

void ServerMemory(benchmark::State& state) {
  const TempFolder temporary;
  const fs::path folder = temporary.path() / "server";
  Call(absl::StrCat("init --json --dir ", folder.string(), " --federation bench.example"));
  const Running server(folder);
  const auto key = crypto::SigningKey::Load(folder / "keys/entry.key");
  if (!server.listening() || !key.ok()) return state.SkipWithError("the server does not listen");
  proto::RoundPlan plan = MaskedPlan(kJob, state.range(1), 600);
  plan.rounds = 100'000;
  plan.cohort.deadline_s = 3600;
  std::vector<std::unique_ptr<TestSite>> joined(static_cast<size_t>(state.range(0)));
  int64_t idle_bytes = 0;
  const absl::Status prepared = Prepare(folder, server, plan, joined, idle_bytes);
  if (!prepared.ok()) return state.SkipWithError(prepared.ToString().c_str());
  std::vector<MaskedSite> sites;
  for (const auto& site : joined) sites.emplace_back(site.get(), key->public_key());
  uint64_t round = 0;
  for (auto _ : state) {
    const absl::Time started = absl::Now();
    const absl::Status played = PlayMaskedRound(sites, ++round);
    if (!played.ok()) return state.SkipWithError(played.ToString().c_str());
    state.SetIterationTime(absl::ToDoubleSeconds(absl::Now() - started));
  }
  const auto added = static_cast<double>(MemoryOf(server.pid(), "VmHWM") - idle_bytes);
  state.counters["idle_MB"] = static_cast<double>(idle_bytes) / 1e6;
  state.counters["peak_less_idle_MB"] = added / 1e6;
  state.counters["bytes_a_parameter"] = added / static_cast<double>(state.range(1));
}

BENCHMARK(ServerMemory)
    ->Name("server_memory")
    ->Args({6, 1'000'000})
    ->Args({24, 1'000'000})
    ->Args({6, 12'000'000})
    ->Args({24, 12'000'000})
    ->Unit(benchmark::kMillisecond)
    ->UseManualTime()
    ->Iterations(1);

}  // namespace
}  // namespace hilum::aggregator
