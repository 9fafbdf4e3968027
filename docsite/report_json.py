"""The reference of report.json: keys and types from its JSON Schema.

Only the meaning of a key is written here; a key without a meaning, or a meaning without a key,
stops the build.
"""

from __future__ import annotations

import json
from typing import Any

from byheart.report.schema import SCHEMA_FILE
from docsite.markdown import escaped

OPENING = """# report.json

`byheart audit` writes `report.json` beside `report.html`. Its schema, version 2, is shipped with
the package as `byheart/report/report.schema.json` (JSON Schema, draft 2020-12), and what is below
is read from it. Every key but `approximation` and `untested` is always there; `null` stands where
there is no value, and a warning says why. Distances are in the units of the compared features,
shares and rates are fractions, rows are counted from 0. Paths are relative to the report.
`created` follows `SOURCE_DATE_EPOCH`; all else is the same, byte for byte, for the same input,
options, seed and machine.

```python
import byheart
import json
import numpy as np

train, heldout, fresh = np.random.default_rng(0).normal(size=(3, 200, 4))
result = byheart.audit(train, heldout, train + 0.001, permutations=199)
report = json.loads(result.to_json("report.json").read_text())
print(report["schema_version"], report["verdict"], report["kind"])
```

```output
2 memorizes copies
```

In Python `byheart.report.document.read_json(path)` reads and validates one, of version 1
too: it gives the `AuditResult` back, without the rows that were shown.
"""
MEANING = {
    "report": {
        "schema_version": "of this format",
        "byheart_version": "of the program",
        "created": "time in UTC, ISO 8601",
        "seed": "of every random choice",
        "level": "of the test and of all bounds",
        "fdr": "false discovery rate asked for",
        "tolerance": "share of training points that may leave a trace",
        "resolution": "largest undetectable share of copies that still clears a model",
        "permutations": "random relabellings",
        "verdict": "the answer",
        "kind": "of `memorizes`: points come back, or leave traces only",
        "reason": "one sentence a person can act on",
        "p_value": "of the whole family of statistics, exact",
        "inputs": "`train`, `heldout` and `generated`; `heldout` is null when there was none",
        "tests": "the statistics of the family",
        "delta": "the relative distance",
        "copies": "which training points come back, and how many at least",
        "membership": "privacy figures",
        "controls": "what has to hold before a verdict is believed",
        "metrics": "descriptive figures by name",
        "parameters": "what was compared (`features`) and the other options; keys may be added",
        "environment": "versions, BLAS and threads",
        "warnings": "what was noticed, one sentence each",
        "verbatim": "real rows that stand in the samples, equal in every value",
        "sensitivity": "how far from random the split may have been",
        "trace": "the size of a trace beside what ordinary fitting leaves; null unless `kind` is "
        "`traces`",
        "approximation": "of `--approximate`; absent from exact audits",
        "judgements": "what each control says about the verdict",
        "untested": "what is listed without a held-out set; absent from audits that have one",
    },
    "Verbatim": {
        "train_rows": "training rows that come back",
        "train_values": "the same, equal rows counted once",
        "heldout_rows": "held-out rows that stand in the samples",
        "heldout_values": "the same, equal rows counted once",
        "shared_values": "of those, values of both sets: no evidence",
        "generated_of_train": "generated rows equal to a training row",
        "generated_of_heldout": "generated rows equal to a held-out row",
        "most_repeated": "the real row that comes back most often",
        "generated_rows": "of the generated set",
        "distinct_generated": "different ones among them",
        "effective_generated": "inverse Simpson number of different ones",
        "real_distinct": "whether no two real rows are equal",
        "p_value": "of so many verbatim rows in T, hypergeometric",
        "pairs": "generated row and the first training row equal to it; the first thousand",
    },
    "Repeated": {"role": "its set", "index": "its row", "times": "generated rows equal to it"},
    "Sensitivity": {
        "largest_odds": "odds ratio of membership under which the suspicion is still significant; "
        "null: none",
        "residual_odds": "the same beyond the difference of T and H that was seen, an estimate",
    },
    "Trace": {
        "auc": "membership area of the audit",
        "ordinary": "smallest and largest area that a smooth fit of as many rows leaves",
        "fit": "the smooth law",
        "repeats": "fits",
    },
    "Exchangeability": {
        "p_value": "of the control",
        "passed": "at a fifth of the level",
        "parts": "p-value of each statistic alone",
        "order_p_value": "that rows which follow each other are no more alike than others; looked "
        "at where T and H differ",
    },
    "InputSet": {
        "path": "as given, relative to the report",
        "sha256": "of the file's bytes; of a folder's sorted names and bytes; of an array's type, "
        "shape and bytes",
        "rows": "samples",
        "dimension": "columns after encoding",
        "dtype": "of the stored values",
    },
    "Test": {
        "name": "of the statistic",
        "statistic": "its observed value",
        "p_value": "its own",
        "p_adjusted": "the family's, had it alone spoken for its group",
    },
    "Delta": {"kl": "in nats", "l2": "divided by the pooled overlap, in about [−4, 4]"},
    "DeltaCurve": {
        "bandwidths": "of the kernel",
        "values": "at each bandwidth; negative is memorization",
        "intervals": "bootstrap over generated points",
        "null": "where random relabelling keeps the curve, a share 1 − level of the time; empty "
        "for the L2 form, approximate audits and reports of earlier versions",
    },
    "Copies": {
        "memorized_lower_bound": "training points that left a trace at least, with confidence "
        "1 − level; null where T and H differ",
        "fdr": "of the list",
        "minimum_list_length": "no shorter list can come out at this rate and these sizes",
        "flagged_train": "rows on the list",
        "pairs": "training rows that are named or reproduced, the closest first",
        "reproduced_train": "rows with a generated row three times nearer than any other real row",
        "reproduced_heldout": "the same for held-out rows: what chance alone does",
        "withheld": "why bound, list and epsilon are not given, or null",
        "reproduction_p_value": "that G reproduces T no more often than T reproduces itself",
        "share_of_generated": "generated rows that copy a training row",
        "share_interval": "of that share",
        "rows": "every generated row that copies a training row, the closest first",
        "training_rows": "training rows that come back or have a twin, most often reproduced first",
    },
    "CopyingRow": {
        "generated_index": "row",
        "generated_name": "file name, ID or row; null when names are withheld",
        "train_index": "row",
        "train_name": "file name, ID or row; null when names are withheld",
        "distance": "between the two",
        "verbatim": "whether they are equal",
        "times_reproduced": "generated rows that copy this training row",
        "q_value": "of the training row, as in `pairs`; null without a held-out set",
    },
    "TrainingRow": {
        "train_index": "row",
        "train_name": "file name, ID or row; null when names are withheld",
        "times_reproduced": "generated rows that copy it",
        "distance": "to the nearest generated row",
        "named": "whether it stands in `flagged_train`",
        "cluster": "number of its cluster of duplicates and near duplicates in the training set; "
        "null for none",
        "twin_distance": "to the nearest row of the cluster; 0 is a duplicate",
    },
    "Untested": {
        "rows": "generated rows equal to a training row",
        "closest": "the hundred closest pairs, one for each generated row",
        "training_rows": "as in `copies`",
    },
    "CopiedPair": {
        "train_index": "row",
        "generated_index": "row",
        "distance": "between the two",
        "q_value": "smallest false discovery rate at which the row is on the list",
        "train_name": "file name or row; null when names are withheld",
        "generated_name": "file name or row; null when names are withheld",
    },
    "Membership": {
        "auc": "of the attack; ½ is none",
        "auc_interval": "score interval",
        "tpr_at_fpr": "true-positive rates at the false-positive rates `0.01` and `0.001`; null "
        "below 100 and 1,000 held-out points",
        "epsilon_lower_bound": "pure epsilon, replacement adjacency, with confidence 1 − level",
    },
    "Controls": {
        "role_swap": "the family with T and H exchanged",
        "exchangeability": "T against H, real rows only",
        "duplicates": "rows in both sets",
        "planted": "copies put in on purpose",
        "minimum_detectable_rate": "smallest share of T, copied, that is found in 95% of repeats",
        "comparability": "one scale for the three sets",
        "independence": "of the held-out set",
    },
    "Judgement": {
        "control": "its key in `controls`",
        "name": "in words",
        "state": "whether it holds; `not needed` if it does not and the verdict does not rest on "
        "it, `shown` if nothing judges it",
        "value": "what was measured, in one line",
    },
    "ControlTest": {"p_value": "of the control", "passed": "at a fifth of the level"},
    "Comparability": {
        "distance_ratio": "median distance from a generated row to the nearest real one over that "
        "between two real rows at random",
        "limit": "beyond it the audit decides nothing",
        "passed": "whether it held",
        "cause": "the re-encoding that would bring the samples to the data",
    },
    "Independence": {
        "generated_share": "of generated rows that reproduce a held-out row",
        "train_share": "of training rows that do",
        "p_value": "that the first is no larger",
        "passed": "whether it held",
    },
    "Duplicates": {"count": "pairs", "pairs": "the first hundred"},
    "Planted": {
        "noise": "of the copies, in units of the median distance between nearest real rows",
        "training_share": "of T that is copied",
        "generated_share": "of G that are copies",
        "power": "share of repeats that find them; null where the search did not go",
        "minimum_detectable_share": "for each noise",
    },
    "Metric": {
        "value": "the figure",
        "interval": "where there is one",
        "goal": "which direction is good",
        "minimum": "smallest possible value",
        "maximum": "largest possible value",
    },
    "Approximation": {
        "lists": "into which the real rows were sorted",
        "read_by_generated": "share of the real rows that a generated row was compared with",
        "read_by_real": "the same of a real row",
        "forward": "of the real rows nearest to a generated one",
        "backward": "of the generated row nearest to a real one; k is 1",
        "among_real": "of the other real rows nearest to a real one",
        "sampled": "figures computed exactly, on the sample",
        "withheld": "metrics that would need all rows",
    },
    "Recall": {
        "rows": "of the sample, searched again among all rows",
        "at_1": "share of the nearest rows found",
        "at_1_interval": "Wilson interval",
        "at_k": "share of the k nearest rows found",
        "at_k_interval": "Wilson interval, as of one row a query",
    },
}


