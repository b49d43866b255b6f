"""What a person sees of the demo: the live progress and the page of results."""
import sys

from authority import anchor_section
from consent import consent_section

BAR_WIDTH = 24
PHASE_TEXTS = {
    "create": "making server, keys and ledger; six sites join",
    "import": "each site reads its own DICOM films and consents",
    "launch": "starting the sites; launching the job; each site approves it",
    "train": "training",
    "release": "fetching the released model with its proof",
    "compare": "training what each site would have reached alone, and on pooled films",
    "anchor": "waiting for the time-stamp authority's receipt of the ledger's last checkpoint",
    "ledger": "verifying the ledger; replaying the last round offline",
    "inference": "one film that no site trained on",
}


class Progress:
    """Writes to standard error: a table that redraws itself on a terminal, else lines."""

    def __init__(self, rounds):
        self.rounds = rounds
        self.terminal = sys.stderr.isatty()
        self.drawn_lines = 0
        self.seen = set()

    def phase(self, name):
        self.end()
        print(f"== {PHASE_TEXTS.get(name, name)}", file=sys.stderr, flush=True)

    def note(self, text):
        self.end()
        print(f"   ! {text}", file=sys.stderr, flush=True)

    def end(self):
        self.drawn_lines = 0

    def show(self, status, evaluations):
        if self.terminal:
            self._redraw(live_table(status, evaluations, self.rounds))
            return
        for line in closed_round_lines(status, evaluations):
            if line not in self.seen:
                self.seen.add(line)
                print(f"   {line}", file=sys.stderr, flush=True)

    def _redraw(self, lines):
        back = f"\x1b[{self.drawn_lines}A" if self.drawn_lines else ""
        text = "".join(f"\x1b[2K{line}\n" for line in lines)
        print(back + text, end="", file=sys.stderr, flush=True)
        self.drawn_lines = len(lines)


def bar(fraction):
    full = round(BAR_WIDTH * fraction)
    return "█" * full + "░" * (BAR_WIDTH - full)


def ready(evaluations):
    """The evaluations that are done, by round; a failed one shows as missing."""
    done = {}
    for number, evaluation in evaluations.items():
        if isinstance(evaluation, dict):
            done[number] = evaluation
        elif evaluation.done() and not evaluation.exception():
            done[number] = evaluation.result()
    return done


def closed_round_lines(status, evaluations):
    lines = []
    done = ready(evaluations)
    for summary in status["history"]:
        number = summary["round"]
        waits = number in evaluations and number not in done
        quiet = summary["status"] == "ok" and number not in done and not summary["dropped"]
        if summary["status"] == "open" or waits or quiet:
            continue
        text = f"round {number} {summary['status']}: {len(summary['cohort'])} sites"
        if summary["dropped"]:
            text += f", dropped {', '.join(summary['dropped'])}"
        if summary["status"] == "ok":
            text += f", {summary['total_weight']} films, mean loss {summary['mean_loss']:.3f}"
        if number in done:
            text += f" | common test films: balanced accuracy {interval(done[number]['metrics'])}"
        lines.append(text)
    return lines


def live_table(status, evaluations, rounds):
    closed = sum(1 for r in status["history"] if r["status"] != "open")
    lines = [f"   {bar(closed / rounds)} round {min(closed + 1, rounds)} of {rounds}",
             f"   {'site':<20}{'phase':<12}{'films':>6}{'loss':>9}"]
    for site in status["sites"]:
        known = site.get("films") is not None
        films = str(site["films"]) if known else "-"
        loss = f"{site['loss']:.3f}" if known else "-"
        phase = site["phase"]
        if phase == "training":
            phase += f" {site['percent']}%"
        lines.append(f"   {site['site']:<20}{phase:<12}{films:>6}{loss:>9}")
    return lines + [f"   {line}" for line in closed_round_lines(status, evaluations)]


