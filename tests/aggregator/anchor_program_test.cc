// hilum-server with a time-stamp authority, and hilum-ledger that judges it from outside.
#include <gtest/gtest.h>

#include <sys/wait.h>

#include "httplib.h"
#include "ledger_anchor/note.h"
#include "tests/aggregator/server_program.h"
#include "tests/ledger_anchor/test_authority.h"

namespace hilum::aggregator {
namespace {

using ledger_anchor::TestAuthority;
using nlohmann::json;
using testing::HasSubstr;

Result Ledger(const std::string& arguments) { return Call(arguments, "", "hilum-ledger"); }

std::string Addresses(const Running& server) {
  return absl::StrCat("--grpc ", server.grpc(), " --http ", server.http());
}

class AnchorProgram : public Program {
 protected:
  void SetUp() override {
    Program::SetUp();
    url_ = tsa_.Serve();
    HILUM_ASSERT_OK(WriteFileDurably(dir_ / "tsa.pem", AsBytes(tsa_.ca_pem())));
    Configure(absl::StrCat("url = \"", url_, "\"\nca = \"tsa.pem\"\nevery_s = 1\n"));
  }
  void Configure(const std::string& section) {
    const std::string text = absl::StrCat("[anchor]\n", section);
    HILUM_ASSERT_OK(WriteFileDurably(dir_ / "server.toml", AsBytes(text)));
  }
  bool AnchoredSoon(const Running& server, int size) {
    httplib::Client client("http://" + server.http());
    const std::string line = absl::StrCat("\nhilum_ledger_anchored_entries ", size, "\n");
    for (int i = 0; i < 200; ++i, absl::SleepFor(absl::Milliseconds(50))) {
      const auto metrics = client.Get("/metrics");
      if (metrics && metrics->body.find(line) != std::string::npos) return true;
    }
    return false;
  }
  // Receipts of the sizes 1 and 2.
  void AnchorTwo(Running& server) {
    ASSERT_TRUE(server.listening());
    ASSERT_TRUE(AnchoredSoon(server, 1));
    ASSERT_NE(Join(server, "hospital-a"), nullptr);
    ASSERT_TRUE(AnchoredSoon(server, 2));
  }
  fs::path Receipts() const { return dir_ / "ledger/anchors/rfc3161"; }

