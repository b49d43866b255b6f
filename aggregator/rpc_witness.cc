// The way to a site's witness: questions go down the stream that the site opened.
#include <utility>

#include "absl/strings/str_cat.h"
#include "aggregator/rpc_services.h"
#include "base/status_macros.h"
#include "proto/channel.h"

namespace hilum::aggregator {
namespace {

using ledger_anchor::kWitnessReplyLimitBytes;
using ledger_anchor::WitnessReply;
using Stream = grpc::ServerReaderWriter<wire::WitnessQuestion, wire::WitnessAnswer>;

constexpr absl::Duration kAnswerLimit = absl::Seconds(10);
constexpr absl::Duration kLookEvery = absl::Milliseconds(500);

// One question at a time. The asking thread waits; the stream's thread carries it there and back.
class StreamWitness final : public ledger_anchor::WitnessTransport {
 public:
  // `is_over`: the server stops. Called from both threads.
  StreamWitness(grpc::ServerContext* context, std::string origin_hash,
                std::function<bool()> is_over)
      : context_(*context), origin_hash_(std::move(origin_hash)), is_over_(std::move(is_over)) {}

  absl::StatusOr<WitnessReply> AddCheckpoint(absl::string_view body) override {
    wire::WitnessQuestion question;
    question.set_add_checkpoint(std::string(body));
    return Ask(std::move(question));
  }
  absl::StatusOr<WitnessReply> GetCheckpoint() override {
    wire::WitnessQuestion question;
    question.set_get_checkpoint(origin_hash_);
    return Ask(std::move(question));
  }

  // Until the site or the server ends it.
  void Serve(Stream& stream) {
    while (!context_.IsCancelled() && !is_over_()) {
      std::optional<wire::WitnessQuestion> question = NextQuestion();
      if (!question.has_value()) continue;
      wire::WitnessAnswer answer;
      if (!stream.Write(*question) || !stream.Read(&answer)) break;
      TakeAnswer(answer);
    }
    const absl::MutexLock lock(&mutex_);
    closed_ = true;
    changed_.SignalAll();
  }

 private:
  absl::StatusOr<WitnessReply> Ask(wire::WitnessQuestion question) {
    const absl::MutexLock lock(&mutex_);
    question.set_id(++last_id_);
    question_ = std::move(question);
    reply_.reset();
    changed_.SignalAll();
    const absl::Time end = absl::Now() + kAnswerLimit;
    while (!reply_.has_value() && !closed_ && absl::Now() < end && !is_over_()) {
      changed_.WaitWithDeadline(&mutex_, std::min(end, absl::Now() + kLookEvery));
    }
    if (reply_.has_value()) return *std::exchange(reply_, std::nullopt);
    question_.reset();
    if (closed_) return absl::UnavailableError("the site's witness went away");
    context_.TryCancel();  // whatever comes now is no answer to a later question
    return absl::DeadlineExceededError(
        absl::StrCat("no answer within ", absl::FormatDuration(kAnswerLimit)));
  }

  std::optional<wire::WitnessQuestion> NextQuestion() {
    const absl::MutexLock lock(&mutex_);
    if (!question_.has_value()) changed_.WaitWithTimeout(&mutex_, kLookEvery);
    return std::exchange(question_, std::nullopt);
  }

  void TakeAnswer(const wire::WitnessAnswer& answer) {
    const absl::MutexLock lock(&mutex_);
    if (answer.id() != last_id_ || answer.body().size() > kWitnessReplyLimitBytes ||
        answer.content_type().size() > kWitnessReplyLimitBytes) {
      return;  // the question runs into its limit
    }
    reply_ = WitnessReply{.status = static_cast<int>(answer.status()),
                          .content_type = answer.content_type(),
                          .body = answer.body()};
    changed_.SignalAll();
  }

  grpc::ServerContext& context_;
  const std::string origin_hash_;
  const std::function<bool()> is_over_;
  absl::Mutex mutex_;
  absl::CondVar changed_;
  std::optional<wire::WitnessQuestion> question_ ABSL_GUARDED_BY(mutex_);
  std::optional<WitnessReply> reply_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

grpc::Status FederationService::Witness(grpc::ServerContext* context, Stream* stream) {
  const auto serve = [&]() -> absl::Status {
    HILUM_ASSIGN_OR_RETURN(const Caller caller, RequireRole(server_, *context, "site"));
    HILUM_ASSIGN_OR_RETURN(const StreamLimit::Slot slot,
                           witnesses_.Take("Witness streams", caller.name));
    wire::WitnessAnswer hello;
    {
      const StreamWatch::Stream watched(&streams_, context);
      if (!stream->Read(&hello)) return absl::CancelledError("the site went away");
    }
    HILUM_RETURN_IF_ERROR(CheckProtocolVersion(hello.protocol_version()));
    const auto way =
        std::make_shared<StreamWitness>(context, ToHex(crypto::Sha256(server_.identity().origin)),
                                        [this] { return server_.IsStopping(); });
    HILUM_RETURN_IF_ERROR(server_.AttachWitness({caller.name}, way));
    way->Serve(*stream);
    server_.DetachWitness(way);
    return absl::UnavailableError("the witness stream ended; connect again");
  };
  return proto::ToGrpcStatus(serve());
}

}  // namespace hilum::aggregator
