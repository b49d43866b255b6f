#include "client/witness_stream.h"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/child_process.h"

namespace hilum::client {
namespace {

constexpr absl::Duration kAnswerLimit = absl::Seconds(8);  // below the server's patience
constexpr auto kRetry = std::chrono::seconds(1);
constexpr auto kRetryUnwanted = std::chrono::seconds(30);  // the server may be restarted with us

}  // namespace

struct WitnessStream::Impl {
  Connection& connection;
  const WitnessStreamOptions options;
  std::unique_ptr<ChildProcess> process;
  std::optional<absl::Status> told;
  std::mutex mutex;
  std::condition_variable wake;
  bool stopping = false;
  std::thread thread;

  void Run();
  void Tell(const absl::Status& status);
  absl::StatusOr<ledger_anchor::WitnessReply> Ask(ledger_anchor::WitnessCall call,
                                                  const std::string& body);
};

void WitnessStream::Impl::Tell(const absl::Status& status) {
  if (told == status) return;
  told = status;
  if (options.on_change) options.on_change(status);
}

absl::StatusOr<ledger_anchor::WitnessReply> WitnessStream::Impl::Ask(
    ledger_anchor::WitnessCall call, const std::string& body) {
  if (process == nullptr) {
    absl::StatusOr<std::unique_ptr<ChildProcess>> started = ChildProcess::Start(
        options.program,
        {"witness", "--dir", options.folder.string(), "--log", options.log_vkey, "--pipe"});
    if (!started.ok()) return started.status();
    process = *std::move(started);
  }
  absl::StatusOr<ledger_anchor::WitnessReply> reply =
      CallWitnessPipe(process->pipe(), call, body, kAnswerLimit);
  if (!reply.ok()) process = nullptr;  // the next question gets a new one
  if (reply.ok()) Tell(absl::OkStatus());
  return reply;
}

void WitnessStream::Impl::Run() {
  std::unique_lock lock(mutex);
  while (!stopping) {
    lock.unlock();
    const absl::Status ended =
        connection.Witness([this](ledger_anchor::WitnessCall call, const std::string& body) {
          return Ask(call, body);
        });
    if (!absl::IsCancelled(ended)) Tell(ended);
    lock.lock();
    const bool unwanted = absl::IsNotFound(ended) || absl::IsUnimplemented(ended);
    wake.wait_for(lock, unwanted ? kRetryUnwanted : kRetry, [this] { return stopping; });
  }
}

WitnessStream::WitnessStream(Connection* connection, WitnessStreamOptions options)
    : impl_(new Impl{.connection = *connection, .options = std::move(options)}) {
  impl_->thread = std::thread([impl = impl_.get()] { impl->Run(); });
}

WitnessStream::~WitnessStream() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_all();
  impl_->thread.join();
}

}  // namespace hilum::client
