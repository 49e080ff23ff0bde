"""`manifest.json`: what made a version and what it holds. Written last: its presence means complete."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mpodata.display.terminal import printable
from mpodata.engines import ENGINE_ERROR
from mpodata.errors import UnknownName, VersionError
from mpodata.languages import language
from mpodata.licences import derived_licence, licensed_parts
from mpodata.runtime.files import file_inside
from mpodata.versions.foreign import (
    as_count,
    as_counts,
    as_dataset_name,
    as_licence,
    as_list,
    as_mapping,
    as_sha256,
    as_switch,
    as_text,
    as_version,
    check_build,
    check_quality,
    other_config,
    refuse_unknown,
)
from mpodata.versions.schema import SCHEMA_VERSION

MANIFEST, CARD, CHANGELOG = "manifest.json", "README.md", "CHANGELOG.md"

SPLITS = ("train", "validation", "test")

LARGEST_MANIFEST = 64 * 2**20  # bytes; a manifest of 1,000 configs has about 1 MB
RETRIED_DROPS = (ENGINE_ERROR, "service")  # reasons that the next run of the same build may heal

_TRANSLATOR = re.compile(r"(?!.*\.\.)[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9_-])?")
# Names that Windows gives to devices, whatever follows the first dot: no folder there can be called so.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?")


@dataclass(frozen=True, slots=True)
class BuildFacts:
    """What one build knows and its rows do not say. Everything here is JSON and ends up in the manifest.

    The licence, the counts and the quality summaries are computed from these facts and from the rows written.
    """

    dominant: str  # language code of the dominant side
    recipe: Mapping[str, Any]  # the recipe in full, defaults included
    command: str  # the exact command line that repeats the build
    source: Mapping[str, Any]  # Source.provenance(): name, path or id, revision, sha256, licence, ...
    policy: Mapping[str, Any]  # Engine.provenance(): engine, model, revision, chat-template hash, dtype, licence
    sampling: Mapping[str, Any]  # how answers were drawn
    translators: Mapping[str, Mapping[str, Any]]  # name as in the configs -> Translator.provenance()
    detector: Mapping[str, Any] = field(default_factory=dict)  # Detector.provenance() of the refusal check
    # Mode and thresholds of the quality checks; "flagged": config -> reason -> rows that were kept all the same.
    checks: Mapping[str, Any] = field(default_factory=dict)
    # Config or stage -> reason -> rows. Under a config: every dominant pair that did not make it there (`verify` adds
    # up). Under "source": what was lost before there were pairs.
    dropped: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    # Config -> rows lost because a service or an engine was down: building again asks for them again.
    unanswered: Mapping[str, int] = field(default_factory=dict)
    decontamination: Mapping[str, Any] = field(default_factory=dict)  # evaluation set -> what was found and removed
    # Recipe key ("samples", "counterweight.share") -> {"asked", "taken"}: rows that the source could not give.
    shortfall: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)  # package -> version
    chosen: str = "policy"  # who answered: the policy being aligned, or the source's own safe answers

    def licences(self) -> dict[str, str]:
        """The licence of each part, "unknown" where its provenance names none. The policy counts where it answered."""
        parts = licensed_parts("source", self.source)
        for name, made in self.translators.items():
            parts |= licensed_parts(f"translator {name}", made)
        return parts | (licensed_parts("policy", self.policy) if self.chosen == "policy" else {})


@dataclass(frozen=True, slots=True)
class SplitFile:
    """One Parquet file: one split of one config."""

    path: str  # relative to the version's folder, with its content hash: "nllb-3.3b/sw/train-0123456789abcdef.parquet"
    rows: int
    bytes: int
    sha256: str
    quality: Mapping[str, Any] = field(default_factory=dict)  # summary of the quality columns
    categories: Mapping[str, int] = field(default_factory=dict)  # category -> rows


@dataclass(frozen=True, slots=True)
class Config:
    """One language of one translator; the dominant side has no translator."""

    language: str
    translator: str | None
    build: str  # key of Manifest.builds
    splits: Mapping[str, SplitFile]
    dropped: Mapping[str, int] = field(default_factory=dict)  # reason -> rows that did not make it here

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.splits.values())

    def files(self) -> list[tuple[str, SplitFile]]:
        """(split, file) in the order people expect: train first."""
        return sorted(self.splits.items(), key=lambda item: SPLITS.index(item[0]))


@dataclass(frozen=True, slots=True)
class Release:
    """One published version, as later manifests remember it."""

    version: str
    content: str  # Manifest.content() of the folder that was handed to `publish`


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a version is. `version` and `name` are None until it is published."""

    dominant: str
    configs: Mapping[str, Config]  # config name -> what it holds; see config_name
    builds: Mapping[str, Mapping[str, Any]]  # id -> BuildFacts: several builds may meet in one version
    licence: str  # Hub licence id that follows from the parts
    schema: int = SCHEMA_VERSION
    name: str | None = None  # where it is published: "user/name", or the dataset's folder name
    version: str | None = None  # "1.2.0"
    history: tuple[Release, ...] = ()  # this and all earlier versions, oldest first
    files: Mapping[str, str] = field(default_factory=dict)  # README.md, CHANGELOG.md -> sha256
    other_configs: tuple[Mapping[str, Any], ...] = ()  # of the card's front matter, not made by mpodata and kept
    parallel: bool = True  # False: every language has rows of its own (native answers), none translates another

    def parquet_files(self) -> dict[str, SplitFile]:
        """Every data file by path."""
        return {file.path: file for config in self.configs.values() for file in config.splits.values()}

    def translators(self) -> tuple[str, ...]:
        return tuple(sorted({config.translator for config in self.configs.values() if config.translator}))

    def languages(self, translator: str) -> tuple[str, ...]:
        """The target languages of one translator."""
        return tuple(sorted(c.language for c in self.configs.values() if c.translator == translator))

    def content(self) -> str:
        """A hash of what the version holds and was made of; names, versions and card text do not count."""
        told = ("schema", "dominant", "configs", "parallel")
        essence = {key: value for key, value in self.as_json().items() if key in told}
        return hashlib.sha256(_canonical([essence, self.builds])).hexdigest()

    def holds_harmful_completions(self) -> bool:
        """Does any row's rejected side answer a harmful prompt? Only versions of pure counterweight pairs do not."""
        files = self.parquet_files().values()
        return any(
            count for file in files for category, count in file.categories.items() if category != "counterweight"
        )

    def as_json(self) -> dict[str, Any]:
        """Plain values. `parallel` is written only where it is not the usual one: older readers know no such key."""
        values = asdict(self)
        if self.parallel:
            del values["parallel"]
        return values

    def text(self) -> str:
        """The file's text: sorted, indented, without a clock."""
        return json.dumps(self.as_json(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def config_name(translator: str | None, code: str) -> str:
    """The config of a language: "nllb-3.3b.sw", or "en" for the dominant side. Raises for what cannot be one."""
    language(code)
    if translator is None:
        return code
    if not _TRANSLATOR.fullmatch(translator) or _DEVICE.fullmatch(translator):
        raise VersionError(f"Translator name {translator!r} cannot be a folder: use a-z, 0-9, '.', '_' and '-'.")
    return f"{translator}.{code}"


def parse_config(name: str) -> tuple[str | None, str]:
    """The (translator, language) of a config name; the reverse of config_name."""
    translator, _, code = name.rpartition(".")
    config_name(translator or None, code)
    return translator or None, code


def build_id(facts: Mapping[str, Any]) -> str:
    """The key of a build in Manifest.builds: equal facts, equal key."""
    return hashlib.sha256(_canonical(facts)).hexdigest()[:16]


def licences_of(builds: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Part -> licence over all builds; a part that has another licence in another build is named with that build."""
    parts: dict[str, str] = {}
    for key, facts in builds.items():
        for part, licence in facts["licences"].items():
            known_as = part if parts.get(part, licence) == licence else f"{part} (build {key})"
            parts[known_as] = licence
    return parts


def licence_of(builds: Mapping[str, Mapping[str, Any]]) -> str:
    """The licence of a version made by `builds`."""
    return derived_licence(licence for facts in builds.values() for licence in facts["licences"].values())


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a version's folder; raises VersionError where there is none, or one that cannot be trusted."""
    try:
        path = file_inside(folder, MANIFEST)
        return parse_manifest(path.read_bytes(), str(path))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise VersionError(
            f"{folder} holds no {MANIFEST}: it is not a dataset version, or its build did not finish."
        ) from error
    except OSError as error:
        raise VersionError(f"{folder / MANIFEST} cannot be read: {error.strerror}.") from error


def parse_manifest(data: bytes, where: str) -> Manifest:
    """A manifest from its bytes, every name and value of it checked: it may be a stranger's.

    Raises VersionError where it is none, one of a newer mpodata, or one that names what no version may name.
    """
    if len(data) > LARGEST_MANIFEST:
        raise VersionError(f"{where} has {len(data)} bytes, more than any manifest of mpodata.")
    try:
        raw = as_mapping(json.loads(data, parse_constant=_no_number), "the manifest")
        if "benchmark" in raw:
            raise VersionError("it belongs to a translated benchmark, which `mpotrain eval --data xstest=...` reads")
        schema = as_count(raw.get("schema"), "schema")
        manifest = _manifest(raw) if schema <= SCHEMA_VERSION else None
    except RecursionError as error:
        raise VersionError(f"{where} is not a manifest of mpodata (nested too deeply).") from error
    except (ValueError, KeyError, TypeError, UnknownName, VersionError) as error:
        raise VersionError(f"{where} is not a manifest of mpodata ({printable(_reason(error))}).") from error
    if manifest is None:
        raise VersionError(f"{where} is of schema {schema}, newer than this mpodata reads. Upgrade mpodata.")
    return manifest


def _reason(error: Exception) -> str:
    return f"it lacks {error}" if isinstance(error, KeyError) else str(error)[:200]


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _manifest(raw: Mapping[str, Any]) -> Manifest:
    json.dumps(raw, ensure_ascii=False).encode()  # raises for a lone surrogate: it could never be written again
    refuse_unknown(raw, Manifest, "the manifest")
    dominant = language(as_text(raw["dominant"], "dominant")).code
    configs = {
        as_text(name, "a config's name"): _config(name, as_mapping(config, f"config {name}"))
        for name, config in as_mapping(raw["configs"], "configs").items()
    }
    builds = {
        as_text(key, "a build's key"): check_build(as_mapping(facts, f"build {key}"), key)
        for key, facts in as_mapping(raw["builds"], "builds").items()
    }
    version = raw.get("version")
    name = raw.get("name")
    return Manifest(
        dominant=dominant,
        configs=configs,
        builds=builds,
        licence=as_licence(raw["licence"]),
        schema=raw["schema"],
        name=None if name is None else as_dataset_name(name),
        version=None if version is None else as_version(version),
        history=tuple(_release(entry) for entry in as_list(raw.get("history", []), "history")),
        files={path: as_sha256(digest, path) for path, digest in _documents(raw.get("files", {})).items()},
        other_configs=tuple(other_config(entry) for entry in as_list(raw.get("other_configs", []), "other_configs")),
        parallel=as_switch(raw.get("parallel", True), "parallel"),
    )


def _documents(value: object) -> Mapping[str, Any]:
    files = as_mapping(value, "files")
    for path in files:
        if path not in (CARD, CHANGELOG):
            raise ValueError(f"files names {path!r}, not {CARD} or {CHANGELOG}")
    return files


def _release(value: object) -> Release:
    raw = as_mapping(value, "a release of the history")
    refuse_unknown(raw, Release, "a release of the history")
    return Release(as_version(raw["version"]), as_sha256(raw["content"], "the content of a release"))


def _config(name: str, raw: Mapping[str, Any]) -> Config:
    refuse_unknown(raw, Config, f"config {name}")
    translator, code = raw["translator"], as_text(raw["language"], f"the language of config {name}")
    if translator is not None:
        as_text(translator, f"the translator of config {name}")
    if name != config_name(translator, code):
        raise ValueError(f"config {name!r} says it is {translator!r} in {code!r}")
    splits = {
        split: _split_file(name, split, as_mapping(file, f"{name}/{split}"))
        for split, file in as_mapping(raw["splits"], f"the splits of config {name}").items()
    }
    build = as_text(raw["build"], f"the build of config {name}")
    return Config(code, translator, build, splits, as_counts(raw.get("dropped", {}), f"the drops of config {name}"))


def _split_file(config: str, split: str, raw: Mapping[str, Any]) -> SplitFile:
    where = f"{config}/{split}"
    if split not in SPLITS:
        raise ValueError(f"config {config} has a split {split!r}; known: {', '.join(SPLITS)}")
    refuse_unknown(raw, SplitFile, where)
    translator, code = parse_config(config)
    folder = f"{translator}/{code}" if translator else code
    path = as_text(raw["path"], f"the path of {where}")
    if not re.fullmatch(rf"{re.escape(folder)}/{split}-[0-9a-f]{{16}}\.parquet", path):
        raise ValueError(f"bad path {path!r} of {where}: its file is {folder}/{split}-<sha256>.parquet")
    return SplitFile(
        path,
        as_count(raw["rows"], f"the rows of {where}"),
        as_count(raw["bytes"], f"the bytes of {where}"),
        as_sha256(raw["sha256"], f"the sha256 of {where}"),
        check_quality(raw.get("quality", {}), where),
        as_counts(raw.get("categories", {}), f"the categories of {where}"),
    )


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode()
