"""`mpodata versions`: list a dataset's versions."""

import argparse
import json
from typing import Any

from mpodata.errors import VersionError
from mpodata.versions.load import manifest_at
from mpodata.versions.manifest import Manifest
from mpodata.versions.reference import parse_reference
from mpodata.versions.semver import SemVer
from mpodata.versions.stores.opening import open_store
from mpodata.versions.stores.protocol import Store

HELP = "List the versions of a dataset, newest first."
EXAMPLE = "mpodata versions user/name"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="user/name on the Hub, or a folder ROOT/NAME")
    parser.add_argument("--json", action="store_true", help="print the list as JSON")


def run(args: argparse.Namespace) -> int:
    store = open_store(parse_reference(args.name).name)
    tags = store.tags()
    if not tags:
        raise VersionError(f"{store.name} has no published version in {store.place}.")
    rows = [_row(store, version, tags[version]) for version in sorted(tags, reverse=True)]
    if args.json:
        print(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        if "rows" not in row:
            print(f"{row['version']:<10} {row['commit'][:12]}  not published by mpodata")
            continue
        parts = "; ".join(f"{name}: {', '.join(codes)}" for name, codes in row["translators"].items())
        held = f"{row['rows']:>8} rows  {row['dominant']} + {parts or 'nothing'}"
        print(f"{row['version']:<10} {row['commit'][:12]}  {held}")
    return 0


def _row(store: Store, version: SemVer, commit: str) -> dict[str, Any]:
    manifest = manifest_at(store, commit)
    row = {"version": version.tag, "commit": commit}
    return row if manifest is None else {**row, **_content(manifest)}


def _content(manifest: Manifest) -> dict[str, Any]:
    return {
        "rows": sum(config.rows for config in manifest.configs.values()),
        "dominant": manifest.dominant,
        "translators": {name: list(manifest.languages(name)) for name in manifest.translators()},
        "licence": manifest.licence,
    }
