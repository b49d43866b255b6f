// Where a site keeps what: the folder of `--dir`, and the options of its site.toml.
#ifndef HILUM_CLIENT_SITE_FOLDER_H_
#define HILUM_CLIENT_SITE_FOLDER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"
#include "client/sources.h"

namespace hilum::client {

// site.toml, read by cli/site_config. The defaults are the strict ones.
struct SiteOptions {
  std::string site;    // the member's name
  std::string server;  // HOST:PORT

  // [policy]: what this hospital allows, whatever a server or a job asks for.
  bool auto_approve = false;  // approve = "auto": jobs within the policy need no person
  bool allow_open = false;    // take part in jobs whose server sees each update by itself
  uint16_t min_cohort = 2;    // smallest number of sites in a round
  double max_clip_l2 = 100.0;
  uint32_t max_weight = 1'000'000;
  double min_sigma = 0.0;      // above 0: only jobs with differential privacy, and this much noise
  double max_epsilon = 0.0;    // above 0: the privacy budget of each unit, over all jobs
  double budget_delta = 1e-5;  // of the budget, whatever delta a job claims
  uint64_t min_films = 1;      // take no part with fewer films
  // How a masked round is verified before its model is used (round_check.h): full, sampled,
  // tags, none.
  std::string verify = "full";
  std::vector<std::string> architectures;  // empty: all that this program knows

  // [training]
  int threads = 1;
  int64_t checkpoint_steps = 50;  // a round's training can go on from every so many steps; 0: none

  // [ledger]
  uint64_t faults = 0;  // witnesses that may be dishonest
  uint64_t max_cosignature_age_s = 3600;

  // The program that runs the site's witness (hilum-ledger); empty: this agent runs none. Not of
  // site.toml: it lies beside the agent's own.
  fs::path witness_program;

  // [import]
  std::string profile = "cxr128";  // films are prepared for this one
  // IssuerOfPatientID values of this hospital's own patient ids. Empty: every film's PatientID
  // counts as the hospital's own. Otherwise films of other issuers find no Consent.
  std::vector<std::string> issuers;
  SourceOptions sources;
};

// The files of a site. Keys have mode 0600.
struct SiteFolder {
  fs::path root;

  fs::path config() const { return root / "site.toml"; }
  fs::path ca_pem() const { return root / "ca.pem"; }
  fs::path tls_key() const { return root / "keys" / "tls.key"; }
  fs::path tls_certificate() const { return root / "keys" / "tls.pem"; }
  fs::path entry_key() const { return root / "keys" / "entry.key"; }
  fs::path next_entry_key() const { return root / "keys" / "entry.next.key"; }  // rotation.h
  // Opens the sealed copies of models; docs/site.md says what its loss means.
  fs::path age_identity() const { return root / "keys" / "age.key"; }
  fs::path pseudonym_secret() const { return root / "keys" / "pseudonym.key"; }
  fs::path ledger() const { return root / "ledger"; }
  fs::path witness() const { return root / "witness"; }
  fs::path database() const { return root / "state.sqlite"; }
  // Nonces that open what the ledger holds about consents; never leaves the site.
  fs::path consents() const { return root / "consent.sqlite"; }
  // Objects that came over the network, labels.csv and consent/ for them; see client/inbox.h.
  fs::path inbox() const { return root / "inbox"; }
  fs::path receiving() const { return root / "receiving"; }  // of these, what is still coming
  fs::path cache() const { return root / "cache"; }
  fs::path models() const { return root / "models"; }
  fs::path optimizer() const { return root / "optimizer"; }  // memories of jobs (keep_optimizer)
  fs::path local() const { return root / "local"; }          // local_layers.h
  fs::path training() const { return root / "training"; }    // round_checkpoint.h
  fs::path outbox() const { return root / "outbox"; }        // updates, until their round is over
  fs::path evidence() const { return root / "evidence"; }    // of incidents, by SHA-256
  fs::path logs() const { return root / "logs"; }
  fs::path lock() const { return root / "run.lock"; }  // held by the agent
};

}  // namespace hilum::client

#endif  // HILUM_CLIENT_SITE_FOLDER_H_