def page() -> str:
    """Return the page; raises ValueError when MEANING and the schema do not match."""
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    parts = [OPENING]
    records = {"report": schema, **schema["$defs"]}
    del records["JsonValue"]
    for name in set(records) ^ set(MEANING):
        raise ValueError(f"docsite/report_json.py and report.schema.json differ in {name}")
    for name, meanings in MEANING.items():
        record = records[name]
        for key in set(record["properties"]) ^ set(meanings):
            raise ValueError(f"docsite/report_json.py and the schema differ in {name}.{key}")
        title = "The whole" if name == "report" else name
        parts.append(f"## {title}\n\n{escaped(record.get('description', ''))}\n")
        for key, value in record["properties"].items():
            parts.append(f"`{key}` {_type(value)}\n:   {meanings[key]}\n")
    return "\n".join(parts)


def _type(value: dict[str, Any]) -> str:
    """Return a key's type in words; records are links to their section."""
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[1]
        return "anything" if name == "JsonValue" else f"[{name}](#{name.lower()})"
    if "anyOf" in value:
        return " or ".join(_type(option) for option in value["anyOf"])
    if "enum" in value:
        return " or ".join(f'`"{option}"`' for option in value["enum"])
    if "const" in value:
        return f'`"{value["const"]}"`'
    if "prefixItems" in value:
        return "pair of " + _type(value["prefixItems"][0])
    if value.get("type") == "array":
        return "list of " + _type(value["items"]).replace("whole number", "whole numbers")
    additional = value.get("additionalProperties")
    if isinstance(additional, dict):
        return f"name → {_type(additional)}"
    words = {
        "integer": "whole number",
        "string": "text",
        "null": "null",
        "boolean": "true or false",
    }
    return words.get(value.get("type", "anything"), value.get("type", "anything"))
