#include "ledger_anchor/witness_http.h"

#include <httplib.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "ledger_anchor/url.h"

namespace hilum::ledger_anchor {
namespace {

constexpr int kTimeoutSeconds = 10;
constexpr size_t kReplyLimitBytes = kNoteLimitBytes;

void Send(const WitnessReply& reply, httplib::Response& response) {
  response.status = reply.status;
  response.set_header("Cache-Control", "no-store");
  response.set_content(reply.body, reply.content_type);
}

class HttpTransport : public WitnessTransport {
 public:
  HttpTransport(const Url& url, absl::string_view origin)
      : client_(url.host), url_(url), monitor_(ToHex(crypto::Sha256(origin))) {
    client_.set_connection_timeout(kTimeoutSeconds);
    client_.set_read_timeout(kTimeoutSeconds);
    client_.set_write_timeout(kTimeoutSeconds);
    client_.set_keep_alive(true);
  }

  absl::StatusOr<WitnessReply> AddCheckpoint(absl::string_view body) override {
    httplib::Request request;
    request.method = "POST";
    request.path = absl::StrCat(url_.prefix, "/add-checkpoint");
    request.set_header("Content-Type", "text/plain; charset=utf-8");
    request.body = std::string(body);
    return Exchange(std::move(request));
  }

  absl::StatusOr<WitnessReply> GetCheckpoint() override {
    httplib::Request request;
    request.method = "GET";
    request.path = absl::StrCat(url_.prefix, "/", monitor_, "/checkpoint");
    return Exchange(std::move(request));
  }

 private:
  absl::StatusOr<WitnessReply> Exchange(httplib::Request request) {
    std::string body;
    bool too_long = false;
    request.content_receiver = [&](const char* data, size_t size, uint64_t, uint64_t) {
      too_long = size > kReplyLimitBytes - body.size();
      if (!too_long) body.append(data, size);
      return !too_long;
    };
    const httplib::Result result = client_.send(request);
    if (too_long) return absl::UnavailableError("the witness answers with too many bytes");
    if (!result) {
      return absl::UnavailableError(absl::StrCat(
          "the witness at ", url_.host, " did not answer: ", httplib::to_string(result.error())));
    }
    return WitnessReply{.status = result->status,
                        .content_type = result->get_header_value("Content-Type"),
                        .body = std::move(body)};
  }

  httplib::Client client_;
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
  return std::make_unique<HttpTransport>(parsed, origin);
}

}  // namespace hilum::ledger_anchor
