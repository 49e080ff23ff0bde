"""What the Hub's refusals mean to a user. No message here repeats a URL or a header: those may hold secrets."""

from huggingface_hub import errors as hub
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from mpodata.errors import RemoteError, VersionError
from mpodata.runtime.remote import Unanswered
from mpodata.versions.stores.protocol import Moved

# The base of connection errors: httpx's or httpx2's, by the version of huggingface_hub.
TRANSPORT_ERROR: type[Exception] = hub.HTTPError  # type: ignore[attr-defined]

# What the clients of this package catch: everything the Hub can answer, and its silence.
HUB_ERRORS: tuple[type[Exception], ...] = (TRANSPORT_ERROR, EntryNotFoundError, ConnectionError)

# What the client wraps them in: a file that is not in its cache either, an upload that failed in a thread.
WRAPPED_ERRORS: tuple[type[Exception], ...] = (LocalEntryNotFoundError, RuntimeError)

_TRANSIENT = (408, 425, 429, 500, 502, 503, 504)


def explained(error: Exception, dataset: str, action: str, *, signed_in: bool) -> VersionError | RemoteError:
    """The sentence for a failed request; Unanswered where repeating may help, Moved where the parent was stale.

    `action` completes "could not ...": "publish", "read the versions of".
    """
    if isinstance(error, OfflineModeIsEnabled):
        return RemoteError(f"HF_HUB_OFFLINE is set, so mpodata cannot {action} {dataset}. Unset it and rerun.")
    if not isinstance(error, HfHubHTTPError):
        what = type(error).__name__
        return Unanswered(
            f"The Hub could not be reached to {action} {dataset} ({what}). Check the network, then rerun."
        )
    status = error.response.status_code
    if status in _TRANSIENT:
        return Unanswered(f"The Hub answered {status} to the request to {action} {dataset}. Rerun later.", _wait(error))
    if status == 412:
        return Moved(f"{dataset} changed on the Hub at the same moment. Rerun to publish on top of it.")
    return VersionError(_refusal(error, status, dataset, action, signed_in))


def _refusal(error: HfHubHTTPError, status: int, dataset: str, action: str, signed_in: bool) -> str:
    """The sentence for an answer that repeating will not change."""
    if "Invalid credentials" in (error.response.headers.get("X-Error-Message") or "") or (
        status == 401 and signed_in and not isinstance(error, RepositoryNotFoundError)
    ):
        return (
            f"The Hub does not accept your token, so mpodata could not {action} {dataset}. Run `hf auth login` again."
        )
    if isinstance(error, GatedRepoError):
        return (
            f"{dataset} is gated and your account has no access yet. Ask for it on https://huggingface.co/datasets/"
            f"{dataset} and rerun once it is granted."
        )
    if isinstance(error, RepositoryNotFoundError) and not signed_in:
        return (
            f"{dataset} is private or does not exist, and you are not signed in to the Hub. Run `hf auth login` or set "
            f"HF_TOKEN; for a folder write ./{dataset}."
        )
    if isinstance(error, RepositoryNotFoundError):
        return (
            f"{dataset} does not exist on the Hub, or it is private and your account may not see it. Check the "
            "name, or ask its owner for access."
        )
    if isinstance(error, RevisionNotFoundError):
        return f"{dataset} has no such revision on the Hub. `mpodata versions {dataset}` lists what there is."
    if status == 401:
        return f"You are not signed in to the Hub, so mpodata could not {action} {dataset}. Run `hf auth login`."
    if status == 403:
        return (
            f"Your token may not {action} {dataset}. Use a token with write access to {dataset.partition('/')[0]}, "
            "or publish under your own name."
        )
    return f"The Hub refused to {action} {dataset} (status {status}{_said(error)})."


def _said(error: HfHubHTTPError) -> str:
    """The service's own words, on one line."""
    words = " ".join((error.server_message or "").split())
    return f": {words[:300]}" if words else ""


def _wait(error: HfHubHTTPError) -> float | None:
    """Seconds of a Retry-After header; None where there is none that is a number."""
    asked = error.response.headers.get("Retry-After", "")
    return float(asked) if asked.replace(".", "", 1).isdigit() else None
