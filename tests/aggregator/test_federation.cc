#include "tests/aggregator/test_federation.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "base/version.h"
#include "crypto/base64.h"
#include "crypto/certificate.h"
#include "crypto/labels.h"
#include "crypto/random.h"
#include "ledger_anchor/entry.h"
#include "privacy/packed_vector.h"
#include "privacy/quantize.h"
#include "privacy/transcript.h"
#include "proto/join_token.h"
#include "proto/safetensors.h"

namespace hilum::aggregator {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);

template <class T>
T Must(absl::StatusOr<T> result) {
  if (!result.ok()) std::fprintf(stderr, "%s\n", result.status().ToString().c_str());
  HILUM_CHECK(result.ok());
  return std::move(result).value();
}

void Must(const absl::Status& status) {
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  HILUM_CHECK(status.ok());
}

std::array<uint8_t, 32> StreamKey(uint64_t seed) {
  std::array<uint8_t, 32> key{};
  std::memcpy(key.data(), &seed, sizeof(seed));
  return key;
}

absl::Status AsStatus(const grpc::Status& status) {
  return proto::FromGrpcStatus(status, "the server");
}

}  // namespace

TempFolder::TempFolder() {
  static std::atomic<int> n_made{0};
  path_ = fs::temp_directory_path() / absl::StrCat("hilum-test-", getpid(), "-", n_made++);
  fs::remove_all(path_);
  fs::create_directories(path_);
}
TempFolder::~TempFolder() {
  std::error_code error;
  fs::remove_all(path_, error);
}

ModelSpec MakeSpec(int64_t n_params) {
  const int64_t first = n_params / 2;
  return {.architecture = "test-net",
          .tensors = {{.name = "head.weight", .shape = {first}, .offset = 0, .size = first},
                      {.name = "head.bias",
                       .shape = {n_params - first},
                       .offset = first,
                       .size = n_params - first}}};
}

proto::RoundPlan MakePlan(const std::string& job, int64_t n_params) {
  proto::RoundPlan plan;
  plan.job = job;
  plan.rounds = 2;
  plan.seed = 7;
  plan.spec = MakeSpec(n_params);
  plan.model = {.architecture = plan.spec.architecture,
                .classes = {"normal", "pneumonia"},
                .profile = "cxr128"};
  plan.model.profile_digest[0] = 0x70;
  plan.cohort = {.minimum = 2,
                 .target = 0,
                 .recruit_s = 20,
                 .return_wait_s = 20,
                 .grace_s = 5,
                 .deadline_s = 60};
  plan.aggregation.clip_l2 = 1.0;
  plan.aggregation.max_weight = 1000;
  return plan;
}

Bytes MakeModelFile(const ModelSpec& spec, uint64_t seed) {
  crypto::SeededStream stream(StreamKey(seed));
  std::vector<float> flat(static_cast<size_t>(spec.n_params()));
  for (float& value : flat) value = static_cast<float>(stream.NextUniform() - 0.5);
  return Must(proto::EncodeSafetensors(spec, flat, {{"round", "0"}, {"job", ""}}));
}

std::vector<uint32_t> MakeVector(const privacy::RoundConfig& config,
                                 const SyntheticUpdate& update) {
  std::vector<uint32_t> words(config.n_coords());
  crypto::SeededStream stream(StreamKey(update.seed));
  stream.Fill(std::span(words).first(config.n_params));
  const uint32_t ring = config.ring_bits == 32 ? ~0U : (1U << config.ring_bits) - 1;
  const auto half = int64_t{1} << (config.value_bits - 2);
  for (size_t i = 0; i < config.n_params; ++i) {
    const int64_t value = static_cast<int64_t>(words[i]) % half - half / 2;
    words[i] = static_cast<uint32_t>(value) & ring;
  }
  words[config.n_params] = update.weight;
  words[config.n_params + 1] = 1;
  words[config.n_params + 2] =
      static_cast<uint32_t>(update.loss * (1 << privacy::kLossFractionBits));
  return words;
}

// ---- TestSite