  TestAuthority tsa_;
  std::string url_;
};

TEST_F(AnchorProgram, ReceiptsVerifyByFolderByUrlAndByOpenssl) {
  Running server(dir_);
  AnchorTwo(server);
  const std::string http = "http://" + server.http();
  for (const std::string& from : {dir_.string(), http}) {
    for (const std::string& ca :
         {std::string(), absl::StrCat(" --ca ", dir_.string(), "/tsa.pem")}) {
      const Result listed = Ledger(absl::StrCat("anchors --json --from ", from, ca));
      ASSERT_EQ(listed.exit_code, 0) << listed.output;
      const json found = json::parse(listed.output);
      EXPECT_TRUE(found["verified"]);
      EXPECT_EQ(found["authority_trust"] == "pinned", !ca.empty());
      ASSERT_EQ(found["receipts"].size(), 2u);
      EXPECT_EQ(found["receipts"][1]["size"], 2);
      EXPECT_EQ(found["receipts"][1]["root"], found["root"]);
      EXPECT_EQ(found["receipts"][1]["authority"], "CN=tsa,O=Test");
    }
  }
  EXPECT_THAT(Ledger("anchors --from " + http).output, HasSubstr("2 of 2 receipts vouch"));
  httplib::Client client(http);
  for (const char* name : {"2", "2.note"}) {
    tsa_.Write(name, client.Get(absl::StrCat("/anchors/rfc3161/", name))->body);
  }
  EXPECT_TRUE(tsa_.Run("openssl ts -verify -data 2.note -in 2 -CAfile ca.pem"));
  for (const char* path : {"/anchors/rfc3161/..", "/anchors/rfc3161/%2e%2e/%2e%2e/journal",
                           "/anchors/rfc3161/02", "/anchors/rfc3161/3", "/anchors/rfc3161/",
                           "/anchors/rfc3161/2.notes", "/anchors/../journal"}) {
    EXPECT_EQ(client.Get(path)->status, 404) << path;
  }
  EXPECT_EQ(server.Stop(), 0);
}

TEST_F(AnchorProgram, AnExportHoldsTheReceipts) {
  const fs::path out = temporary_.path() / "export";
  {
    Running server(dir_);
    AnchorTwo(server);
    const Result done = Ledger(
        absl::StrCat("export --html --json --from ", dir_.string(), " --out ", out.string()));
    ASSERT_EQ(done.exit_code, 0) << done.output;
    EXPECT_EQ(json::parse(done.output)["receipts"], 2);
    EXPECT_EQ(server.Stop(), 0);
  }
  const Result listed = Ledger("anchors --json --from " + out.string());
  ASSERT_EQ(listed.exit_code, 0) << listed.output;
  EXPECT_EQ(json::parse(listed.output)["receipts"].size(), 2u);
  for (const char* name : {"1", "1.note", "2", "2.note", "ca.pem"}) {
    EXPECT_EQ(*ReadTextFile(out / "anchors/rfc3161" / name, 1 << 16),
              *ReadTextFile(Receipts() / name, 1 << 16));
  }
}

TEST_F(AnchorProgram, ABadReceiptIsExitCode3) {
  Running server(dir_);
  AnchorTwo(server);
  ASSERT_EQ(server.Stop(), 0);
  const std::string anchors = absl::StrCat("anchors --from ", dir_.string(), " ");
  const TestAuthority other;
  const Result stranger =
      Ledger(absl::StrCat(anchors, "--ca ", (other.folder() / "ca.pem").string()));
  EXPECT_EQ(stranger.exit_code, 3);
  EXPECT_THAT(stranger.output, HasSubstr("2 of 2 receipts do not vouch"));
  EXPECT_EQ(Ledger(anchors + "--tsa-policy 1.2.3").exit_code, 3);
  EXPECT_EQ(Ledger(anchors + "--tsa-policy nonsense").exit_code, 2);
  HILUM_ASSERT_OK_AND_ASSIGN(const Bytes receipt, ReadFile(Receipts() / "1", 1 << 16));
  HILUM_ASSERT_OK(WriteFileDurably(Receipts() / "2", receipt));
  const Result swapped = Ledger(anchors + "--json");
  EXPECT_EQ(swapped.exit_code, 3);
  EXPECT_THAT(swapped.output, HasSubstr("message imprint mismatch"));
  EXPECT_THAT(swapped.output, HasSubstr("1 of 2 receipts do not vouch"));
  fs::remove(Receipts() / "2");
  EXPECT_EQ(Ledger(anchors).exit_code, 3) << "the list names it";
  fs::remove(Receipts() / "ca.pem");
  EXPECT_EQ(Ledger(anchors).exit_code, 2);
  fs::remove_all(dir_ / "ledger/anchors");
  const Result none = Ledger(anchors);
  EXPECT_EQ(none.exit_code, 0);
  EXPECT_THAT(none.output, HasSubstr("no receipts"));
}

// A receipt tells of a history that the log does not show any more.
TEST_F(AnchorProgram, AReceiptOfAnotherHistoryIsExitCode3) {
  const fs::path copy = temporary_.path() / "copy";
  {
    Running server(dir_);
    ASSERT_TRUE(server.listening() && AnchoredSoon(server, 1));
    ASSERT_EQ(server.Stop(), 0);
    fs::copy(dir_, copy, fs::copy_options::recursive);
    Running again(dir_);
    AnchorTwo(again);
    ASSERT_EQ(again.Stop(), 0);
  }
  // The copy goes another way: another site is its second entry.
  HILUM_ASSERT_OK(WriteFileDurably(copy / "server.toml", AsBytes(absl::string_view("\n"))));
  dir_ = copy;
  Running forked(copy);
  ASSERT_NE(Join(forked, "hospital-b"), nullptr);
  for (const char* name : {"2", "2.note", "list"}) {
    const fs::path from = temporary_.path() / "server/ledger/anchors/rfc3161" / name;
    fs::copy_file(from, Receipts() / name, fs::copy_options::overwrite_existing);
  }
  const Result found = Ledger("anchors --from http://" + forked.http());
  EXPECT_EQ(found.exit_code, 3);
  EXPECT_THAT(found.output, HasSubstr("the log was forked or cut"));
  EXPECT_THAT(found.output, HasSubstr("1 of 2 receipts do not vouch"));
}

TEST_F(AnchorProgram, BadSettingsAreExitCode2) {
  struct Case {
    const char* section;
    const char* words;
  };
  for (const Case& one :
       {Case{"ca = \"tsa.pem\"\n", "without a url"}, Case{"policy = \"1.2.3\"\n", "without a url"},
        Case{"every_s = 60\n", "without a url"}, Case{"url = \"http://x\"\n", "names no file"},
        Case{"url = \"x\"\nca = \"tsa.pem\"\n", "is not http"},
        Case{"url = \"http://x\"\nca = \"tsa.pem\"\nevery_s = 604801\n", "604800"},
        Case{"url = \"http://x\"\nca = \"tsa.pem\"\nevery = 1\n", "every"},
        Case{"url = \"http://x?q\"\nca = \"tsa.pem\"\n", "[anchor] of server.toml"},
        Case{"url = \"http://x\"\nca = \"server.toml\"\n", "PEM"},
        Case{"url = \"http://x\"\nca = \"absent.pem\"\n", "absent.pem"},
        Case{"url = \"http://x\"\nca = \"tsa.pem\"\npolicy = \"y\"\n", "no OID"}}) {
    Configure(one.section);
    const Result run = Verb("run", "--grpc 127.0.0.1:0 --http 127.0.0.1:0 --log-file /dev/null");
    EXPECT_EQ(run.exit_code, 2) << one.section << run.output;
    EXPECT_THAT(run.output, HasSubstr(one.words));
  }
}

class MonitorProgram : public Program {
 protected:
  Result Look(const Running& server, const std::string& more = "") {
    return Ledger(absl::StrCat("monitor http://", server.http(), " --once --json --state ",
                               State().string(), " ", more));
  }
  fs::path State() const { return temporary_.path() / "monitor"; }
  std::string Remembered() const { return ReadTextFile(State() / "checkpoint", 1 << 16).value(); }
  // The notes of the one file of evidence.
  std::string Evidence() const {
    std::string found;
    for (const auto& file : fs::directory_iterator(State())) {
      if (file.path().filename().string().rfind("fork-", 0) != 0) continue;
      EXPECT_TRUE(found.empty());
      found = ReadTextFile(file.path(), 1 << 16).value();
      fs::remove(file.path());
    }
    return found;
  }
  void ExpectFork(const Running& server, const std::string& words) {
    const std::string before = Remembered();
    const Result look = Look(server);
    EXPECT_EQ(look.exit_code, 3) << look.output;
    EXPECT_THAT(look.output, HasSubstr(words));
    const std::string evidence = Evidence();
    ASSERT_EQ(evidence.rfind(before + "\n", 0), 0u) << evidence;
    const std::string shown = evidence.substr(before.size() + 1);
    EXPECT_EQ(shown, httplib::Client("http://" + server.http()).Get("/checkpoint")->body);
    EXPECT_EQ(Remembered(), before) << "what contradicts is not accepted";
  }
};

TEST_F(MonitorProgram, TellsWhatIsNew) {
  const Running server(dir_);
  const json first = json::parse(Look(server).output);
  EXPECT_EQ(first["event"], "checkpoint");
  EXPECT_EQ(first["trust"], "trust on first use");
  EXPECT_EQ(first["size"], 1);
  EXPECT_EQ(first["new"].size(), 0u);
  EXPECT_EQ(json::parse(Look(server).output)["event"], "unchanged");
  ASSERT_NE(Join(server, "hospital-a"), nullptr);
  const json second = json::parse(Look(server).output);
  EXPECT_EQ(second["trust"], "pinned");
  EXPECT_EQ(second["old_size"], 1);
  ASSERT_EQ(second["new"].size(), 1u);
  EXPECT_EQ(second["new"][0]["member"], "hospital-a");
  const Result text = Ledger(absl::StrCat("monitor --once http://", server.http()));
  EXPECT_EQ(text.exit_code, 0);
  EXPECT_THAT(text.output, HasSubstr("2 entries verified, seen for the first time"));
}

// The log is copied; each copy goes its own way and signs with the same key.
TEST_F(MonitorProgram, AForkAndARollbackAreExitCode3AndEvidence) {
  const fs::path copy = temporary_.path() / "copy";
  fs::copy(dir_, copy, fs::copy_options::recursive);
  std::string addresses;
  {
    Running server(dir_);
    ASSERT_NE(Join(server, "hospital-a"), nullptr);
    ASSERT_EQ(Look(server).exit_code, 0);
    addresses = Addresses(server);
    ASSERT_EQ(server.Stop(), 0);
  }
  dir_ = copy;
  const Running forked(copy, "", addresses);
  ASSERT_TRUE(forked.listening());
  ExpectFork(forked, "went back from 2 entries to 1, a rollback");
  ASSERT_NE(Join(forked, "hospital-b"), nullptr);
  ExpectFork(forked, "two roots for its size 2, a fork");
  ASSERT_NE(Join(forked, "hospital-c"), nullptr);
  ExpectFork(forked, "does not extend the one of 2");
  std::string vkey = ReadTextFile(State() / "log.vkey", 4096).value();
  vkey.pop_back();  // the line end
  const Result bare =
      Ledger(absl::StrCat("monitor --once http://", forked.http(), " --vkey ", vkey));
  EXPECT_EQ(bare.exit_code, 0) << "who saw nothing before notices nothing: " << bare.output;
}

TEST_F(MonitorProgram, AnotherLogIsRefused) {
  const Running server(dir_);
  ASSERT_EQ(Look(server).exit_code, 0);
  const fs::path other = temporary_.path() / "other";
  ASSERT_EQ(Call(absl::StrCat("init --federation test.example --dir ", other.string())).exit_code,
            0);
  const Running stranger(other);
  EXPECT_EQ(Look(stranger).exit_code, 3) << "the same name, another key";
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string policy, ReadTextFile(other / "ledger/policy", 4096));
  const std::string pinned = (temporary_.path() / "policy").string();
  HILUM_ASSERT_OK(WriteFileDurably(pinned, AsBytes(policy)));
  const Result pins = Look(server, "--policy " + pinned);
  EXPECT_EQ(pins.exit_code, 2);
  EXPECT_THAT(pins.output, HasSubstr("two keys are pinned"));
  EXPECT_EQ(Look(server, "--interval 0").exit_code, 2);
  EXPECT_EQ(Ledger("monitor --once http://127.0.0.1:9").exit_code, 5);
}

TEST_F(MonitorProgram, AQuorumIsAskedFor) {
  const Running server(dir_);
  const json identity =
      json::parse(ReadTextFile(dir_ / "operator/federation.json", 1 << 16).value());
  const std::string vkey = identity["log_vkey"];
  const auto witness =
      ledger_anchor::MakeVerifierKey("w.example", ledger_anchor::KeyType::kCosignature,
                                     crypto::SigningKey::Generate().public_key());
  const fs::path policy = temporary_.path() / "policy";
  const std::string text =
      absl::StrCat("log ", vkey, "\nwitness w ", FormatVerifierKey(witness), "\nquorum w\n");
  HILUM_ASSERT_OK(WriteFileDurably(policy, AsBytes(text)));
  EXPECT_EQ(Look(server, "--policy " + policy.string()).exit_code, 4);
  EXPECT_FALSE(fs::exists(State() / "checkpoint"));
}

// Follows in the background; each event is a line.
TEST_F(MonitorProgram, FollowsUntilItIsStoppedAndOutlivesTheServer) {
  auto server = std::make_unique<Running>(dir_);
  const std::string command =
      absl::StrCat("echo $$; exec ", HILUM_BIN_DIR, "/hilum-ledger monitor http://", server->http(),
                   " --json --interval 1 --state ", State().string());
  std::FILE* pipe = popen(command.c_str(), "r");
  char line[65536];
  const auto next = [&] {
    return std::fgets(line, sizeof(line), pipe) != nullptr ? json::parse(line) : json();
  };
  const int pid = next();
  EXPECT_EQ(next()["size"], 1);
  ASSERT_NE(Join(*server, "hospital-a"), nullptr);
  json event = next();
  EXPECT_EQ(event["size"], 2);
  EXPECT_EQ(event["new"][0]["type"], "join");
  const std::string addresses = Addresses(*server);
  server.reset();
  event = next();
  EXPECT_EQ(event["event"], "trouble");
  server = std::make_unique<Running>(dir_, "", addresses);
  EXPECT_EQ(next()["event"], "unchanged");
  kill(server->pid(), SIGSTOP);  // the next look takes until SIGCONT: the signal comes within it
  absl::SleepFor(absl::Seconds(2));
  kill(pid, SIGTERM);
  absl::SleepFor(absl::Milliseconds(200));
  kill(server->pid(), SIGCONT);
  const int status = pclose(pipe);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

}  // namespace
}  // namespace hilum::aggregator
