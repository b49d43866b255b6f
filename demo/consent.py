"""A patient's withdrawal as the ledger shows it: entries, receipt, audit. Standard library only."""
import time

from federation import DemoError

LOGGED_LIMIT_S = 60
AUDIT_SEED = "demo"
AUDIT_SAMPLES = 16


class Revocation:
    """One patient of one site, whose Consent is about to be withdrawn."""

    def __init__(self, federation, job, site, patient):
        self.federation = federation
        self.programs = federation.programs
        self.job = job
        self.site = site
        self.patient = patient
        self.known = len(self.batches())
        self.receipt_path = federation.folder / f"receipt-{patient}.json"

    def batches(self):
        """Indexes of the site's consent-batches in the published ledger."""
        shown = self.programs.json("ledger", "show", "--type", "consent-batch", "--site", self.site,
                                   "--from", self.federation.server_dir)
        return [entry["index"] for entry in shown["entries"]]

    def wait(self):
        """Waits until the withdrawal is an entry; the site's agent logs it by itself."""
        deadline = time.monotonic() + LOGGED_LIMIT_S
        while time.monotonic() < deadline:
            batches = self.batches()
            if len(batches) > self.known:
                return batches[self.known]
            time.sleep(0.2)
        raise DemoError(f"{self.site} has not logged the withdrawal after {LOGGED_LIMIT_S} s")

    def write_receipt(self):
        """What the hospital hands to the patient; the server must still run."""
        self.programs.run("site", "receipt", self.patient, "--study", self.job, "--out",
                          self.receipt_path, "--dir", self.federation.site_dir(self.site))

    def check(self, entries):
        """The entries that tell the story, and an auditor's check of the next round, offline."""
        mine = [e for e in entries if e["by"] == self.site]
        batches = [e for e in mine if e["type"] == "consent-batch"]
        batch = batches[self.known]
        opened = self.first("round-open", (e for e in entries if e["type"] == "round-open" and
                                           e["index"] > batch["index"]))
        pin = self.first("pin", (p for p in opened["consent"]["sites"]["items"]
                                 if p["site"] == self.site))
        manifest = self.first("train-manifest", (e for e in mine if e["type"] == "train-manifest"
                                                 and e["round"] == opened["round"]))
        receipt = self.programs.json("site", "receipt", "--verify", self.receipt_path, "--dir",
                                     self.federation.site_dir(self.site))
        return {"site": self.site,
                "patient": self.patient,
                "revocation_entry": batch["index"],
                "active_set_before": batches[self.known - 1]["active_root"],
                "active_set_after": batch["active_root"],
                "next_round": opened["round"],
                "next_round_entry": opened["index"],
                "next_round_pins": {"batch": pin["batch"], "is_the_revocation":
                                    pin["batch"] == batch["leaf"],
                                    "active_root": pin["active_root"]},
                "manifest_entry": manifest["index"],
                "receipt": {key: receipt[key] for key in ("action", "index", "witnesses")},
                "receipt_file": str(self.receipt_path),
                "audit": self.audit(opened["round"]),
                "limit": receipt["limit"]}

    def first(self, what, found):
        for entry in found:
            return entry
        raise DemoError(f"the ledger holds no {what} of {self.site} after the revocation")

    def audit(self, number):
        disclosure = self.federation.folder / f"disclosure-{number}.json"
        self.programs.run("site", "disclose", number, "--study", self.job, "--seed", AUDIT_SEED,
                          "--samples", AUDIT_SAMPLES, "--out", disclosure, "--dir",
                          self.federation.site_dir(self.site))
        found = self.programs.json("ledger", "audit-consent", disclosure, "--seed", AUDIT_SEED,
                                   "--samples", AUDIT_SAMPLES, "--receipt", self.receipt_path,
                                   "--from", self.federation.server_dir)
        return {key: found[key] for key in ("leaves", "patients", "dummies", "revoked_absent",
                                            "receipts_honoured")}


def consent_section(consent):
    """Lines of the results page."""
    audit = consent["audit"]
    pins = "pins that entry" if consent["next_round_pins"]["is_the_revocation"] else \
        "does NOT pin it"
    witnesses = consent["receipt"]["witnesses"]
    return [f"entry {consent['revocation_entry']}: {consent['site']} logs a consent-batch, in "
            "which one patient withdraws; nobody else can open it",
            f"entry {consent['next_round_entry']}: the round-open of round {consent['next_round']} "
            f"{pins}",
            f"entry {consent['manifest_entry']}: the train-manifest of that round at "
            f"{consent['site']}, before it trains",
            f"the patient's receipt shows \"{consent['receipt']['action']}\" in entry "
            f"{consent['receipt']['index']}, with {len(witnesses)} witnesses: "
            f"{consent['receipt_file']}",
            f"audit of round {consent['next_round']}: {audit['leaves']} leaves of the manifest "
            f"opened, {audit['patients']} patients, all of them active; {audit['revoked_absent']} "
            f"who withdrew in neither tree; {audit['receipts_honoured']} receipt honoured",
            consent["limit"]]