struct TestSite::Stream {
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReader<wire::SiteSnapshot>> reader;
  std::thread thread;
  absl::Mutex mutex;
  wire::SiteSnapshot last;
  uint64_t n_received = 0;
  bool ended = false;
  absl::Status end;
};

TestSite::TestSite(std::string name, proto::TlsIdentity tls, crypto::SigningKey entry_key)
    : name_(std::move(name)), tls_(std::move(tls)), entry_key_(std::move(entry_key)) {}

TestSite::~TestSite() { Leave(); }

void TestSite::Connect(const std::string& address) {
  stub_ = wire::Federation::NewStub(proto::OpenChannel(address, tls_));
}

absl::StatusOr<std::unique_ptr<TestSite>> TestSite::Join(const std::string& address,
                                                         const std::string& token_text) {
  HILUM_ASSIGN_OR_RETURN(const Bytes json, crypto::Base64UrlDecode(token_text));
  HILUM_ASSIGN_OR_RETURN(const proto::JoinToken token, proto::ParseJoinToken(AsText(json)));
  HILUM_ASSIGN_OR_RETURN(const Bytes ca_der, crypto::Base64Decode(token.ca));
  proto::TlsIdentity tls;
  HILUM_ASSIGN_OR_RETURN(tls.ca_pem, crypto::CertificateFromDer(ca_der));
  HILUM_ASSIGN_OR_RETURN(const std::string key_pem, crypto::MakeTlsKey());
  crypto::SigningKey entry_key = crypto::SigningKey::Generate();

  ledger_anchor::Entry entry;
  entry.by = token.aggregator;
  HILUM_ASSIGN_OR_RETURN(const crypto::PublicKey aggregator,
                         crypto::PublicKeyFromBase64(token.entry_key));
  entry.key = crypto::KeyDigest(aggregator);
  entry.t = static_cast<uint64_t>(SystemClock().NowSeconds());
  entry.body = ledger_anchor::Join{
      .member = token.member, .role = "site", .entry_key = entry_key.public_key()};
  HILUM_ASSIGN_OR_RETURN(const crypto::Signature signature,
                         ledger_anchor::SignJoin(entry, token.origin, entry_key));

  wire::JoinRequest request;
  request.set_protocol_version(kProtocolVersion);
  request.set_member(token.member);
  request.set_secret(token.secret.data(), token.secret.size());
  HILUM_ASSIGN_OR_RETURN(
      *request.mutable_certificate_request(),
      crypto::MakeRequest(key_pem, {.common_name = token.member, .role = "site"}));
  request.set_entry_key(entry_key.public_key().bytes.data(), 32);
  request.set_member_signature(signature.bytes.data(), 64);
  request.set_joined_at_s(static_cast<int64_t>(entry.t));
  wire::JoinReply reply;
  grpc::ClientContext context;
  HILUM_RETURN_IF_ERROR(AsStatus(wire::Federation::NewStub(proto::OpenChannel(address, tls))
                                     ->Join(&context, request, &reply)));
  tls.certificate_pem = reply.certificate();
  tls.key_pem = key_pem;
  std::unique_ptr<TestSite> site(new TestSite(token.member, tls, std::move(entry_key)));
  site->Connect(address);
  return site;
}

void TestSite::Arrive() {
  Leave();
  stream_ = std::make_unique<Stream>();
  wire::WatchRequest request;
  request.set_protocol_version(kProtocolVersion);
  stream_->context.set_wait_for_ready(true);
  stream_->reader = stub_->Watch(&stream_->context, request);
  stream_->thread = std::thread([stream = stream_.get()] {
    wire::SiteSnapshot snapshot;
    while (stream->reader->Read(&snapshot)) {
      const absl::MutexLock lock(&stream->mutex);
      stream->last = snapshot;
      ++stream->n_received;
    }
    const absl::Status end = AsStatus(stream->reader->Finish());
    const absl::MutexLock lock(&stream->mutex);
    stream->end = end;
    stream->ended = true;
  });
}