def interval(metrics):
    low, high = metrics["ci95"]
    return f"{metrics['balanced_accuracy']:.3f} [{low:.3f}, {high:.3f}]"


def estimate_text(estimate):
    """A figure with its interval and the films it rests on; without them there is none."""
    if not estimate:
        return "missing"
    low, high = estimate["ci95"]
    return f"{estimate['value']:.3f} [{low:.3f}, {high:.3f}] n={estimate['n']}"


def auroc_text(metrics):
    return ", ".join(f"{name} {estimate_text(estimate)}"
                     for name, estimate in metrics["estimates"]["auroc"].items())


def comparison_rows(summary):
    metrics = summary["metrics"]
    rows = [(f"only {site}", row) for site, row in metrics.get("local_only", {}).items()]
    rows.append(("federated", metrics["federated"]))
    if metrics.get("pooled"):
        rows.append(("pooled (all films in one place)", metrics["pooled"]))
    if metrics.get("source_only_baseline"):
        rows.append(("rule that sees only the source", metrics["source_only_baseline"]))
    return rows


def metrics_section(summary):
    rows = comparison_rows(summary)
    sources = sorted({s for _, row in rows for s in row.get("by_source", {})})
    lines = [f"{'trained on':<34}{'balanced accuracy [95 %]':<26}"
             + "".join(f"{source:>22}" for source in sources)]
    for name, row in rows:
        by_source = row.get("by_source", {})
        cells = "".join(f"{interval(by_source[s]) if s in by_source else '-':>22}"
                        for s in sources)
        lines.append(f"{name:<34}{interval(row):<26}{cells}")
    federated = summary["metrics"]["federated"]
    lines.append(f"AUROC [95 %], federated: {auroc_text(federated)}")
    for name, difference in (summary.get("differences") or {}).items():
        low, high = difference["ci95"]
        lines.append(f"federated minus {name}: {difference['difference']:+.3f} "
                     f"[{low:+.3f}, {high:+.3f}] (paired bootstrap)")
    return lines


def audit_section(audit):
    """The leak audit row by row, as the programs judged it."""
    columns = ("row", "found", "learned_from", "rule", "verdict")
    rows = [("row", "found [95 %]", "learned from", "what must hold", "verdict"),
            *(tuple(line[column] for column in columns) for line in audit["table"])]
    widths = [max(len(row[i]) for row in rows) for i in range(len(columns))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
             for row in rows]
    lines += ["training films of each source by class:"]
    for source, counts in audit["class_by_site"].items():
        lines.append(f"  {source}: " + ", ".join(f"{name} {n}" for name, n in counts.items()))
    lines += [f"! all films of {source} are of one class" for source in audit["one_class_sites"]]
    if audit["promoted"]:
        return [*lines, "promoted: no row speaks against the model"]
    return [*lines, "not promoted, for research only:",
            *(f"  {reason}" for reason in audit["reasons"])]


def rounds_section(summary):
    """A line for each run of rounds that went alike."""
    runs = []  # [first, last, how it went]
    for entry in summary["rounds"]:
        dropped = entry["dropped"]["items"]
        text = f"{entry['status']}, {len(entry['cohort']['items'])} sites counted"
        text += f", dropped: {', '.join(dropped)}" if dropped else ""
        if runs and runs[-1][2] == text:
            runs[-1][1] = entry["round"]
        else:
            runs.append([entry["round"], entry["round"], text])
    lines = [f"round {first}: {text}" if first == last else f"rounds {first} to {last}: {text}"
             for first, last, text in runs]
    return lines + [f"! {event}" for event in summary["events"]]


