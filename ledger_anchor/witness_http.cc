#include "ledger_anchor/witness_http.h"

#include <httplib.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/http_client.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "ledger_anchor/url.h"

namespace hilum::ledger_anchor {
namespace {

constexpr absl::Duration kTotalTime = absl::Seconds(10);
constexpr size_t kReplyLimitBytes = kNoteLimitBytes;

void Send(const WitnessReply& reply, httplib::Response& response) {
  response.status = reply.status;
  response.set_header("Cache-Control", "no-store");
  response.set_content(reply.body, reply.content_type);
}

class HttpTransport : public WitnessTransport {
 public:
  HttpTransport(const Url& url, absl::string_view origin, std::unique_ptr<HttpClient> client)
      : client_(std::move(client)), url_(url), monitor_(ToHex(crypto::Sha256(origin))) {}

  absl::StatusOr<WitnessReply> AddCheckpoint(absl::string_view body) override {
    return Exchange({.method = "POST",
                     .path = absl::StrCat(url_.prefix, "/add-checkpoint"),
                     .body = std::string(body),
                     .content_type = "text/plain; charset=utf-8",
                     .reply_limit_bytes = kReplyLimitBytes});
  }

  absl::StatusOr<WitnessReply> GetCheckpoint() override {
    return Exchange({.path = absl::StrCat(url_.prefix, "/", monitor_, "/checkpoint"),
                     .reply_limit_bytes = kReplyLimitBytes});
  }

 private:
  absl::StatusOr<WitnessReply> Exchange(const HttpClient::Request& request) {
    absl::StatusOr<HttpClient::Reply> reply = client_->Exchange(request);
    if (!reply.ok()) {
      return absl::UnavailableError(absl::StrCat("the witness at ", reply.status().message()));
    }
    return WitnessReply{.status = reply->status,
                        .content_type = std::move(reply->content_type),
                        .body = std::move(reply->body)};
  }

  const std::unique_ptr<HttpClient> client_;
  const Url url_;
  const std::string monitor_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpService>> ServeWitness(const Witness& witness,
                                                          const Clock& clock,
                                                          const std::string& address,
                                                          const HttpLimits& limits) {
  HttpLimits with_body = limits;
  with_body.request_bytes += kAddCheckpointLimitBytes;
  const auto add_routes = [witness = &witness, clock = &clock](httplib::Server& http) {
    http.Post("/add-checkpoint", [=](const httplib::Request& request, httplib::Response& response) {
      Send(HandleAddCheckpoint(*witness, request.body, static_cast<uint64_t>(clock->NowSeconds())),
           response);
    });
    http.Get("/([0-9a-f]{64})/checkpoint",
             [=](const httplib::Request& request, httplib::Response& response) {
               Send(HandleGetCheckpoint(*witness, request.matches[1].str()), response);
             });
  };
  return HttpService::Start({.address = address,
                             .limits = with_body,
                             .body_bytes = kAddCheckpointLimitBytes,
                             .advice = "choose another with --listen"},
                            add_routes);
}

absl::StatusOr<std::unique_ptr<WitnessTransport>> HttpWitness(absl::string_view url,
                                                              absl::string_view origin) {
  HILUM_ASSIGN_OR_RETURN(const Url parsed, ParseUrl(url));
  HILUM_ASSIGN_OR_RETURN(std::unique_ptr<HttpClient> client,
                         HttpClient::Create(parsed.host, {.total = kTotalTime}));
  return std::make_unique<HttpTransport>(parsed, origin, std::move(client));
}

}  // namespace hilum::ledger_anchor
