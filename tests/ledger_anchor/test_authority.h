// A time-stamp authority for tests, behind HTTP on loopback: the `openssl ts` command answers, a
// program that we did not write. Tests change the question or the answer on its way.
#ifndef HILUM_TESTS_LEDGER_ANCHOR_TEST_AUTHORITY_H_
#define HILUM_TESTS_LEDGER_ANCHOR_TEST_AUTHORITY_H_

#include <gtest/gtest.h>
#include <httplib.h>
#include <openssl/pem.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "base/file.h"
#include "crypto/random.h"

namespace hilum::ledger_anchor {

class TestAuthority {
 public:
  static constexpr const char* kTimeStampUsage = "critical,timeStamping";
  static constexpr const char* kPolicy = "1.3.6.1.4.1.99999.1";

  TestAuthority()
      : folder_(fs::temp_directory_path() / ("hilum_tsa_" + ToHex(crypto::RandomArray<8>()))) {
    fs::create_directories(folder_);
    EXPECT_TRUE(Run("openssl version")) << "the tests need the openssl command";
    EXPECT_TRUE(
        Run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days "
            "3650 -keyout ca.key -out ca.pem -subj '/CN=Test CA'"));
    Reissue("ca.pem", "20190101000000Z", "20490101000000Z");
    MakeSigner("tsa", kTimeStampUsage);
    Write("ts.cnf", std::string("[tsa]\nserial = serial\ndefault_policy = ") + kPolicy +
                        "\nother_policies = 1.3.6.1.4.1.99999.2\ndigests = sha256\n"
                        "signer_digest = sha256\nordering = no\ness_cert_id_chain = no\n"
                        "ess_cert_id_alg = sha256\n");
    Write("serial", "01\n");
  }
  ~TestAuthority() {
    Stop();
    std::error_code error;
    fs::remove_all(folder_, error);
  }

  // NAME.pem and NAME.key with this extended key usage, from the CA.
  void MakeSigner(const std::string& name, const std::string& usage) {
    Write("ext", "keyUsage=critical,digitalSignature\nextendedKeyUsage=" + usage + "\n");
    EXPECT_TRUE(Run("openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout " +
                    name + ".key -out " + name + ".csr -subj '/O=Test/CN=" + name + "'"));
    EXPECT_TRUE(Run("openssl x509 -req -in " + name +
                    ".csr -CA ca.pem -CAkey ca.key -days 3650 "
                    "-extfile ext -out " +
                    name + ".pem"));
  }

  // The same certificate, valid from and until other times, signed by the CA's key.
  void Reissue(const std::string& file, const char* from, const char* until) {
    const std::string text = Read(file);
    const std::string key = Read("ca.key");
    BIO* in = BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
    X509* certificate = PEM_read_bio_X509(in, nullptr, nullptr, nullptr);
    BIO* key_in = BIO_new_mem_buf(key.data(), static_cast<int>(key.size()));
    EVP_PKEY* signer = PEM_read_bio_PrivateKey(key_in, nullptr, nullptr, nullptr);
    EXPECT_EQ(ASN1_TIME_set_string_X509(X509_getm_notBefore(certificate), from), 1);
    EXPECT_EQ(ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate), until), 1);
    EXPECT_GT(X509_sign(certificate, signer, EVP_sha256()), 0);
    BIO* out = BIO_new_file((folder_ / file).c_str(), "w");
    EXPECT_EQ(PEM_write_bio_X509(out, certificate), 1);
    BIO_free(out);
    BIO_free(in);
    BIO_free(key_in);
    X509_free(certificate);
    EVP_PKEY_free(signer);
  }

  // What `openssl ts` answers to a TimeStampReq in DER.
  std::string Answer(const std::string& query) {
    const std::lock_guard<std::mutex> lock(mutex_);
    Write("query", query);
    EXPECT_TRUE(Run("openssl ts -reply -config ts.cnf -section tsa -queryfile query -signer " +
                    signer + ".pem -inkey " + signer + ".key -out reply"));
    return Read("reply");
  }

  // A reply like `reply`, but with its TSTInfo changed by `change` and signed by the signer's key
  // under `options` of `openssl cms`: what no honest authority makes.
  std::string Resign(const std::string& reply, const std::string& name, const std::string& options,
                     const std::function<void(std::string&)>& change = {}) {
    const std::lock_guard<std::mutex> lock(mutex_);
    Write("reply", reply);
    EXPECT_TRUE(Run("openssl ts -reply -config ts.cnf -section tsa -in reply -token_out -out tok"));
    EXPECT_TRUE(Run("openssl cms -verify -noverify -inform DER -in tok -out info"));
    std::string info = Read("info");
    if (change) change(info);
    Write("info", info);
    EXPECT_TRUE(
        Run("openssl cms -sign -binary -nodetach -nosmimecap -outform DER -econtent_type "
            "1.2.840.113549.1.9.16.1.4 -in info -out tok -signer " +
            name + ".pem -inkey " + name + ".key " + options));
    return Sequence(Sequence(std::string("\x02\x01\x00", 3)) + Read("tok"));
  }

  // http://127.0.0.1:PORT/tsr.
  std::string Serve() {
    server_.Post("/tsr", [this](const httplib::Request& request, httplib::Response& response) {
      ++n_requests;
      if (change_query) {
        const std::string changed = change_query(request.body);
        response.set_content(changed.empty() ? "" : Answer(changed), kReplyType);
      } else {
        response.set_content(Answer(request.body), kReplyType);
      }
      last_query_type = request.get_header_value("Content-Type");
      if (change_response) change_response(response);
    });
    const int port = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
    return "http://127.0.0.1:" + std::to_string(port) + "/tsr";
  }
  void Stop() {
    server_.stop();
    if (thread_.joinable()) thread_.join();
  }

  bool Run(const std::string& command) const {
    return std::system(("cd '" + folder_.string() + "' && " + command + " >>out 2>&1").c_str()) ==
           0;
  }
  std::string Read(const std::string& file) const {
    return ReadTextFile(folder_ / file, 1 << 20).value_or("");
  }
  void Write(const std::string& file, const std::string& text) const {
    EXPECT_TRUE(WriteFileDurably(folder_ / file, AsBytes(text)).ok());
  }
  std::string ca_pem() const { return Read("ca.pem"); }
  const fs::path& folder() const { return folder_; }

  static constexpr const char* kReplyType = "application/timestamp-reply";
  std::string signer = "tsa";
  std::function<std::string(const std::string&)> change_query;
  std::function<void(httplib::Response&)> change_response;
  std::string last_query_type;
  std::atomic<int> n_requests = 0;

 private:
  static std::string Sequence(const std::string& body) {
    std::string head = "\x30";
    if (body.size() >= 256) {
      head += {'\x82', static_cast<char>(body.size() >> 8)};
    } else if (body.size() >= 128) {
      head += '\x81';
    }
    return head + static_cast<char>(body.size()) + body;
  }

  const fs::path folder_;
  std::mutex mutex_;
  httplib::Server server_;
  std::thread thread_;
};

}  // namespace hilum::ledger_anchor

#endif  // HILUM_TESTS_LEDGER_ANCHOR_TEST_AUTHORITY_H_
