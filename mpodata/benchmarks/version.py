"""Versions of a translated benchmark in a folder registry: ROOT/NAME/vX.Y.Z/, immutable, whole or not there.

    README.md        the card: attribution, licence, what is machine-translated and by whom
    manifest.json    what made it and what it holds; its presence means complete
    data/sw.jsonl    one file per language, the original `en` among them

A language more is a MINOR version; other rows of a language that was there are a MAJOR one. The same again is none.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import jinja2
import yaml

from mpodata.about import __version__
from mpodata.benchmarks import xstest
from mpodata.benchmarks.translate import ORIGINAL, LanguageFile
from mpodata.errors import VersionError
from mpodata.languages import language
from mpodata.licences import derived_licence, licensed_parts
from mpodata.runtime.files import file_inside
from mpodata.runtime.whole_files import check_folder_writable
from mpodata.versions.card import cards_folder
from mpodata.versions.card_facts import cell
from mpodata.versions.manifest import CARD, MANIFEST
from mpodata.versions.semver import FIRST, Bump, SemVer
from mpodata.versions.stores.folder import FolderStore
from mpodata.versions.stores.protocol import Access, Change

SCHEMA: Final = 1


@dataclass(frozen=True, slots=True)
class BenchmarkVersion:
    """A version as it lies on disk."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self.manifest["languages"])

    @property
    def version(self) -> str:
        return str(self.manifest["version"])

    def files(self) -> dict[str, Path]:
        """language -> its file, with the hash that the manifest says; raises VersionError for another one."""
        files = {}
        for code, facts in self.manifest["languages"].items():
            path = file_inside(self.folder, facts["path"])
            if sha256(path.read_bytes()).hexdigest() != facts["sha256"]:
                raise VersionError(f"{path} is not the file that {MANIFEST} names: it was changed or damaged.")
            files[code] = path
        return files

    def made_by(self) -> dict[str, list[str]]:
        """translator -> the languages it made."""
        made: dict[str, list[str]] = {}
        for code, facts in self.manifest["languages"].items():
            if facts["translator"]:
                made.setdefault(facts["translator"]["name"], []).append(code)
        return made


def open_benchmark(place: str) -> BenchmarkVersion | None:
    """The version at `place` (a version's folder, ROOT/NAME for the newest, ROOT/NAME@v1.2.0); None for anything else.

    Raises VersionError where `place` names a version that is not there, or a manifest that cannot be read.
    """
    name, _, wanted = place.rpartition("@")
    pinned = SemVer.of_tag(wanted if wanted.startswith("v") else f"v{wanted}") if name else None
    folder = Path(name if pinned else place).expanduser()
    if pinned is not None:
        if not folder.is_dir():
            return None  # a dataset of the Hub
        if not (folder / pinned.tag / MANIFEST).is_file():
            raise VersionError(f"{name} has no version {pinned.tag}.")
        return _read(folder / pinned.tag)
    if (folder / MANIFEST).is_file():
        return _read(folder)
    tagged = {version: path for path in folder.glob("v*") if (version := SemVer.of_tag(path.name)) is not None}
    return _read(tagged[max(tagged)]) if tagged else None


def _read(folder: Path) -> BenchmarkVersion | None:
    path = file_inside(folder, MANIFEST)
    try:
        manifest = json.loads(path.read_bytes())
    except ValueError as error:
        raise VersionError(f"{path} is not JSON: {error}.") from error
    if not isinstance(manifest, dict) or "benchmark" not in manifest:
        return None  # a dataset version
    if manifest.get("schema") != SCHEMA:
        raise VersionError(f"{path} is of schema {manifest.get('schema')!r}; this mpodata reads {SCHEMA}. Upgrade it.")
    return BenchmarkVersion(folder, manifest)


def check_place(out: Path) -> None:
    """Raise VersionError or OSError, before anything is translated, where `out` can hold no versions of a benchmark."""
    if out.is_file():
        raise VersionError(f"{out} is a file: name a folder ROOT/NAME, the benchmark's versions go into it.")
    if (out / MANIFEST).exists() or (FolderStore(out).tags() and open_benchmark(str(out)) is None):
        raise VersionError(f"{out} holds a dataset, or one version: name a folder ROOT/NAME for the benchmark.")
    check_folder_writable(FolderStore(out).folder)  # a link to nowhere is made, as every folder registry's


