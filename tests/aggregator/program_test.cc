// hilum-server as a program: what an operator sees.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "aggregator/http.h"
#include "crypto/age_keys.h"
#include "crypto/random.h"
#include "httplib.h"
#include "ledger_anchor/store.h"
#include "nlohmann/json.hpp"
#include "proto/safetensors.h"
#include "tests/aggregator/server_program.h"
#include "tests/aggregator/test_federation.h"
#include "tests/status_matchers.h"

namespace hilum::aggregator {
namespace {

TEST_F(Program, ServesUntilSigtermAndSaysHowToGoOn) {
  Running server(dir_);
  ASSERT_TRUE(server.listening());
  httplib::Client client("http://" + server.http());
  EXPECT_EQ(client.Get("/healthz")->body, "ok\n");
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string addresses,
                             ReadTextFile(dir_ / "run/addresses.json", 4096));
  EXPECT_EQ(nlohmann::json::parse(addresses)["grpc"], server.grpc());
  EXPECT_EQ(server.Stop(), 0);
  Running again(dir_, "", absl::StrCat("--grpc ", server.grpc(), " --http ", server.http()));
  EXPECT_TRUE(again.listening()) << "the ports are free again at once";
}

TEST_F(Program, StatusAsksTheRunningServer) {
  const std::string status = absl::StrCat("status --dir ", dir_.string());
  EXPECT_EQ(Call(status).exit_code, 2) << "no server has run here";
  {
    const Running server(dir_);
    ASSERT_TRUE(server.listening());
    const Result shown = Call(status);
    EXPECT_EQ(shown.exit_code, 0) << shown.output;
    EXPECT_THAT(shown.output, testing::HasSubstr("1 signed, 1 published"));
    EXPECT_THAT(shown.output, testing::HasSubstr("quorum none"));
    EXPECT_EQ(nlohmann::json::parse(Call(status + " --json").output)["ledger_entries"], 1);
  }
  EXPECT_EQ(Call(status).exit_code, 5) << "it does not answer any more";
}

TEST_F(Program, AKilledServerHasItsPortsBackAtOnce) {
  std::string addresses;
  {
    const Running server(dir_);
    ASSERT_TRUE(server.listening());
    const auto site = Join(server, "hospital-a");
    site->Arrive();
    HILUM_ASSERT_OK(site->WaitFor([](const auto&) { return true; }).status());
    addresses = absl::StrCat("--grpc ", server.grpc(), " --http ", server.http());
    httplib::Client("http://" + server.http()).Get("/healthz");
  }
  const Running again(dir_, "", addresses);
  EXPECT_TRUE(again.listening());
}

TEST_F(Program, StrangersWhoHoldConnectionsDoNotKeepSitesOut) {
  const Running server(dir_, "ulimit -Sn 64; ");
  ASSERT_TRUE(server.listening());
  const std::string address = server.grpc();
  sockaddr_in to{.sin_family = AF_INET,
                 .sin_port = htons(std::atoi(address.c_str() + address.rfind(':') + 1)),
                 .sin_addr = {htonl(INADDR_LOOPBACK)},
                 .sin_zero = {}};
  std::vector<int> held;
  for (int i = 0; i < 100; ++i) {
    held.push_back(socket(AF_INET, SOCK_STREAM, 0));
    connect(held.back(), reinterpret_cast<sockaddr*>(&to), sizeof(to));
  }
  const auto site = Join(server, "hospital-a");
  ASSERT_NE(site, nullptr);
  for (const int one : held) close(one);
}

TEST_F(Program, SaysWhenTheSystemLetsItHaveTooFewFiles) {
  for (const int limit : {200, 300}) {
    const Running server(dir_, absl::StrCat("ulimit -Sn ", limit, "; ulimit -Hn ", limit, "; "));
    ASSERT_TRUE(server.listening());
    const std::string err = *ReadTextFile(dir_ / "err", 1 << 20);
    const bool said = err.find("have 200 open files, 0 sites need 256") != std::string::npos;
    EXPECT_EQ(said, limit == 200) << err;
  }
}

TEST_F(Program, SaysWhenItCanTakeNoConnection) {
  const Running server(dir_, "ulimit -Sn 80; ulimit -Hn 80; ");
  ASSERT_TRUE(server.listening());
  const std::string address = server.grpc();
  sockaddr_in to{.sin_family = AF_INET,
                 .sin_port = htons(std::atoi(address.c_str() + address.rfind(':') + 1)),
                 .sin_addr = {htonl(INADDR_LOOPBACK)},
                 .sin_zero = {}};
  std::vector<int> held;
  for (int i = 0; i < 100; ++i) {
    held.push_back(socket(AF_INET, SOCK_STREAM, 0));
    connect(held.back(), reinterpret_cast<sockaddr*>(&to), sizeof(to));
  }
  bool said = false;
  for (int i = 0; i < 100 && !said; ++i) {
    absl::SleepFor(absl::Milliseconds(50));
    const auto err = ReadTextFile(dir_ / "err", 1 << 20);
    said = err.ok() && err->find("Failed accept") != std::string::npos;
  }
  EXPECT_TRUE(said);
  for (const int one : held) close(one);
}

TEST_F(Program, APortInUseEndsWithOneSentenceAndExitCode1) {
  const Running server(dir_);
  const Result other_dir = Call(
      absl::StrCat("init --dir ", temporary_.path().string(), "/two --federation two.example"));
  ASSERT_EQ(other_dir.exit_code, 0);
  for (const std::string& taken : {absl::StrCat("--grpc ", server.grpc(), " --http 127.0.0.1:0"),
                                   absl::StrCat("--grpc 127.0.0.1:0 --http ", server.http())}) {
    const Result second = Call(absl::StrCat("run --log-file /dev/null --dir ",
                                            temporary_.path().string(), "/two ", taken));
    EXPECT_EQ(second.exit_code, 1);
    EXPECT_THAT(second.output, testing::HasSubstr("cannot listen on "));
    EXPECT_EQ(std::count(second.output.begin(), second.output.end(), '\n'), 1) << second.output;
  }
}

TEST_F(Program, ASecondServerOnTheSameFolderIsRefused) {
  const Running server(dir_);
  const Result second = Verb("run", "--grpc 127.0.0.1:0 --http 127.0.0.1:0");
  EXPECT_EQ(second.exit_code, 1) << second.output;
}

// The largest file that process `pid` may write, from now on.
void LimitFiles(int pid, rlim_t limit_bytes) {
  const rlimit limit{.rlim_cur = limit_bytes, .rlim_max = RLIM_INFINITY};
  ASSERT_EQ(prlimit(pid, RLIMIT_FSIZE, &limit, nullptr), 0);
}

TEST_F(Program, AFullDiskRefusesTheUpdateAndTheRoundGoesOnWhenThereIsSpace) {
  const Running server(dir_);
  ASSERT_TRUE(server.listening());
  LaunchJob(server, MakePlan("cxr", 500'000));
  std::vector<OpenRound> open;
  for (const auto& site : sites_) {
    HILUM_ASSERT_OK_AND_ASSIGN(OpenRound round, site->WaitForRound("cxr", 1));
    open.push_back(std::move(round));
  }
  LimitFiles(server.pid(), 1'500'000);  // the vector has 2 MB
  EXPECT_THAT(sites_[0]->Submit(open[0], MakeVector(open[0].config, {.seed = 1})),
              StatusIs(absl::StatusCode::kResourceExhausted, "cannot write"));
  httplib::Client client("http://" + server.http());
  EXPECT_EQ(client.Get("/healthz")->body, "ok\n");
  LimitFiles(server.pid(), RLIM_INFINITY);
  for (size_t i = 0; i < 2; ++i) {
    HILUM_EXPECT_OK(sites_[i]->Submit(open[i], MakeVector(open[i].config, {.seed = i})).status());
  }
  HILUM_EXPECT_OK(sites_[0]->WaitForRound("cxr", 2).status());
}

TEST_F(Program, AnAcknowledgedUpdateSurvivesSigkill) {
  {
    const Running server(dir_);
    LaunchJob(server, MakePlan("cxr", 300'000));
    HILUM_ASSERT_OK_AND_ASSIGN(const OpenRound open, sites_[0]->WaitForRound("cxr", 1));
    HILUM_ASSERT_OK(sites_[0]->Submit(open, MakeVector(open.config, {.seed = 1})).status());
  }  // SIGKILL
  const Running server(dir_);
  Reconnect(server);
  HILUM_ASSERT_OK(sites_[0]
                      ->WaitFor([](const wire::SiteSnapshot& snapshot) {
                        return snapshot.rounds_size() == 1 && snapshot.rounds(0).update_accepted();
                      })
                      .status());
  HILUM_ASSERT_OK_AND_ASSIGN(const OpenRound open, sites_[1]->WaitForRound("cxr", 1));
  HILUM_ASSERT_OK(sites_[1]->Submit(open, MakeVector(open.config, {.seed = 2})).status());
  HILUM_ASSERT_OK(sites_[1]->WaitForRound("cxr", 2).status());
  wire::JobRequest request;
  request.set_job("cxr");
  wire::JobList jobs;
  grpc::ClientContext context;
  ASSERT_TRUE(Lead(server)->ListJobs(&context, request, &jobs).ok());
  EXPECT_EQ(jobs.jobs(0).history(0).total_weight(), 20u);
}

// Sends the site's update for round `round`. False: the server is away, try again.
bool SendRound(TestSite& site, uint64_t round, uint64_t seed) {
  const auto is_over = [round](const wire::SiteSnapshot& snapshot) {
    return snapshot.jobs_size() > 0 && snapshot.jobs(0).round() >= round;
  };
  const auto snapshot = site.WaitFor([&](const wire::SiteSnapshot& s) {
    return is_over(s) || (s.rounds_size() > 0 && s.rounds(0).round() == round);
  });
  if (!snapshot.ok()) return false;
  // The server was killed between its acknowledgement and our reading it.
  if (is_over(*snapshot) || snapshot->rounds(0).update_accepted()) return true;
  const auto open = site.WaitForRound("cxr", round);
  if (!open.ok()) return false;
  return site.Submit(*open, MakeVector(open->config, {.seed = seed})).ok();
}

TEST_F(Program, KilledAtRandomMomentsItEndsWithTheSameModel) {
  // HILUM_KILLS=100 is the long walk of `./dev check kill`.
  const char* wanted = std::getenv("HILUM_KILLS");
  const int n_kills = wanted != nullptr ? std::atoi(wanted) : 6;
  proto::RoundPlan plan = MakePlan("cxr", 300'000);
  plan.rounds = static_cast<uint64_t>(n_kills) * 3;
  plan.cohort.grace_s = 60;
  auto server = std::make_unique<Running>(dir_);
  LaunchJob(*server, plan);
  std::atomic<uint64_t> round{1};
  std::atomic<bool> done{false};
  std::thread killer([&] {
    crypto::SeededStream random({});
    for (int i = 0; i < n_kills && !done; ++i) {
      absl::SleepFor(absl::Milliseconds(10 + random.Below(120)));
      const std::string addresses =
          absl::StrCat("--grpc ", server->grpc(), " --http ", server->http());
      server.reset();  // SIGKILL
      server = std::make_unique<Running>(dir_, "", addresses);
      if (!server->listening()) break;
    }
  });
  std::vector<float> expected = proto::ParseSafetensors(MakeModelFile(plan.spec, 1))->flat;
  for (; round <= plan.rounds; ++round) {
    for (size_t i = 0; i < sites_.size(); ++i) {
      int tries = 0;
      while (!SendRound(*sites_[i], round, 10 * round + i)) {
        ASSERT_LT(++tries, 200);
        absl::SleepFor(absl::Milliseconds(50));
        for (const auto& site : sites_) site->Arrive();  // a round waits for both
      }
    }
  }
  done = true;
  killer.join();
  ASSERT_TRUE(server->listening());
  Reconnect(*server);
  wire::JobList jobs;
  for (int i = 0; i < 200; ++i) {
    wire::JobRequest request;
    request.set_job("cxr");
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    ASSERT_TRUE(Lead(*server)->ListJobs(&context, request, &jobs).ok());
    if (jobs.jobs(0).state() == "done") break;
    absl::SleepFor(absl::Milliseconds(50));
  }
  ASSERT_EQ(jobs.jobs(0).state(), "done") << jobs.jobs(0).message();
  privacy::RoundConfig config;
  config.n_params = 300'000;
  config.n_extras = 3;
  config.ring_bits = 32;
  config.value_bits = static_cast<uint8_t>(privacy::MaxValueBits(32, 2));
  const double gain = plan.aggregation.max_weight /
                      (privacy::ScaleOf(plan.aggregation.clip_l2, config.value_bits) * 20.0);
  for (uint64_t r = 1; r <= plan.rounds; ++r) {
    const auto a = MakeVector(config, {.seed = 10 * r});
    const auto b = MakeVector(config, {.seed = 10 * r + 1});
    for (size_t j = 0; j < expected.size(); ++j) {
      const double sum = static_cast<double>(static_cast<int32_t>(a[j] + b[j]));
      expected[j] = static_cast<float>(static_cast<double>(expected[j]) + sum * gain);
    }
  }
  const std::string sha256 = jobs.jobs(0).history(jobs.jobs(0).history_size() - 1).model_sha256();
  const std::string hex = ToHex(AsBytes(sha256));
  HILUM_ASSERT_OK_AND_ASSIGN(
      const Bytes file,
      ReadFile(dir_ / "objects/sha256" / hex.substr(0, 2) / hex.substr(2), 64 << 20));
  EXPECT_EQ(proto::ParseSafetensors(file)->flat, expected);
}

TEST_F(Program, StateOfAnotherVersionIsRefusedInOneSentence) {
  HILUM_ASSERT_OK_AND_ASSIGN(Bytes file, ReadFile(dir_ / "state.sqlite", 1 << 20));
  file[63] = 99;
  HILUM_ASSERT_OK(WriteFileDurably(dir_ / "state.sqlite", file));
  const Result run = Verb("run", "");
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.output, testing::HasSubstr("state version 99"));
  EXPECT_THAT(run.output, testing::HasSubstr("state version 1:"));
  EXPECT_EQ(std::count(run.output.begin(), run.output.end(), '\n'), 1) << run.output;
}

TEST_F(Program, ConfigurationErrorsNameFileLineAndKey) {
  const std::string text = "[listen]\ngrpc = \"127.0.0.1:1\"\nhtpp = \"127.0.0.1:2\"\n";
  HILUM_ASSERT_OK(WriteFileDurably(dir_ / "server.toml", AsBytes(text)));
  const Result unknown = Verb("run", "");
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.output, testing::HasSubstr("server.toml:3"));
  EXPECT_THAT(unknown.output, testing::HasSubstr("htpp"));
  const std::string range = "[models]\nmax_mib = 5000\n";
  HILUM_ASSERT_OK(WriteFileDurably(dir_ / "server.toml", AsBytes(range)));
  const Result out = Verb("run", "");
  EXPECT_EQ(out.exit_code, 2);
  EXPECT_THAT(out.output, testing::HasSubstr("5000"));
  EXPECT_EQ(Verb("run", "--grpc nonsense").exit_code, 2);
}

TEST_F(Program, AGpuThatIsNotHereIsOnePlainSentence) {
  const Result flag = Verb("run", "--device cuda:4095");
  EXPECT_EQ(flag.exit_code, 2);
  EXPECT_THAT(flag.output, testing::HasSubstr("hilum-server: cuda:4095 was asked for, but this"));
  const std::string key = "[compute]\ndevice = \"cuda:4095\"\n";
  HILUM_ASSERT_OK(WriteFileDurably(dir_ / "server.toml", AsBytes(key)));
  EXPECT_EQ(Verb("run", "").output, flag.output);
  const Result other = Verb("run", "--device gpu");  // the flag wins
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_THAT(other.output, testing::HasSubstr("device \"gpu\" is not auto, cpu, cuda or cuda:N"));
  EXPECT_EQ(Verb("run", "--device cpu --threads 257").exit_code, 2);
  EXPECT_EQ(Verb("run", "--device cpu --threads -1").exit_code, 2);
}

TEST_F(Program, TheLogNamesDeviceInstructionSetAndThreads) {
  const std::string text = "[compute]\ndevice = \"auto\"\nthreads = 3\n";
  HILUM_ASSERT_OK(WriteFileDurably(dir_ / "server.toml", AsBytes(text)));
  { const Running server(dir_); }
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string log, ReadTextFile(dir_ / "logs/server.log", 65536));
  EXPECT_THAT(log, testing::ContainsRegex("\"computing\",\"device\":\"(cpu|cuda:0)\","
                                          "\"isa\":\"(scalar|avx2|avx512)\",\"threads\":\"3\""));
}

TEST_F(Program, PrintConfigShowsWhatHoldsAndReadsBack) {
  const Result shown = Verb("run", "--print-config --grpc 0.0.0.0:9000");
  EXPECT_EQ(shown.exit_code, 0);
  EXPECT_THAT(shown.output, testing::HasSubstr("grpc = \"0.0.0.0:9000\""));
  HILUM_ASSERT_OK(WriteFileDurably(dir_ / "server.toml", AsBytes(shown.output)));
  EXPECT_EQ(Verb("run", "--print-config").output, shown.output);
  const Result json = Call(absl::StrCat("run --print-config --json --dir ", dir_.string()),
                           "HILUM_HTTP=127.0.0.1:99 ");
  EXPECT_EQ(nlohmann::json::parse(json.output)["listen"]["http"], "127.0.0.1:99");
}

TEST_F(Program, StoreSettingsAreCheckedAndPrinted) {
  const auto run = [&](const std::string& text, const std::string& options) {
    HILUM_EXPECT_OK(
        WriteFileDurably(dir_ / "server.toml", AsBytes("[store]\nseal = true\n" + text)));
    return Verb("run", options);
  };
  EXPECT_THAT(run("recipients = [\"age1x\"]\n", "").output, testing::HasSubstr("server.toml:3"));
  EXPECT_THAT(run("", "").output, testing::HasSubstr("nobody could open them"));
  const std::string recipients =
      absl::StrCat("recipients = [\"",
                   crypto::FormatAgeRecipient(crypto::AgeIdentity::Generate().recipient()), "\"]");
  EXPECT_THAT(run(recipients, "--print-config").output, testing::HasSubstr(recipients));
}

TEST_F(Program, GcWorksWhileNoServerRuns) {
  {
    const Running server(dir_);
    EXPECT_EQ(Verb("gc", "").exit_code, 1);
  }
  HILUM_ASSERT_OK(ledger_anchor::Store::Open(dir_ / "objects")->Put(AsBytes("nobody names it")));
  EXPECT_EQ(nlohmann::json::parse(Verb("gc", "--json").output)["young"], 1);
  EXPECT_EQ(nlohmann::json::parse(Verb("gc", "--grace 0s --json").output)["unnamed"], 1);
}

TEST_F(Program, MembersAndRemoveWorkBesideARunningServerAndWithoutOne) {
  {
    const Running server(dir_);
    const auto first = Join(server, "hospital-a");
    const auto second = Join(server, "hospital-b");
    const Result removed = Verb("remove", "hospital-a --json");
    EXPECT_EQ(removed.exit_code, 0) << removed.output;
    EXPECT_FALSE(nlohmann::json::parse(removed.output)["logged"]);
    first->Arrive();
    bool refused = false;
    for (int i = 0; i < 100 && !refused; ++i) {
      absl::SleepFor(absl::Milliseconds(50));
      refused = absl::IsPermissionDenied(first->Answer("no-job", true));
    }
    EXPECT_TRUE(refused);
  }
  const Result removed = Verb("remove", "hospital-b --json");
  EXPECT_EQ(removed.exit_code, 0) << removed.output;
  EXPECT_TRUE(nlohmann::json::parse(removed.output)["logged"]);
  const Result members = Verb("members", "--json");
  const auto listing = nlohmann::json::parse(members.output);
  for (const auto& member : listing["members"]) {
    EXPECT_EQ(member["state"], member["role"] == "site" ? "removed" : "active");
  }
  EXPECT_EQ(Verb("remove", "hospital-b").exit_code, 2);
  EXPECT_EQ(Verb("remove", "nobody").exit_code, 2);
}

}  // namespace
}  // namespace hilum::aggregator