def ledger_section(summary):
    answer = {True: "yes", False: "NO"}
    masks = "on (the server learned the sum of each round only; not reviewed by outsiders yet)" \
        if summary["secure_aggregation"] else \
        "off (open mode: the server saw each update; see docs/threat_model.md)"
    return [f"entries {summary['ledger_size']}, verified: {answer[summary['ledger_verified']]}",
            f"last round replayed offline, bit for bit: {answer[summary['replay_verified']]}",
            f"witnesses that must vouch for it: {summary['quorum']} of "
            f"{len(summary['witness_vkeys'])}",
            f"masking: {masks}",
            *anchor_section(summary["anchor"]),
            f"model {summary['model_sha256']}"]


def inference_section(summary):
    finding = summary["inference"]
    text = "abstained" if finding.get("abstained") else ", ".join(
        f"{name} {value:.3f}" for name, value in finding["probabilities"].items())
    return [f"film {finding['file']}", text, f"proof {finding['proof']}"]


def check_section(summary):
    """Commands with this run's names: with Hilum, and with tools that others wrote."""
    export, model = f"{summary['state_dir']}/export", summary["model_dir"]
    last = summary["rounds"][-1]["round"]
    proof = f"{model}/round.tlog-proof"
    receipt = f"{export}/anchors/rfc3161/{summary['anchor']['size']}"
    return ["with Hilum (build/release/bin in PATH, in the clone's folder), offline:",
            f"  hilum ledger verify --from {export} --policy {model}/policy",
            f"  hilum ledger audit {last} --from {export}",
            "without Hilum: Python and openssl; all signatures, links, cosignatures, proofs:",
            f"  python3 docs/verify/verify_export.py {export} --policy {model}/policy \\",
            f"    --vkey {summary['log_vkey']} --proof {proof}",
            "without Hilum: Go's own log library (golang-go, golang-golang-x-mod-dev of Debian):",
            "  GO111MODULE=off GOPATH=/usr/share/gocode go run docs/verify/verify_export.go \\",
            f"    {export} {summary['log_vkey']} {proof}",
            "without Hilum: openssl; the last checkpoint's receipt (the .note repeats its text):",
            f"  openssl ts -verify -in {receipt} -data {receipt}.note \\",
            f"    -CAfile {summary['state_dir']}/authority/ca.pem",
            "in a browser, then open http://127.0.0.1:8000/ledger.html:",
            f"  python3 -m http.server --bind 127.0.0.1 8000 -d {export}",
            "pin the key: compare it with the one that a site got when it joined; a key that comes",
            "with the log itself proves nothing about who made it"]


def files_section(summary):
    state = summary["state_dir"]
    return [f"model with proof   {summary['model_dir']}",
            f"ledger             {summary['ledger_dir']}",
            f"overlay, result    {state}/inference",
            f"each round's model {state}/rounds",
            f"report with plots  {state}/report.html; figures in report.csv, report.evaluation.csv",
            f"this page, JSON    {state}/results.txt, results.json",
            f"every command      {state}/commands.log"]


def imports_section(imports):
    return [f"{site:<20} {report['accepted']} films accepted, {report['rejected']} rejected"
            for site, report in imports.items()]


def results_page(summary, imports):
    """One page of text."""
    sections = [("Films", imports_section(imports)),
                ("Rounds", rounds_section(summary)),
                ("On the common test films, which no site trained on", metrics_section(summary)),
                *([("Leak audit: the disease or its source?", audit_section(summary["leak_audit"]))]
                  if summary["leak_audit"] else []),
                ("Ledger", ledger_section(summary)),
                *([("A patient's consent", consent_section(summary["consent"]))]
                  if summary["consent"] else []),
                ("One inference", inference_section(summary)),
                ("Check it yourself", check_section(summary)),
                ("Where things are", files_section(summary)),
                ("Seconds", [", ".join(f"{k} {v}" for k, v in summary["seconds"].items())])]
    lines = ["", "Hilum demo. Research use only. Not a medical device; not for diagnosis.",
             "What these figures can and cannot show: demo/README.md", ""]
    for title, body in sections:
        lines += [title, "-" * len(title), *body, ""]
    return "\n".join(lines)
