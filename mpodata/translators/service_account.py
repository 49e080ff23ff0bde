"""Access tokens of a Google service account, from its key file; google-auth signs, our client asks."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mpodata.errors import ConfigError, RemoteError
from mpodata.registry import require
from mpodata.runtime.http import HttpClient
from mpodata.runtime.remote import Unanswered

SCOPE: Final = "https://www.googleapis.com/auth/cloud-translation"


class ServiceAccount:
    """The account of a key file; a token is fetched when it is first needed and again before it ends."""

    def __init__(self, path: str, deadline: float) -> None:
        """deadline: seconds for one request. Raises ConfigError where the file is no key, MissingPackage."""
        purpose = "The translator google-cloud with a service account"
        account = require("google.oauth2.service_account", package="google-auth", purpose=purpose, extra="google-cloud")
        self._errors = require("google.auth.exceptions", package="google-auth", purpose=purpose, extra="google-cloud")
        try:
            file = str(Path(path).expanduser())
            self._credentials = account.Credentials.from_service_account_file(file, scopes=[SCOPE])
        except OSError as error:
            raise ConfigError(
                f"The service account's key file {path} cannot be read ({error.strerror}). Name the JSON file that "
                "Google Cloud made: --set translator.options.credentials=FILE, or $GOOGLE_APPLICATION_CREDENTIALS."
            ) from error
        except (ValueError, TypeError, LookupError, AttributeError) as error:  # what google-auth raises for other files
            raise ConfigError(
                f"{path} is not the key file of a Google service account. Make a JSON key in the Google Cloud console."
            ) from error
        self.project = str(self._credentials.project_id or "")
        self._client = HttpClient(str(self._credentials._token_uri), deadline, 1 << 20)
        self._lock = threading.Lock()

    def token(self) -> str:
        """A valid token; raises RemoteError where the account is not accepted, Unanswered where nothing came."""
        with self._lock:
            if not self._credentials.valid:
                try:
                    self._credentials.refresh(self._request)
                except self._errors.RefreshError as error:
                    if error.retryable:
                        raise Unanswered("no access token") from error
                    raise RemoteError(
                        "Google does not accept the service account of the translator google-cloud: its key was "
                        "revoked, or the clock of this machine is wrong. Make a new key and run again."
                    ) from error
                except self._errors.TransportError as error:
                    raise Unanswered("no access token") from error
            return str(self._credentials.token)

    def _request(
        self, url: str, method: str = "GET", body: Any = None, headers: Mapping[str, str] | None = None, **_: Any
    ) -> "_Response":
        """google.auth.transport.Request, with the deadline and bounds of our client."""
        reply = self._client.request(method, url, content=body, headers=dict(headers or {}))
        return _Response(reply.status_code, reply.headers, reply.body)


class _Response:
    """google.auth.transport.Response."""

    def __init__(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        self.status, self.headers, self.data = status, headers, data
