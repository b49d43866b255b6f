// The ML lead's side of the wire: the calls of the service Jobs (proto/hilum/v1/services.proto).
#ifndef HILUM_CLI_JOB_RPC_H_
#define HILUM_CLI_JOB_RPC_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "cli/job_credentials.h"
#include "proto/hilum/v1/job.pb.h"
#include "proto/hilum/v1/round.pb.h"

namespace hilum::cli {

// One server. Every call returns Unavailable, with the server's address, when it cannot be reached,
// and else the server's own code and sentence. Thread-safe.
class JobClient {
 public:
  // Connects with the first call.
  explicit JobClient(const LeadCredentials& credentials);
  ~JobClient();
  JobClient(const JobClient&) = delete;
  JobClient& operator=(const JobClient&) = delete;

  absl::StatusOr<v1::FederationStatus> Federation();

  // Sends a model file in chunks; `on_sent` gets the bytes sent so far. Returns its SHA-256 as the
  // server computed it. DataLoss: that is not `sha256`.
  absl::Status PutModel(ByteView file, const Digest& sha256,
                        const std::function<void(uint64_t)>& on_sent);
  absl::StatusOr<v1::JobStatus> Launch(absl::string_view plan, const Digest& model_sha256);
  absl::StatusOr<v1::JobList> Jobs();
  // Of these three, NotFound: the server has no such job; the sentence lists those it has.
  absl::StatusOr<v1::JobStatus> Resume(const std::string& job, uint64_t rounds);
  absl::StatusOr<v1::JobStatus> Cancel(const std::string& job);
  absl::StatusOr<v1::JobStatus> Job(const std::string& job);

  // Calls `on_status` with the status now and after each change, until it returns false (OK), the
  // stream breaks (its status) or `stop` becomes true (Cancelled). NotFound: as Job. Unavailable:
  // no connection within a second.
  absl::Status Watch(const std::string& job, const std::atomic<bool>& stop,
                     const std::function<bool(const v1::JobStatus&)>& on_status);

  struct RoundEntry {
    std::string job;
    uint64_t round = 0;
    std::string type;  // round-open, round-close or model-release
  };
  absl::StatusOr<v1::ProofReply> FetchProof(const RoundEntry& entry);
  // The whole file; nothing is proven yet. DataLoss: longer than `limit_bytes`, or another SHA-256.
  absl::StatusOr<Bytes> FetchModel(const Digest& sha256, uint64_t limit_bytes,
                                   const std::function<void(uint64_t)>& on_received);

 private:
  struct Impl;
  // Where the server does not know the job, NotFound with the jobs that it has; else `status`.
  absl::Status Explained(const std::string& job, const absl::Status& status);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hilum::cli

#endif  // HILUM_CLI_JOB_RPC_H_
