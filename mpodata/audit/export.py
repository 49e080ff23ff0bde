"""The ids of all rows with findings as a file: CSV, JSON or JSON lines; holds no text of the data."""

import csv
import json
from io import TextIOWrapper
from pathlib import Path
from typing import Final

from mpodata.audit.record import Audit
from mpodata.runtime.whole_files import whole_file

SUFFIXES: Final = (".csv", ".json", ".jsonl")
COLUMNS: Final = ("row", "id", "language", "reason", "field", "severity")


def write_rows(path: Path, audit: Audit) -> None:
    """One record for each finding, the most severe rows first; the format is the suffix of `path`."""
    with whole_file(path) as raw, TextIOWrapper(raw, encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(audit.records())
        elif path.suffix == ".jsonl":
            file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in audit.records())
        else:
            json.dump(list(audit.records()), file, ensure_ascii=False, indent=1)
            file.write("\n")
