// The service classes. Private to aggregator/rpc*.
#ifndef HILUM_AGGREGATOR_RPC_SERVICES_H_
#define HILUM_AGGREGATOR_RPC_SERVICES_H_

#include <functional>
#include <map>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "aggregator/rate_limit.h"
#include "aggregator/rpc_streams.h"
#include "aggregator/server.h"
#include "grpcpp/grpcpp.h"
#include "proto/hilum/v1/services.grpc.pb.h"

namespace hilum::aggregator {

namespace wire = hilum::v1;

// Open streams of one kind; each holds a thread of gRPC. One member gets a small part of them, so
// that it cannot keep the others out.
class StreamLimit {
 public:
  StreamLimit(int limit, int limit_each) : limit_(limit), limit_each_(limit_each) {}
  class Slot {
   public:
    Slot(StreamLimit* owner, std::string member) : owner_(owner), member_(std::move(member)) {}
    Slot(Slot&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)), member_(std::move(other.member_)) {}
    Slot& operator=(Slot&&) = delete;
    ~Slot() {
      if (owner_ != nullptr) owner_->Give(member_);
    }

   private:
    StreamLimit* owner_;
    std::string member_;
  };
  // ResourceExhausted: a limit is reached.
  absl::StatusOr<Slot> Take(absl::string_view what, const std::string& member);

 private:
  void Give(const std::string& member);

  const int limit_;
  const int limit_each_;
  absl::Mutex mutex_;
  int n_open_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, int> n_of_ ABSL_GUARDED_BY(mutex_);  // by member
};

// The caller, when it has `role` ("site", "lead", or "" for any member).
absl::StatusOr<Caller> RequireRole(Server& server, const grpc::ServerContext& context,
                                   absl::string_view role);
// FailedPrecondition: the sentence names both versions.
absl::Status CheckProtocolVersion(uint32_t peer_version);
// InvalidArgument: not 32 bytes.
absl::StatusOr<Digest> ReadAddress(const std::string& sha256);
// Sends the object in pieces of 1 MiB.
absl::Status SendObject(ledger_anchor::StoreReader reader,
                        grpc::ServerWriter<wire::ModelChunk>* writer,
                        const std::function<void()>& on_moved);
absl::Status SendModel(Server& server, const wire::ModelRequest& request,
                       grpc::ServerWriter<wire::ModelChunk>* writer,
                       const std::function<void()>& on_moved);
absl::Status AnswerProof(Server& server, const wire::ProofRequest& request,
                         wire::ProofReply* reply);
absl::Status AnswerConsistency(Server& server, const wire::ConsistencyRequest& request,
                               wire::ConsistencyReply* reply);

class FederationService final : public wire::Federation::Service {
 public:
  FederationService(Server* server, absl::Duration stream_idle)
      : server_(*server), streams_(stream_idle) {}
  grpc::Status Join(grpc::ServerContext*, const wire::JoinRequest*, wire::JoinReply*) override;
  grpc::Status Watch(grpc::ServerContext*, const wire::WatchRequest*,
                     grpc::ServerWriter<wire::SiteSnapshot>*) override;
  grpc::Status Answer(grpc::ServerContext*, const wire::JobAnswer*, wire::JobAnswerReply*) override;
  grpc::Status Report(grpc::ServerContext*, const wire::Progress*, wire::ProgressReply*) override;
  grpc::Status FetchModel(grpc::ServerContext*, const wire::ModelRequest*,
                          grpc::ServerWriter<wire::ModelChunk>*) override;
  grpc::Status FetchObject(grpc::ServerContext*, const wire::ObjectRequest*,
                           grpc::ServerWriter<wire::ModelChunk>*) override;
  grpc::Status SubmitUpdate(grpc::ServerContext*, grpc::ServerReader<wire::UpdateMessage>*,
                            wire::UpdateReceipt*) override;
  grpc::Status SendFlight(grpc::ServerContext*, const wire::FlightMessage*,
                          wire::FlightReceipt*) override;
  grpc::Status FetchFlight(grpc::ServerContext*, const wire::FlightRequest*,
                           grpc::ServerWriter<wire::FlightPart>*) override;
  grpc::Status ProveConsistency(grpc::ServerContext*, const wire::ConsistencyRequest*,
                                wire::ConsistencyReply*) override;
  grpc::Status FetchProof(grpc::ServerContext*, const wire::ProofRequest*,
                          wire::ProofReply*) override;
  grpc::Status SubmitEntry(grpc::ServerContext*, const wire::EntrySubmission*,
                           wire::EntryReceipt*) override;
  grpc::Status Witness(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<wire::WitnessQuestion, wire::WitnessAnswer>*) override;

 private:
  Server& server_;
  // A site needs one of each; broken connections of it may not be noticed yet.
  StreamLimit watches_{1024, 8};
  StreamLimit uploads_{256, 8};
  StreamLimit fetches_{256, 8};
  StreamLimit witnesses_{1024, 8};
  StreamWatch streams_;
  // The agent reports twice a second and repeats an answer after 2 s.
  RateLimit reports_{{.per_second = 5, .burst = 20}, &SystemClock()};
  // A masked round has six messages of a site, each sent again until it is acknowledged.
  RateLimit flights_{{.per_second = 5, .burst = 20}, &SystemClock()};
  RateLimit answers_{{.per_second = 1, .burst = 10}, &SystemClock()};
  // A round needs one or two of a site.
  RateLimit entries_{{.per_second = 1, .burst = 20}, &SystemClock()};
};

class JobsService final : public wire::Jobs::Service {
 public:
  explicit JobsService(Server* server) : server_(*server) {}
  grpc::Status Status(grpc::ServerContext*, const google::protobuf::Empty*,
                      wire::FederationStatus*) override;
  grpc::Status PutModel(grpc::ServerContext*, grpc::ServerReader<wire::ModelChunk>*,
                        wire::PutModelReply*) override;
  grpc::Status Launch(grpc::ServerContext*, const wire::LaunchRequest*, wire::JobStatus*) override;
  grpc::Status Resume(grpc::ServerContext*, const wire::ResumeRequest*, wire::JobStatus*) override;
  grpc::Status Cancel(grpc::ServerContext*, const wire::JobRequest*, wire::JobStatus*) override;
  grpc::Status ListJobs(grpc::ServerContext*, const wire::JobRequest*, wire::JobList*) override;
  grpc::Status WatchJob(grpc::ServerContext*, const wire::JobRequest*,
                        grpc::ServerWriter<wire::JobStatus>*) override;
  grpc::Status FetchProof(grpc::ServerContext*, const wire::ProofRequest*,
                          wire::ProofReply*) override;
  grpc::Status ProveConsistency(grpc::ServerContext*, const wire::ConsistencyRequest*,
                                wire::ConsistencyReply*) override;
  grpc::Status FetchModel(grpc::ServerContext*, const wire::ModelRequest*,
                          grpc::ServerWriter<wire::ModelChunk>*) override;

 private:
  Server& server_;
  StreamLimit watches_{64, 64};
};

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_RPC_SERVICES_H_