void TestSite::Leave() {
  if (stream_ == nullptr) return;
  stream_->context.TryCancel();
  stream_->thread.join();
  stream_.reset();
}

absl::StatusOr<wire::SiteSnapshot> TestSite::WaitFor(
    const std::function<bool(const wire::SiteSnapshot&)>& good) {
  if (stream_ == nullptr) Arrive();
  Stream& stream = *stream_;
  const absl::Time deadline = absl::Now() + kPatience;
  const absl::MutexLock lock(&stream.mutex);
  for (;;) {
    if (stream.n_received > 0 && good(stream.last)) return stream.last;
    if (stream.ended) return stream.end;
    const uint64_t seen = stream.n_received;
    const auto changed = [&] { return stream.n_received != seen || stream.ended; };
    if (!stream.mutex.AwaitWithDeadline(absl::Condition(&changed), deadline)) {
      return absl::DeadlineExceededError(
          absl::StrCat(name_, " waited in vain; its snapshot: ", stream.last.ShortDebugString()));
    }
  }
}

absl::StatusOr<OpenRound> TestSite::WaitForRound(const std::string& job, uint64_t round) {
  const auto is_wanted = [&](const wire::RoundNotice& notice) {
    return notice.job() == job && (round == 0 || notice.round() == round);
  };
  HILUM_ASSIGN_OR_RETURN(const wire::SiteSnapshot snapshot,
                         WaitFor([&](const wire::SiteSnapshot& s) {
                           return std::any_of(s.rounds().begin(), s.rounds().end(), is_wanted);
                         }));
  OpenRound open;
  open.notice = *std::find_if(snapshot.rounds().begin(), snapshot.rounds().end(), is_wanted);
  HILUM_ASSIGN_OR_RETURN(open.config, privacy::DecodeRoundConfig(AsBytes(open.notice.config())));
  HILUM_ASSIGN_OR_RETURN(open.plan, proto::ParseRoundPlan(open.notice.plan()));
  for (const privacy::RosterEntry& entry : open.config.roster) {
    if (entry.key == entry_key_.public_key()) open.site_index = entry.index;
  }
  return open;
}

absl::Status TestSite::Answer(const std::string& job, bool approve) {
  wire::JobAnswer request;
  request.set_job(job);
  request.set_approve(approve);
  wire::JobAnswerReply reply;
  grpc::ClientContext context;
  return AsStatus(stub_->Answer(&context, request, &reply));
}

absl::Status TestSite::Report(const wire::Progress& progress) {
  wire::ProgressReply reply;
  grpc::ClientContext context;
  return AsStatus(stub_->Report(&context, progress, &reply));
}

absl::StatusOr<wire::UpdateReceipt> TestSite::Submit(const OpenRound& round,
                                                     const std::vector<uint32_t>& words,
                                                     const UpdateChanges& changes) {
  wire::UpdateReceipt receipt;
  grpc::ClientContext context;
  const auto writer = stub_->SubmitUpdate(&context, &receipt);
  const Digest config_hash = privacy::HashConfig(round.config);
  wire::UpdateMessage message;
  wire::UpdateHeader& header = *message.mutable_header();
  header.set_job(round.notice.job());
  header.set_round(round.notice.round());
  header.set_attempt(round.notice.attempt());
  header.set_config_hash(config_hash.data(), config_hash.size());
  header.set_site_index(round.site_index);
  header.set_n_words(words.size());
  header.set_profile_digest(round.plan.model.profile_digest.data(), 32);
  if (changes.header) changes.header(header);
  bool open = writer->Write(message);
  const size_t chunk_coords = round.config.chunk_coords;
  uint32_t index = 0;
  for (size_t begin = 0; begin < words.size() && open; begin += chunk_coords, ++index) {
    if (changes.stop_after_chunks.has_value() && index >= *changes.stop_after_chunks) break;
    const size_t n = std::min(chunk_coords, words.size() - begin);
    wire::UpdateChunk& chunk = *message.mutable_chunk();
    chunk.set_index(index);
    chunk.set_data(std::string(
        AsText(privacy::PackWords(std::span(words).subspan(begin, n), round.config.ring_bits))));
    if (changes.chunk) changes.chunk(chunk);
    open = writer->Write(message);
  }
  if (!changes.stop_after_chunks.has_value() && open) {
    const Digest root = privacy::UpdateRoot(words, privacy::LayoutOf(round.config));
    const Bytes fields =
        privacy::UpdateMessage({.u2_hash = {}, .root = root, .n_coords = words.size()});
    const crypto::Signature signature = crypto::SignLabelled(
        entry_key_,
        {.label = crypto::kLabelR2Root,
         .rid = privacy::RidOf(round.config, static_cast<uint8_t>(round.notice.attempt())),
         .sender = round.site_index,
         .cfg_hash = config_hash,
         .message = fields});
    wire::UpdateClose& close = *message.mutable_close();
    close.set_root(root.data(), root.size());
    close.set_signature(signature.bytes.data(), signature.bytes.size());
    if (changes.close) changes.close(close);
    writer->Write(message);
  }
  writer->WritesDone();
  HILUM_RETURN_IF_ERROR(AsStatus(writer->Finish()));
  return receipt;
}

