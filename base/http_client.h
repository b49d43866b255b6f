// Asks an HTTP server that may be hostile: an exchange has a total time and limits of bytes,
// whatever the other side sends, and however slowly. Part of the target hilum::http.
#ifndef HILUM_BASE_HTTP_CLIENT_H_
#define HILUM_BASE_HTTP_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace hilum {

struct HttpClientLimits {
  // From the first step of the connection to the reply's last byte; the look-up of a name is the
  // system's and comes on top.
  absl::Duration total = absl::Seconds(20);
  size_t head_bytes = 64 << 10;  // of the reply's head, and of what frames its body
};

// One server; follows no redirects; keeps its connection. One thread at a time.
class HttpClient {
 public:
  struct Request {
    std::string method = "GET";
    std::string path;  // begins with '/'
    std::string body{};
    std::string content_type{};  // of the body
    uint64_t reply_limit_bytes = 0;
    std::vector<std::pair<std::string, std::string>> headers{};
    // Takes the reply's body instead of Reply::body, as it comes; false ends the exchange. The body
    // of a reply of another status than 200 is dropped.
    std::function<bool(absl::string_view bytes, const std::string& content_type)> on_body{};
  };
  struct Reply {
    int status = 0;
    std::string content_type;
    std::string date;  // as the server's Date header says it; empty: none
    std::string body;
  };

  // `host` is http://host[:port] or https://host[:port]; of https the server's certificate is
  // checked against the PEM file `authorities`, or where that is empty the system's.
  // InvalidArgument: another form.
  static absl::StatusOr<std::unique_ptr<HttpClient>> Create(absl::string_view host,
                                                            const HttpClientLimits& limits = {},
                                                            const std::string& authorities = "");
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;

  // Any status is a reply. ResourceExhausted: its body is longer than the request's limit.
  // Unavailable: there was none within the limits; the sentence says why and what to do.
  absl::StatusOr<Reply> Exchange(const Request& request);
  // Ends an exchange that is under way, and all later ones, with Unavailable. From any thread.
  void Cancel();

 private:
  struct Impl;
  explicit HttpClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hilum

#endif  // HILUM_BASE_HTTP_CLIENT_H_
