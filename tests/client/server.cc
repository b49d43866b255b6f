#include "tests/client/server.h"

#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "aggregator/membership.h"
#include "base/check.h"
#include "base/clock.h"
#include "client/film_cache.h"
#include "dicom/profile.h"
#include "models/architecture.h"
#include "models/initial_weights.h"
#include "proto/safetensors.h"
#include "tests/client/films.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

int64_t Now() { return SystemClock().NowSeconds(); }

constexpr int64_t kDayS = 86'400;

models::ArchitectureOptions NanoOptions(const proto::RoundPlan& plan) {
  return {.name = "covidnet-nano",
          .n_classes = static_cast<int>(plan.model.classes.size()),
          .norm = plan.model.norm,
          .input_size = 96,
          .local_layers = plan.model.local_layers};
}

}  // namespace

TestServer::TestServer() {
  folder_ = NewFolder("server") / "d";
  HILUM_EXPECT_OK(aggregator::InitFederation({.folder = folder_,
                                              .federation = "test.example",
                                              .hosts = {},
                                              .server_toml = "",
                                              .address = address_,
                                              // Certificates that a clock set back accepts too.
                                              .now_s = Now() - kDayS}));
  Start();
}

TestServer::TestServer(fs::path folder, std::string address)
    : folder_(std::move(folder)), address_(std::move(address)) {
  Start();
}

TestServer::~TestServer() { Stop(); }

void TestServer::Start() {
  auto federation = aggregator::OpenFederation(folder_);
  HILUM_CHECK(federation.ok());
  const aggregator::RpcOptions options{.address = address_,
                                       .ca_pem = (*federation)->identity.ca_pem,
                                       .certificate_pem = (*federation)->tls.certificate_pem,
                                       .key_pem = (*federation)->tls.key_pem};
  aggregator::ServerOptions server_options;
  server_options.clock = &clock;
  auto server = aggregator::Server::Create(*std::move(federation), server_options);
  EXPECT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
  server_->Start();
  auto listener = aggregator::RpcListener::Start(server_.get(), options);
  EXPECT_TRUE(listener.ok()) << listener.status();
  listener_ = *std::move(listener);
  address_ = listener_->address();  // the same again after a restart
}

void TestServer::Stop() {
  if (server_ == nullptr) return;
  server_->Stop();
  listener_.reset();
  server_.reset();
}

std::string TestServer::Invite(const std::string& site) {
  const auto identity = aggregator::ReadIdentity(folder_);
  HILUM_CHECK(identity.ok());
  const auto state = aggregator::State::Open(folder_ / "state.sqlite");
  HILUM_CHECK(state.ok());
  const auto invitation = aggregator::Invite(*identity, **state, SiteId{site}, Now(), 3600);
  EXPECT_TRUE(invitation.ok()) << invitation.status();
  return invitation->token;
}

std::string TestServer::Launch(const proto::RoundPlan& plan, const Bytes& model) {
  const auto digest = server_->PutModel(model);
  EXPECT_TRUE(digest.ok()) << digest.status();
  const auto bytes = proto::EncodeRoundPlan(plan);
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  const auto job = server_->Launch(*bytes, *digest);
  EXPECT_TRUE(job.ok()) << job.status();
  return *bytes;
}

aggregator::JobView TestServer::Job(const std::string& job) {
  const auto view = server_->Job(JobId{job});
  EXPECT_TRUE(view.ok()) << view.status();
  return view.value_or(aggregator::JobView{});
}

Bytes VersionZero(const proto::RoundPlan& plan) {
  const auto weights = models::InitialWeights(NanoOptions(plan), 7);
  HILUM_CHECK(weights.ok());
  // As the plan stands now: a test may have chosen another norm since.
  const auto file =
      proto::EncodeSafetensors(*models::SpecOf(NanoOptions(plan)), *weights,
                               {{"architecture", "covidnet-nano"},
                                {"norm", plan.model.norm},
                                {"min_age_years", absl::StrCat(plan.model.min_age_years)},
                                {"classes", absl::StrJoin(plan.model.classes, ",")},
                                {"profile", plan.model.profile},
                                {"profile_digest", ToHex(plan.model.profile_digest)},
                                {"round", "0"}});
  HILUM_CHECK(file.ok());
  return *file;
}

proto::RoundPlan SmallPlan(const std::string& job) {
  proto::RoundPlan plan;
  plan.job = job;
  plan.rounds = 2;
  plan.seed = 7;
  plan.model.architecture = "covidnet-nano";
  plan.model.classes = {"normal", "pneumonia"};
  plan.model.profile = "cxr96";
  plan.model.profile_digest = ProfileDigest(*dicom::FindProfile("cxr96"));
  plan.model.min_age_years = 1;
  plan.cohort.minimum = 2;
  plan.cohort.recruit_s = 60;
  plan.cohort.return_wait_s = 30;
  plan.cohort.grace_s = 20;
  plan.cohort.deadline_s = 120;
  plan.aggregation.clip_l2 = 50;
  plan.aggregation.max_weight = 1000;
  plan.spec = *models::SpecOf(NanoOptions(plan));
  return plan;
}

TestAgent::TestAgent(const SiteFolder& folder, const SiteOptions& options) {
  auto agent = Agent::Open(folder, options, [this](const AgentEvent& event) {
    const std::lock_guard lock(mutex_);
    events_.push_back(event);
  });
  EXPECT_TRUE(agent.ok()) << agent.status();
  agent_ = *std::move(agent);
  thread_ = std::thread([this] { ended_ = agent_->Run(stop_); });
}

TestAgent::~TestAgent() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

absl::Status TestAgent::Ended() {
  thread_.join();
  return ended_;
}

std::vector<AgentEvent> TestAgent::Events() {
  const std::lock_guard lock(mutex_);
  return events_;
}

bool TestAgent::Saw(const std::string& event) {
  for (const AgentEvent& e : Events()) {
    if (e.event == event) return true;
  }
  return false;
}

bool WaitUntil(const std::function<bool()>& done, int limit_s) {
  const int64_t end = SystemClock().MonotonicMs() + int64_t{1000} * limit_s;
  while (SystemClock().MonotonicMs() < end) {
    if (done()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return done();
}

}  // namespace hilum::client
