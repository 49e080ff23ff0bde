"""`mpodata verify`: is a version what it says?"""

import argparse
import json
from dataclasses import asdict

from tqdm import tqdm

from mpodata.display.terminal import printable
from mpodata.errors import VersionError
from mpodata.versions.load import load
from mpodata.versions.verify import problems

HELP = "Check a version: hashes, schema, pairs, card against manifest."
EXAMPLE = "mpodata verify user/name@v1.2.0"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="REF", help="NAME@v1.2.0, NAME (the newest), or a version's folder")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    version = load(args.reference)
    files = version.manifest.parquet_files()
    with tqdm(total=len(files), unit="file", desc="verify", disable=None) as bar:

        def checked(path: str) -> None:
            bar.set_postfix_str(path, refresh=False)
            bar.update()

        faults = list(problems(version.folder, version.manifest, checked))
    if args.json:
        result = {"reference": version.reference, "commit": version.commit, "problems": [asdict(p) for p in faults]}
        print(json.dumps(result, indent=2))
        return 2 if faults else 0
    for problem in faults:
        print(printable(f"  {problem}"))
    if faults:
        raise VersionError(f"{version.reference} is not sound: {len(faults)} of its checks failed. Do not use it.")
    rows = sum(file.rows for file in files.values())
    print(f"{version.reference} is sound: {len(files)} files, {rows} rows, commit {version.commit[:12]}.")
    return 0
