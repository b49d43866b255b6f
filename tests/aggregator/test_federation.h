// A whole federation in one process for tests and benches: the real server on loopback gRPC, and
// synthetic sites that speak the wire protocol without training anything.
#ifndef HILUM_TESTS_AGGREGATOR_TEST_FEDERATION_H_
#define HILUM_TESTS_AGGREGATOR_TEST_FEDERATION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aggregator/rpc.h"
#include "aggregator/server.h"
#include "base/file.h"
#include "crypto/sign.h"
#include "privacy/round_config.h"
#include "proto/channel.h"
#include "proto/hilum/v1/services.grpc.pb.h"
#include "proto/round_plan.h"

namespace hilum::aggregator {

namespace wire = hilum::v1;

// A folder that is removed at the end.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// A model of `n_params` values in two tensors, and a plan for it. Times are short.
ModelSpec MakeSpec(int64_t n_params);
proto::RoundPlan MakePlan(const std::string& job, int64_t n_params);
// Version 0 of such a model: values from `seed`.
Bytes MakeModelFile(const ModelSpec& spec, uint64_t seed);

// y_i of a site: words of `seed` within the round's value range, then weight, count and loss.
struct SyntheticUpdate {
  uint64_t seed = 0;
  uint32_t weight = 10;
  double loss = 0.5;
};
std::vector<uint32_t> MakeVector(const privacy::RoundConfig& config, const SyntheticUpdate& update);

// What a site knows of an open round.
struct OpenRound {
  wire::RoundNotice notice;
  privacy::RoundConfig config;
  proto::RoundPlan plan;
  uint16_t site_index = 0;
};

// What a test may change about an update before it goes out.
struct UpdateChanges {
  std::function<void(wire::UpdateHeader&)> header;
  std::function<void(wire::UpdateChunk&)> chunk;
  std::function<void(wire::UpdateClose&)> close;
  std::optional<size_t> stop_after_chunks;  // ends the stream early, without a close
};

class TestSite {
 public:
  // Makes keys and joins with the token.
  static absl::StatusOr<std::unique_ptr<TestSite>> Join(const std::string& address,
                                                        const std::string& token);
  ~TestSite();

  const std::string& name() const { return name_; }
  const crypto::SigningKey& entry_key() const { return entry_key_; }
  const proto::TlsIdentity& tls() const { return tls_; }
  wire::Federation::Stub& stub() { return *stub_; }
  // After the server came back under another address.
  void Connect(const std::string& address);

  // Opens the Watch stream, which makes the site connected; Leave ends it.
  void Arrive();
  void Leave();
  // The next snapshots until `good` says so. DeadlineExceeded: not within 20 s.
  absl::StatusOr<wire::SiteSnapshot> WaitFor(
      const std::function<bool(const wire::SiteSnapshot&)>& good);
  // Waits for round `round` of `job`; 0: any open round.
  absl::StatusOr<OpenRound> WaitForRound(const std::string& job, uint64_t round);

  absl::Status Answer(const std::string& job, bool approve);
  absl::Status Report(const wire::Progress& progress);
  absl::StatusOr<wire::UpdateReceipt> Submit(const OpenRound& round,
                                             const std::vector<uint32_t>& words,
                                             const UpdateChanges& changes = {});

 private:
  TestSite(std::string name, proto::TlsIdentity tls, crypto::SigningKey entry_key);
  struct Stream;
  std::string name_;
  proto::TlsIdentity tls_;
  crypto::SigningKey entry_key_;
  std::unique_ptr<wire::Federation::Stub> stub_;
  std::unique_ptr<Stream> stream_;
};

// What the lead's program does.
absl::StatusOr<Digest> SendModel(wire::Jobs::Stub& lead, const Bytes& file);
absl::StatusOr<wire::JobStatus> SendLaunch(wire::Jobs::Stub& lead, const proto::RoundPlan& plan,
                                           const Digest& model);

class TestFederation {
 public:
  // Init, then start. Fails the test when that fails.
  explicit TestFederation(const ServerOptions& options = {}, const RpcOptions& rpc = {});
  ~TestFederation();

  void Start();
  void Stop();  // as SIGTERM
  bool running() const { return server_ != nullptr; }
  Server& server() { return *server_; }
  const fs::path& folder() const { return folder_; }
  const std::string& address() const { return rpc_->address(); }

  std::string Invite(const std::string& site);  // a token
  std::unique_ptr<TestSite> AddSite(const std::string& name);
  std::vector<std::unique_ptr<TestSite>> AddSites(int n);  // site-00, site-01, ...; connected
  wire::Jobs::Stub& lead() { return *lead_; }

  Digest PutModel(const Bytes& file);
  absl::StatusOr<wire::JobStatus> Launch(const proto::RoundPlan& plan, const Digest& model);
  absl::StatusOr<wire::JobStatus> JobStatus(const std::string& job);
  // DeadlineExceeded: not within 20 s.
  absl::StatusOr<wire::JobStatus> WaitForJob(
      const std::string& job, const std::function<bool(const wire::JobStatus&)>& good);
  absl::StatusOr<Bytes> FetchModel(const std::string& sha256);

 private:
  TempFolder temporary_;
  fs::path folder_;
  ServerOptions options_;
  RpcOptions rpc_options_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<RpcListener> rpc_;
  std::unique_ptr<wire::Jobs::Stub> lead_;
  std::string last_address_;
};

// Launches `plan` and lets every site approve it.
absl::Status LaunchAndApprove(TestFederation& federation, const proto::RoundPlan& plan,
                              const std::vector<std::unique_ptr<TestSite>>& sites);

// Every site sends the update of seed `1000 * round + site`; returns the first failure.
absl::Status PlayRound(const std::string& job, uint64_t round,
                       const std::vector<std::unique_ptr<TestSite>>& sites);

}  // namespace hilum::aggregator

#endif  // HILUM_TESTS_AGGREGATOR_TEST_FEDERATION_H_