// ---- TestFederation

TestFederation::TestFederation(const ServerOptions& options, const RpcOptions& rpc)
    : options_(options), rpc_options_(rpc) {
  folder_ = temporary_.path() / "server";
  Must(InitFederation({.folder = folder_,
                       .federation = "test.example",
                       .hosts = {},
                       .server_toml = "",
                       .address = "127.0.0.1:0",
                       .now_s = SystemClock().NowSeconds()}));
  Start();
}

TestFederation::~TestFederation() { Stop(); }

void TestFederation::Start() {
  std::unique_ptr<Federation> federation = Must(OpenFederation(folder_));
  const RpcOptions tls{.address = last_address_.empty() ? "127.0.0.1:0" : last_address_,
                       .ca_pem = federation->ca.certificate_pem,
                       .certificate_pem = federation->tls.certificate_pem,
                       .key_pem = federation->tls.key_pem,
                       .stream_idle = rpc_options_.stream_idle,
                       .connection_idle = rpc_options_.connection_idle};
  server_ = Must(Server::Create(std::move(federation), options_));
  rpc_ = Must(RpcListener::Start(server_.get(), tls));
  server_->Start();
  last_address_ = rpc_->address();
  const fs::path lead = folder_ / "operator";
  lead_ = wire::Jobs::NewStub(proto::OpenChannel(
      rpc_->address(), {.ca_pem = Must(ReadTextFile(lead / "ca.pem", 1 << 16)),
                        .certificate_pem = Must(ReadTextFile(lead / "cert.pem", 1 << 16)),
                        .key_pem = Must(ReadTextFile(lead / "key.pem", 1 << 16))}));
}

void TestFederation::Stop() {
  if (server_ == nullptr) return;
  server_->Stop();
  rpc_->Stop();
  rpc_.reset();
  server_.reset();
}

std::string TestFederation::Invite(const std::string& site) {
  const FederationIdentity identity = Must(ReadIdentity(folder_));
  const std::unique_ptr<State> state = Must(State::Open(folder_ / "state.sqlite"));
  return Must(aggregator::Invite(identity, *state, {site}, SystemClock().NowSeconds(), 3600)).token;
}

std::unique_ptr<TestSite> TestFederation::AddSite(const std::string& name) {
  return Must(TestSite::Join(address(), Invite(name)));
}

std::vector<std::unique_ptr<TestSite>> TestFederation::AddSites(int n) {
  std::vector<std::unique_ptr<TestSite>> sites;
  for (int i = 0; i < n; ++i) sites.push_back(AddSite(absl::StrFormat("site-%02d", i)));
  for (const auto& site : sites) site->Arrive();
  return sites;
}

