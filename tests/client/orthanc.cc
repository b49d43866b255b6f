#include "tests/client/orthanc.h"

#include <csignal>
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/http_client.h"
#include "base/tcp_listener.h"
#include "dicom/dicomweb.h"
#include "tests/client/films.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

constexpr const char* kProgram = "/usr/sbin/Orthanc";

absl::StatusOr<HttpClient::Reply> Ask(uint16_t port, HttpClient::Request request) {
  HILUM_ASSIGN_OR_RETURN(
      const std::unique_ptr<HttpClient> http,
      HttpClient::Create(absl::StrCat("http://127.0.0.1:", port), {.total = absl::Seconds(30)}));
  request.reply_limit_bytes = 16 << 20;
  request.headers = {{"Authorization", dicom::BasicAuthorization("hilum", "secret")}};
  return http->Exchange(request);
}

std::string BodyOf(const absl::StatusOr<HttpClient::Reply>& reply) {
  EXPECT_TRUE(reply.ok() && reply->status == 200)
      << (reply.ok() ? absl::StrCat(reply->status) : reply.status().ToString());
  return reply.ok() ? reply->body : "";
}

}  // namespace

uint16_t FreePort() {
  const absl::StatusOr<TcpListener> listener = TcpListener::Open("127.0.0.1:0");
  EXPECT_TRUE(listener.ok());
  uint32_t port = 0;
  const std::string& address = listener->address();
  EXPECT_TRUE(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port));
  return static_cast<uint16_t>(port);
}

Orthanc::Orthanc(uint16_t scp_port)
    : folder_(NewFolder("orthanc")),
      password_file_(folder_ / "password"),
      http_port_(FreePort()),
      dicom_port_(FreePort()) {
  const nlohmann::json configuration = {
      {"StorageDirectory", folder_.string()},
      {"IndexDirectory", folder_.string()},
      {"HttpPort", http_port_},
      {"DicomPort", dicom_port_},
      {"DicomAet", "ORTHANC"},
      {"RemoteAccessAllowed", false},
      {"AuthenticationEnabled", true},
      {"RegisteredUsers", {{"hilum", "secret"}}},
      {"DicomModalities", {{"hilum", nlohmann::json::array({"HILUM", "127.0.0.1", scp_port})}}},
      {"DicomAlwaysAllowEcho", true},
      {"Plugins", nlohmann::json::array({"/usr/share/orthanc/plugins/libOrthancDicomWeb.so"})},
      {"DicomWeb", {{"Enable", true}, {"Root", "/dicom-web/"}}}};
  WriteText(folder_ / "orthanc.json", configuration.dump());
  WriteText(password_file_, "secret\n");
  fs::permissions(password_file_, fs::perms::owner_read | fs::perms::owner_write);
  absl::StatusOr<std::unique_ptr<ChildProcess>> process =
      ChildProcess::Start(kProgram, {(folder_ / "orthanc.json").string()});
  EXPECT_TRUE(process.ok()) << process.status() << " (Debian package orthanc)";
  if (!process.ok()) return;
  process_ = *std::move(process);
  const absl::Time end = absl::Now() + absl::Minutes(1);
  bool answers = false;
  while (!answers && absl::Now() < end) {
    const auto reply = Ask(http_port_, {.path = "/dicom-web/studies"});
    answers = reply.ok() && reply->status == 200;
    if (!answers) absl::SleepFor(absl::Milliseconds(100));
  }
  EXPECT_TRUE(answers) << "Orthanc with the plugin of orthanc-dicomweb does not answer";
}

Orthanc::~Orthanc() {
  if (process_ == nullptr) return;
  kill(process_->pid(), SIGTERM);
  process_->End(absl::Seconds(10));
}

std::string Orthanc::url() const {
  return absl::StrCat("http://127.0.0.1:", http_port_, "/dicom-web");
}

std::string Orthanc::Post(const std::string& path, const std::string& body) const {
  return BodyOf(Ask(http_port_, {.method = "POST", .path = path, .body = body}));
}

std::string Orthanc::Get(const std::string& path) const {
  return BodyOf(Ask(http_port_, {.path = path}));
}

std::string Orthanc::Upload(const fs::path& file) const {
  const absl::StatusOr<std::string> bytes = ReadTextFile(file, 64 << 20);
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  const auto answer = nlohmann::json::parse(Post("/instances", bytes.value_or("")), nullptr, false);
  return answer.is_object() ? answer.value("ID", "") : "";
}

}  // namespace hilum::client
