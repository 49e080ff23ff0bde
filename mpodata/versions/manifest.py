"""`manifest.json`: what made a version and what it holds. Written last: its presence means complete."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mpodata.errors import VersionError
from mpodata.languages import language
from mpodata.licences import derived_licence
from mpodata.versions.schema import SCHEMA_VERSION

MANIFEST, CARD, CHANGELOG = "manifest.json", "README.md", "CHANGELOG.md"

SPLITS = ("train", "validation", "test")

_TRANSLATOR = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*){1,2}\.parquet")


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
    decontamination: Mapping[str, Any] = field(default_factory=dict)  # evaluation set -> what was found and removed
    libraries: Mapping[str, str] = field(default_factory=dict)  # package -> version
    chosen: str = "policy"  # who answered: the policy being aligned, or the source's own safe answers

    def licences(self) -> dict[str, str]:
        """The licence of each part, "unknown" where its provenance names none. The policy counts where it answered."""
        parts = {"source": self.source, **{f"translator {name}": made for name, made in self.translators.items()}}
        if self.chosen == "policy":
            parts["policy"] = self.policy
        return {part: str(made.get("licence") or "unknown") for part, made in parts.items()}


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
        essence = {key: value for key, value in self.as_json().items() if key in ("schema", "dominant", "configs")}
        return hashlib.sha256(_canonical([essence, self.builds])).hexdigest()

    def holds_harmful_completions(self) -> bool:
        """Does any row's rejected side answer a harmful prompt? Only versions of pure counterweight pairs do not."""
        files = self.parquet_files().values()
        return any(
            count for file in files for category, count in file.categories.items() if category != "counterweight"
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def text(self) -> str:
        """The file's text: sorted, indented, without a clock."""
        return json.dumps(self.as_json(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def config_name(translator: str | None, code: str) -> str:
    """The config of a language: "nllb-3.3b.sw", or "en" for the dominant side. Raises for what cannot be one."""
    language(code)
    if translator is None:
        return code
    if not _TRANSLATOR.fullmatch(translator):
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


def licence_of(builds: Mapping[str, Mapping[str, Any]]) -> str:
    """The licence of a version made by `builds`."""
    return derived_licence(licence for facts in builds.values() for licence in facts["licences"].values())


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a version's folder; raises VersionError where there is none."""
    path = folder / MANIFEST
    try:
        return parse_manifest(path.read_bytes(), str(path))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise VersionError(
            f"{folder} holds no {MANIFEST}: it is not a dataset version, or its build did not finish."
        ) from error


def parse_manifest(data: bytes, where: str) -> Manifest:
    """A manifest from its bytes; raises VersionError where it is none, or one of a newer mpodata."""
    try:
        raw = json.loads(data)
        if raw["schema"] > SCHEMA_VERSION:
            raise VersionError(f"{where} is of schema {raw['schema']}, newer than this mpodata reads. Upgrade mpodata.")
        return _manifest(raw)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise VersionError(f"{where} is not a manifest of mpodata ({type(error).__name__}: {error}).") from error


def _manifest(raw: dict[str, Any]) -> Manifest:
    configs = {name: _config(config) for name, config in raw.pop("configs").items()}
    history = tuple(Release(**release) for release in raw.pop("history"))
    return Manifest(configs=configs, history=history, other_configs=tuple(raw.pop("other_configs")), **raw)


def _config(raw: dict[str, Any]) -> Config:
    splits = {split: SplitFile(**file) for split, file in raw.pop("splits").items()}
    for file in splits.values():
        # A manifest comes from a stranger's repository: a path must stay inside the folder.
        if not _FILE.fullmatch(file.path):
            raise ValueError(f"bad path {file.path!r}")
    return Config(splits=splits, **raw)


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":")).encode()