absl::StatusOr<Digest> SendModel(wire::Jobs::Stub& lead, const Bytes& file) {
  grpc::ClientContext context;
  wire::PutModelReply reply;
  const auto writer = lead.PutModel(&context, &reply);
  for (size_t begin = 0; begin < file.size(); begin += proto::kModelChunkBytes) {
    wire::ModelChunk chunk;
    chunk.set_data(file.data() + begin, std::min(proto::kModelChunkBytes, file.size() - begin));
    writer->Write(chunk);
  }
  writer->WritesDone();
  HILUM_RETURN_IF_ERROR(AsStatus(writer->Finish()));
  Digest digest{};
  std::copy(reply.sha256().begin(), reply.sha256().end(), digest.begin());
  return digest;
}

absl::StatusOr<wire::JobStatus> SendLaunch(wire::Jobs::Stub& lead, const proto::RoundPlan& plan,
                                           const Digest& model) {
  wire::LaunchRequest request;
  request.set_protocol_version(kProtocolVersion);
  HILUM_ASSIGN_OR_RETURN(*request.mutable_plan(), proto::EncodeRoundPlan(plan));
  request.set_model_sha256(model.data(), model.size());
  grpc::ClientContext context;
  wire::JobStatus reply;
  HILUM_RETURN_IF_ERROR(AsStatus(lead.Launch(&context, request, &reply)));
  return reply;
}

Digest TestFederation::PutModel(const Bytes& file) { return Must(SendModel(*lead_, file)); }

absl::StatusOr<wire::JobStatus> TestFederation::Launch(const proto::RoundPlan& plan,
                                                       const Digest& model) {
  return SendLaunch(*lead_, plan, model);
}

absl::StatusOr<wire::JobStatus> TestFederation::JobStatus(const std::string& job) {
  wire::JobRequest request;
  request.set_job(job);
  grpc::ClientContext context;
  wire::JobList reply;
  HILUM_RETURN_IF_ERROR(AsStatus(lead_->ListJobs(&context, request, &reply)));
  return reply.jobs(0);
}

absl::StatusOr<wire::JobStatus> TestFederation::WaitForJob(
    const std::string& job, const std::function<bool(const wire::JobStatus&)>& good) {
  const absl::Time deadline = absl::Now() + kPatience;
  for (;;) {
    HILUM_ASSIGN_OR_RETURN(wire::JobStatus status, JobStatus(job));
    if (good(status)) return status;
    if (absl::Now() > deadline) {
      status.clear_plan();
      return absl::DeadlineExceededError(absl::StrCat("the job is ", status.ShortDebugString()));
    }
    absl::SleepFor(absl::Milliseconds(20));
  }
}

absl::StatusOr<Bytes> TestFederation::FetchModel(const std::string& sha256) {
  wire::ModelRequest request;
  request.set_sha256(sha256);
  grpc::ClientContext context;
  const auto reader = lead_->FetchModel(&context, request);
  Bytes file;
  wire::ModelChunk chunk;
  while (reader->Read(&chunk)) AppendText(file, chunk.data());
  HILUM_RETURN_IF_ERROR(AsStatus(reader->Finish()));
  return file;
}

absl::Status LaunchAndApprove(TestFederation& federation, const proto::RoundPlan& plan,
                              const std::vector<std::unique_ptr<TestSite>>& sites) {
  const Digest model = federation.PutModel(MakeModelFile(plan.spec, 1));
  HILUM_RETURN_IF_ERROR(federation.Launch(plan, model));
  for (const auto& site : sites) HILUM_RETURN_IF_ERROR(site->Answer(plan.job, true));
  return absl::OkStatus();
}

absl::Status PlayRound(const std::string& job, uint64_t round,
                       const std::vector<std::unique_ptr<TestSite>>& sites) {
  for (size_t i = 0; i < sites.size(); ++i) {
    HILUM_ASSIGN_OR_RETURN(const OpenRound open, sites[i]->WaitForRound(job, round));
    HILUM_RETURN_IF_ERROR(sites[i]->Submit(
        open, MakeVector(open.config,
                         {.seed = 1000 * round + i, .weight = static_cast<uint32_t>(10 + i)})));
  }
  return absl::OkStatus();
}

}  // namespace hilum::aggregator
