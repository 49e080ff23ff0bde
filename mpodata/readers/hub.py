"""Rows of a dataset on the Hugging Face Hub, streamed, pinned to the commit they were read from."""

from collections.abc import Iterator
from typing import Any

from mpodata.errors import DataError, RemoteError


def hub_revision(repository: str, revision: str | None) -> str:
    """The commit that `revision` (a branch, tag or commit; default main) stands for now."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        commit = HfApi().dataset_info(repository, revision=revision, timeout=30).sha
    except GatedRepoError as error:
        raise DataError(
            f"Hub dataset {repository} is gated: ask for access on its page, then `hf auth login`."
        ) from error
    except RevisionNotFoundError as error:
        raise DataError(
            f"Hub dataset {repository} has no revision {revision!r}. Check its tags and branches."
        ) from error
    except RepositoryNotFoundError as error:
        raise DataError(
            f"{repository} is neither a file here nor a dataset on the Hub that you may see. Check the name, or log in."
        ) from error
    except _transport_errors() as error:
        raise RemoteError(
            f"{repository} is no file here, and the Hub did not answer ({type(error).__name__}). "
            "Check the path and the connection, then try again."
        ) from error
    if commit is None:
        raise RemoteError(f"The Hub named no commit for dataset {repository}. Try again.")
    return commit


def hub_rows(repository: str, split: str, config: str | None, commit: str) -> Iterator[dict[str, Any]]:
    """Every row of one split of one config, in upstream order. Loading scripts are never run.

    Raises RemoteError where the stream ends before the rows that the Parquet files themselves count. Files of other
    formats count nothing, and a card's count may be of another commit: their streams are taken as they come.
    """
    import datasets

    given = 0
    try:
        builder = datasets.load_dataset_builder(repository, config, revision=commit)
        for row in builder.as_streaming_dataset(split=split):
            given += 1
            yield row
        there = _rows_in_files(builder.config.data_files, split)
    except ValueError as error:  # datasets says so of an unknown config or split, and names those that exist
        raise DataError(f"Hub dataset {repository}: {_first_line(error)}") from error
    except datasets.exceptions.DatasetsError as error:
        raise DataError(f"Hub dataset {repository} cannot be read: {_first_line(error)}") from error
    except _transport_errors() as error:
        raise RemoteError(f"Reading {repository} from the Hub failed ({type(error).__name__}). Try again.") from error
    if there is not None and given != there:
        raise RemoteError(
            f"The Hub gave {given:,} rows of {repository} ({split}), and its files hold {there:,}. Try again."
        )


def _rows_in_files(data_files: Any, split: str) -> int | None:
    """The rows that the Parquet files of a split hold by their own footers; None where a file is of another format."""
    import pyarrow.parquet as pq
    from huggingface_hub import HfFileSystem

    paths = [str(path) for path in (data_files or {}).get(split, ())]
    if not paths or not all(path.startswith("hf://") and path.endswith(".parquet") for path in paths):
        return None
    rows = 0
    for path in paths:
        with HfFileSystem().open(path, "rb") as file:
            rows += pq.read_metadata(file).num_rows
    return rows


def _transport_errors() -> tuple[type[Exception], ...]:
    """What a refusing, failing or unreachable Hub raises; the base is of the HTTP library this huggingface_hub uses."""
    from huggingface_hub.errors import HfHubHTTPError

    return (*(base for base in HfHubHTTPError.__bases__ if issubclass(base, Exception)), OSError)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".") + "."
