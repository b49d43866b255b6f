// Time stamps against the `openssl ts` command, and against authorities that lie, fail or stall.
#include "ledger_anchor/anchor_rfc3161.h"

#include <gtest/gtest.h>
#include <openssl/ts.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "ledger_anchor/anchor_folder.h"
#include "tests/crypto/vector_file.h"
#include "tests/ledger_anchor/federation.h"
#include "tests/ledger_anchor/test_authority.h"
#include "tests/status_matchers.h"

namespace hilum::ledger_anchor {
namespace {

using absl::StatusCode;

class ShiftedClock : public Clock {
 public:
  int64_t NowSeconds() const override { return SystemClock().NowSeconds() + shift_s; }
  int64_t MonotonicMs() const override { return SystemClock().MonotonicMs(); }
  int64_t shift_s = 0;
};

// A question like `query`, but over another hash, with another nonce, or without its policy.
struct QueryChange {
  bool other_bytes = false;
  bool other_nonce = false;
  bool no_policy = false;
  bool no_nonce = false;
};
std::string Changed(const std::string& query, const QueryChange& change) {
  const auto* at = reinterpret_cast<const uint8_t*>(query.data());
  TS_REQ* asked = d2i_TS_REQ(nullptr, &at, static_cast<long>(query.size()));
  TS_REQ* other = TS_REQ_new();
  TS_REQ_set_version(other, 1);
  TS_REQ_set_cert_req(other, 1);
  TS_MSG_IMPRINT* imprint = TS_MSG_IMPRINT_dup(TS_REQ_get_msg_imprint(asked));
  Digest digest = H("other bytes");
  if (change.other_bytes) TS_MSG_IMPRINT_set_msg(imprint, digest.data(), digest.size());
  TS_REQ_set_msg_imprint(other, imprint);
  ASN1_INTEGER* nonce = ASN1_INTEGER_dup(TS_REQ_get_nonce(asked));
  if (change.other_nonce) ASN1_INTEGER_set(nonce, 4711);
  if (!change.no_nonce) TS_REQ_set_nonce(other, nonce);
  ASN1_OBJECT* policy = TS_REQ_get_policy_id(asked);
  if (policy != nullptr && !change.no_policy) TS_REQ_set_policy_id(other, policy);
  uint8_t* der = nullptr;
  const int size = i2d_TS_REQ(other, &der);
  const std::string text(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  ASN1_INTEGER_free(nonce);
  TS_MSG_IMPRINT_free(imprint);
  TS_REQ_free(other);
  TS_REQ_free(asked);
  return text;
}

class Anchors : public testing::Test {
 protected:
  void SetUp() override {
    const std::string signed_note = SignCheckpoint(
        {.origin = Federation::kOrigin, .size = 7, .root = H("root")}, federation_.LogKey());
    HILUM_ASSERT_OK_AND_ASSIGN(note_, MakeAnchoredNote(signed_note, federation_.LogVkey()));
    url_ = tsa_.Serve();
  }
  absl::StatusOr<AnchorReceipt> Submit(const std::string& policy = "") {
    HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<Anchor> anchor,
                           MakeRfc3161Anchor({.url = url_,
                                              .trust = {.ca_pem = tsa_.ca_pem(), .policy = policy},
                                              .total = absl::Seconds(20),
                                              .clock = &clock_}));
    return anchor->Submit(note_);
  }
  absl::StatusOr<Vouched> Verify(const AnchorReceipt& receipt, const std::string& policy = "") {
    return VerifyTimeStamp(note_.note, receipt, {.ca_pem = tsa_.ca_pem(), .policy = policy});
  }
  void ReplyWith(std::function<std::string(const std::string&)> change) {
    tsa_.change_response = [change](httplib::Response& response) {
      response.set_content(change(response.body), TestAuthority::kReplyType);
    };
  }
  void ExpectRefused(absl::string_view words) {
    const absl::Status status = Submit().status();
    EXPECT_THAT(status, StatusIs(StatusCode::kDataLoss, std::string(words)));
    EXPECT_TRUE(status.GetPayload(std::string(kAnchorReplyPayload)).has_value());
  }

  Federation federation_;
  AnchoredNote note_;
  ShiftedClock clock_;
  TestAuthority tsa_;
  std::string url_;
};

TEST(AnchoredNotes, HaveTheBytesOfTheDesign) {
  const nlohmann::json file = ReadVectors("ledger/generated_end_to_end.json");
  HILUM_ASSERT_OK_AND_ASSIGN(const VerifierKey log,
                             ParseVerifierKey(file.at("log_vkey").get<std::string>()));
  HILUM_ASSERT_OK_AND_ASSIGN(
      const AnchoredNote note,
      MakeAnchoredNote(file.at("checkpoint_300_with_3_cosignatures").get<std::string>(), log));
  EXPECT_EQ(note.note.size(), 183u);
  EXPECT_EQ(ToHex(crypto::Sha256(note.note)),
            "97d756441fe36268cb7a4829defce08fd8e41e1ae256401ae2f3487f633eed4a");
}

TEST_F(Anchors, OpensslTakesTheReceipt) {
  HILUM_ASSERT_OK_AND_ASSIGN(const AnchorReceipt receipt, Submit());
  EXPECT_EQ(tsa_.last_query_type, "application/timestamp-query");
  HILUM_ASSERT_OK_AND_ASSIGN(const Vouched vouched, Verify(receipt));
  EXPECT_LE(std::abs(vouched.time_s - SystemClock().NowSeconds()), 60);
  EXPECT_EQ(vouched.authority, "CN=tsa,O=Test");
  tsa_.Write("note", note_.note);
  tsa_.Write("receipt", std::string(AsText(receipt.bytes)));
  EXPECT_TRUE(tsa_.Run("openssl ts -verify -data note -in receipt -CAfile ca.pem"));
  tsa_.Write("note", note_.note + "x");
  EXPECT_FALSE(tsa_.Run("openssl ts -verify -data note -in receipt -CAfile ca.pem"));
}

TEST_F(Anchors, EveryQuestionHasANonceOfItsOwn) {
  std::vector<std::string> queries;
  tsa_.change_query = [&](const std::string& query) {
    queries.push_back(query);
    return query;
  };
  HILUM_ASSERT_OK(Submit());
  HILUM_ASSERT_OK(Submit());
  ASSERT_EQ(queries.size(), 2u);
  EXPECT_NE(queries[0], queries[1]);
}

TEST_F(Anchors, RefuseAReplyForOtherBytes) {
  tsa_.change_query = [](const auto& query) { return Changed(query, {.other_bytes = true}); };
  ExpectRefused("message imprint mismatch");
}

TEST_F(Anchors, RefuseAnOldNonceAndNone) {
  tsa_.change_query = [](const auto& query) { return Changed(query, {.other_nonce = true}); };
  ExpectRefused("nonce mismatch");
  tsa_.change_query = [](const auto& query) { return Changed(query, {.no_nonce = true}); };
  ExpectRefused("nonce not returned");
}

TEST_F(Anchors, RefuseAReplayOfAnEarlierReply) {
  HILUM_ASSERT_OK_AND_ASSIGN(const AnchorReceipt earlier, Submit());
  ReplyWith([&](const std::string&) { return std::string(AsText(earlier.bytes)); });
  ExpectRefused("nonce mismatch");
}

TEST_F(Anchors, RefuseAnotherAuthority) {
  TestAuthority other;
  tsa_.change_response = [&](httplib::Response& response) {
    response.set_content(other.Answer(tsa_.Read("query")), TestAuthority::kReplyType);
  };
  ExpectRefused("certificate verify error");
}

TEST_F(Anchors, RefuseAnotherKeyUsage) {
  struct Case {
    const char* name;
    const char* usage;
    const char* words;
  };
  for (const Case& one :
       {Case{"code", "critical,codeSigning", "certificate verify error"},
        Case{"soft", "timeStamping", "certificate verify error"},
        Case{"both", "critical,timeStamping,codeSigning", "certificate verify error"},
        Case{"more", "critical,timeStamping,1.2.3.4.5", "not for time stamps alone"}}) {
    tsa_.MakeSigner(one.name, one.usage);
    ReplyWith([&](const auto& reply) { return tsa_.Resign(reply, one.name, "-cades -md sha256"); });
    ExpectRefused(one.words);
  }
  ReplyWith([&](const auto& reply) { return tsa_.Resign(reply, "tsa", "-cades -md sha256"); });
  HILUM_EXPECT_OK(Submit()) << "signed anew by the right key, it is a time stamp";
}

TEST_F(Anchors, RefuseASignatureOverSha1) {
  ReplyWith([&](const auto& reply) { return tsa_.Resign(reply, "tsa", "-cades -md sha1"); });
  ExpectRefused("another hash than SHA-256");
}

TEST_F(Anchors, HoldAReplyToThePolicy) {
  HILUM_ASSERT_OK_AND_ASSIGN(const AnchorReceipt receipt, Submit(TestAuthority::kPolicy));
  HILUM_EXPECT_OK(Verify(receipt, TestAuthority::kPolicy));
  EXPECT_THAT(Verify(receipt, "1.3.6.1.4.1.99999.2"), StatusIs(StatusCode::kDataLoss, "policy"));
  EXPECT_THAT(Submit("1.2.3.4"), StatusIs(StatusCode::kDataLoss, "was not granted"));
  tsa_.change_query = [](const auto& query) { return Changed(query, {.no_policy = true}); };
  EXPECT_THAT(Submit("1.3.6.1.4.1.99999.2"), StatusIs(StatusCode::kDataLoss, "policy mismatch"));
}

TEST_F(Anchors, RefuseAnotherTime) {
  clock_.shift_s = 3600;
  ExpectRefused("at most 300 s");
  clock_.shift_s = -3600;
  ExpectRefused("at most 300 s");
}

TEST_F(Anchors, JudgeTheChainAtTheReceiptsTime) {
  HILUM_ASSERT_OK_AND_ASSIGN(const AnchorReceipt receipt, Submit());
  tsa_.Reissue("tsa.pem", "20190101000000Z", "20210101000000Z");
  const auto at = [this, &receipt](const std::string& year) {
    const std::string reply = tsa_.Resign(
        std::string(AsText(receipt.bytes)), "tsa", "-cades -md sha256", [&](std::string& info) {
          const size_t place = info.find("\x18\x0f");  // GeneralizedTime
          ASSERT_NE(place, std::string::npos);
          info.replace(place + 2, 4, year);
        });
    return Verify({Bytes(reply.begin(), reply.end())});
  };
  HILUM_EXPECT_OK(at("2020"));
  EXPECT_THAT(at("2022"), StatusIs(StatusCode::kDataLoss, "certificate has expired"));
}

TEST_F(Anchors, RefuseACutOrLongerReply) {
  HILUM_ASSERT_OK_AND_ASSIGN(const AnchorReceipt receipt, Submit());
  for (size_t n = 0; n < receipt.bytes.size(); ++n) {
    ASSERT_FALSE(ReadTimeStamp(ByteView(receipt.bytes).first(n)).ok()) << n;
  }
  AnchorReceipt longer = receipt;
  longer.bytes.push_back(0);
  EXPECT_THAT(Verify(longer), StatusIs(StatusCode::kDataLoss, "after its end"));
  longer.bytes.resize(kTimeStampLimitBytes + 1);
  EXPECT_THAT(Verify(longer), StatusIs(StatusCode::kDataLoss, "the limit is 65536"));
  ReplyWith([](const std::string& reply) { return reply.substr(0, reply.size() / 2); });
  ExpectRefused("is no TimeStampResp");
  ReplyWith([](const std::string&) { return std::string(); });
  ExpectRefused("is no TimeStampResp");
}

// What a flipped byte leaves standing says the same.
TEST_F(Anchors, NoFlippedByteChangesWhatAReceiptSays) {
  HILUM_ASSERT_OK_AND_ASSIGN(const AnchorReceipt receipt, Submit());
  HILUM_ASSERT_OK_AND_ASSIGN(const Vouched honest, Verify(receipt));
  size_t n_refused = 0;
  for (size_t i = 0; i < receipt.bytes.size(); ++i) {
    AnchorReceipt flipped = receipt;
    flipped.bytes[i] ^= 1;
    const absl::StatusOr<Vouched> vouched = Verify(flipped);
    n_refused += vouched.ok() ? 0 : 1;
    if (!vouched.ok()) continue;
    ASSERT_EQ(vouched->time_s, honest.time_s) << i;
    ASSERT_EQ(vouched->serial, honest.serial) << i;
  }
  EXPECT_GT(n_refused, receipt.bytes.size() * 9 / 10);
}

TEST_F(Anchors, RefuseAHugeReply) {
  ReplyWith([](const std::string& reply) { return reply + std::string(1 << 20, 'x'); });
  EXPECT_THAT(Submit(), StatusIs(StatusCode::kDataLoss, "more than 65536 bytes"));
}

TEST_F(Anchors, RefuseWhatIsNoReply) {
  tsa_.change_response = [](httplib::Response& response) { response.status = 500; };
  EXPECT_THAT(Submit(), StatusIs(StatusCode::kUnavailable, "answered 500"));
  tsa_.change_response = [](httplib::Response& response) {
    response.status = 302;
    response.set_header("Location", "/tsr");
  };
  EXPECT_THAT(Submit(), StatusIs(StatusCode::kUnavailable, "answered 302"));
  tsa_.change_response = [](httplib::Response& response) {
    response.set_content("<html>welcome</html>", "text/html");
  };
  ExpectRefused("application/timestamp-reply");
  url_ += "/elsewhere";
  EXPECT_THAT(Submit(), StatusIs(StatusCode::kUnavailable, "answered 404"));
  tsa_.Stop();
  EXPECT_THAT(Submit(), StatusIs(StatusCode::kUnavailable, "nothing listens there"));
}

TEST_F(Anchors, RefuseBadSettings) {
  const auto made = [this](const Rfc3161Options& options) {
    return MakeRfc3161Anchor(options).status();
  };
  const TimeStampTrust trust{.ca_pem = tsa_.ca_pem(), .policy = ""};
  EXPECT_THAT(made({.url = "ftp://x", .trust = trust}),
              StatusIs(StatusCode::kInvalidArgument, "http"));
  for (const char* pem : {"", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n"}) {
    EXPECT_THAT(made({.url = url_, .trust = {.ca_pem = pem}}),
                StatusIs(StatusCode::kInvalidArgument, "PEM"));
  }
  const std::string cut = trust.ca_pem + "-----BEGIN CERTIFICATE-----\nAAAA\n";
  EXPECT_THAT(made({.url = url_, .trust = {.ca_pem = cut}}),
              StatusIs(StatusCode::kInvalidArgument, "PEM"));
  for (const char* policy : {"x", "1", "1.2.", "1.2.3 ", "sha256", "1.02.3"}) {
    EXPECT_THAT(made({.url = url_, .trust = {trust.ca_pem, policy}}),
                StatusIs(StatusCode::kInvalidArgument, "no OID"))
        << policy;
  }
}

class AnchorFolders : public Anchors {
 protected:
  Fetch Files() const { return FolderFetch(folder_.path()); }
  absl::StatusOr<StoredAnchor> Stored(uint64_t size = 7) const {
    return ReadAnchor(Files(), size, federation_.LogVkey());
  }
  TemporaryFolder folder_;
};

TEST_F(AnchorFolders, KeepReceiptsThatOpensslTakes) {
  HILUM_ASSERT_OK_AND_ASSIGN(AnchorFolder folder, AnchorFolder::Open(folder_.path()));
  EXPECT_EQ(*ReadAnchorList(Files()), std::vector<uint64_t>{});
  HILUM_ASSERT_OK_AND_ASSIGN(const AnchorReceipt receipt, Submit());
  HILUM_ASSERT_OK(folder.Put(note_, receipt));
  HILUM_ASSERT_OK(folder.PutAuthority(tsa_.ca_pem()));
  EXPECT_EQ(*ReadAnchorList(Files()), std::vector<uint64_t>{7});
  HILUM_ASSERT_OK_AND_ASSIGN(const StoredAnchor stored, Stored());
  HILUM_EXPECT_OK(Verify(stored.receipt));
  EXPECT_EQ(stored.note.checkpoint.root, H("root"));
  EXPECT_TRUE(tsa_.Run(absl::StrCat("cd ", folder_.path().string(),
                                    " && openssl ts -verify -data 7.note -in 7 -CAfile ca.pem")));
}

TEST_F(AnchorFolders, MakeTheListAgainAfterACrash) {
  WriteFileDurably(folder_.path() / "12", AsBytes("a receipt")).IgnoreError();
  WriteFileDurably(folder_.path() / "9", AsBytes("a receipt")).IgnoreError();
  WriteFileDurably(folder_.path() / "7.note", AsBytes("no receipt yet")).IgnoreError();
  WriteFileDurably(folder_.path() / "007", AsBytes("another spelling")).IgnoreError();
  HILUM_ASSERT_OK_AND_ASSIGN(const AnchorFolder folder, AnchorFolder::Open(folder_.path()));
  EXPECT_EQ(folder.sizes(), (std::vector<uint64_t>{9, 12}));
  EXPECT_EQ(*ReadAnchorList(Files()), folder.sizes());
}

TEST_F(AnchorFolders, RefuseAChangedList) {
  for (const char* list : {"7", "7\n7\n", "9\n7\n", "07\n", "x\n", "7\n\n", "-1\n"}) {
    HILUM_ASSERT_OK(WriteFileDurably(folder_.path() / "list", AsBytes(std::string(list))));
    EXPECT_THAT(ReadAnchorList(Files()), StatusIs(StatusCode::kDataLoss, "list of receipts"))
        << list;
  }
}

TEST_F(AnchorFolders, RefuseANoteThatTheLogDidNotSign) {
  HILUM_ASSERT_OK_AND_ASSIGN(AnchorFolder folder, AnchorFolder::Open(folder_.path()));
  HILUM_ASSERT_OK(folder.Put(note_, {Bytes{1, 2, 3}}));
  HILUM_EXPECT_OK(Stored());
  const auto write = [&](const std::string& name, const std::string& text) {
    HILUM_ASSERT_OK(WriteFileDurably(folder_.path() / name, AsBytes(text)));
  };
  write("8.note", note_.note);
  write("8", "a receipt");
  EXPECT_THAT(Stored(8), StatusIs(StatusCode::kDataLoss, "is of size 7"));
  EXPECT_THAT(Stored(9), StatusIs(StatusCode::kDataLoss, "9.note"));
  write("7.note", note_.note + "\u2014 other AAAAAAAA\n");
  EXPECT_THAT(Stored(), StatusIs(StatusCode::kDataLoss, "more than the log's own line"));
  const Checkpoint other{.origin = Federation::kOrigin, .size = 7, .root = H("other")};
  write("7.note", SignCheckpoint(other, federation_.ServerKey()));
  EXPECT_THAT(Stored(), StatusIs(StatusCode::kDataLoss, ""));
}

}  // namespace
}  // namespace hilum::ledger_anchor