def write_version(
    out: Path, source: Mapping[str, Any], made: Mapping[str, LanguageFile]
) -> tuple[BenchmarkVersion, Bump]:
    """The next version at `out` (ROOT/NAME) with the languages `made`; those of the last version that are not made
    anew stay as they are. Bump.NONE, and the last version, where nothing changed.

    source: what the English table was, with its hash. Raises VersionError where the English prompts changed and a
    language of the last version would be left with the old ones.
    """
    check_place(out)
    store = FolderStore(out)
    _finish_interrupted(store)
    before = open_benchmark(str(store.folder)) if store.tags() else None
    languages = {code: _facts(code, file) for code, file in made.items()}
    kept = {} if before is None else {c: f for c, f in before.manifest["languages"].items() if c not in made}
    bump = Bump.MINOR if before is None else _bump(before.manifest["languages"], languages)
    if bump is Bump.NONE and before is not None:
        return before, bump
    if before is not None and kept and _changed(before.manifest["languages"], languages, ORIGINAL):
        raise VersionError(
            f"The English prompts are not those of {before.folder.name}: translate its languages anew too, "
            f"--languages {','.join(sorted({*kept, *languages} - {ORIGINAL}))}, or give another --out."
        )
    version = FIRST if before is None else SemVer.parse(before.version).bumped(bump)
    manifest = _manifest(out.name, version, source, {**kept, **languages})
    files: dict[str, Path | bytes] = {facts["path"]: made[code].data for code, facts in languages.items()}
    files |= {CARD: card(manifest).encode(), MANIFEST: _text(manifest)}
    store.prepare(Access(harmful=True, private=True, gated=True))
    commit = store.commit(store.head(), Change(files, (), f"{version.tag}"))
    store.tag(version, commit)
    return BenchmarkVersion(store.folder / version.tag, manifest), bump


def _finish_interrupted(store: FolderStore) -> None:
    """Give a version that was written, but whose writer was killed before it had its name, that name."""
    head = store.head()
    if head is not None and head not in store.tags().values():
        manifest = json.loads(store.read(head, MANIFEST) or b"{}")
        store.tag(SemVer.parse(str(manifest.get("version"))), head)


def _manifest(name: str, version: SemVer, source: Mapping[str, Any], languages: Mapping[str, Any]) -> dict[str, Any]:
    ordered = {code: languages[code] for code in sorted(languages, key=lambda code: (code != ORIGINAL, code))}
    licences = {xstest.TITLE: xstest.LICENCE}
    for facts in ordered.values():
        if facts["translator"]:
            licences |= licensed_parts(facts["translator"]["name"], facts["translator"])
    return {
        "schema": SCHEMA,
        "benchmark": xstest.NAME,
        "name": name,
        "version": str(version),
        "source": {"url": xstest.SOURCE, "licence": xstest.LICENCE, **source},
        "licences": licences,
        "licence": derived_licence(licences.values()),
        "languages": ordered,
        "mpodata": __version__,
    }


def _facts(code: str, file: LanguageFile) -> dict[str, Any]:
    return {"path": f"data/{code}.jsonl", "sha256": sha256(file.data).hexdigest(), **file.facts}


def _bump(before: Mapping[str, Any], now: Mapping[str, Any]) -> Bump:
    if any(_changed(before, now, code) for code in now):
        return Bump.MAJOR
    if now.keys() - before.keys():
        return Bump.MINOR
    return Bump.NONE


def _changed(before: Mapping[str, Any], now: Mapping[str, Any], code: str) -> bool:
    return code in before and code in now and before[code]["sha256"] != now[code]["sha256"]


def _text(manifest: Mapping[str, Any]) -> bytes:
    return (json.dumps(manifest, ensure_ascii=False, indent=2) + "\n").encode()


def card(manifest: Mapping[str, Any]) -> str:
    """The README.md: Hub front matter, attribution, what was translated by whom. A pure function of the manifest."""
    languages = manifest["languages"]
    front = {
        "pretty_name": manifest["name"],
        "language": list(languages),
        "license": manifest["licence"],
        "multilinguality": ["translation"],
        "task_categories": ["text-generation"],
        "tags": ["safety", "over-refusal", "xstest", "machine-translated", "mpodata", "not-for-all-audiences"],
        "configs": [
            {"config_name": code, "data_files": [{"split": "test", "path": facts["path"]}]}
            for code, facts in languages.items()
        ],
    }
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(cards_folder()), undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip
    rows = [
        {
            "code": code,
            "language": language(code).name,
            "by": _who(facts["translator"]),
            **{key: facts[key] for key in ("safe", "unsafe")},
            "dropped": ", ".join(f"{cell(reason)} {count}" for reason, count in facts["dropped"].items()) or "–",
        }
        for code, facts in languages.items()
    ]
    return environment.get_template("benchmark.md.j2").render(
        front_matter=yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=120),
        title=cell(manifest["name"]),
        version=manifest["version"],
        rows=rows,
        licences={cell(part): cell(licence) for part, licence in manifest["licences"].items()},
        licence=cell(manifest["licence"]),
        source=xstest,
        sha256=manifest["source"].get("sha256", ""),
        mpodata_version=manifest["mpodata"],
        machine=any(facts["translator"] for facts in languages.values()),
    )


def _who(translator: Mapping[str, Any]) -> str:
    if not translator:
        return "the original"
    model = translator.get("model")
    return f"machine translation, `{cell(translator['name'])}`" + (f" ({cell(str(model))})" if model else "")
