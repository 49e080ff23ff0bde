"""Answers from any OpenAI-compatible server: vLLM, SGLang, llama.cpp, TGI, a gateway, or OpenAI itself."""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from mpodata.engines import BLOCKED, Answer, Sampling
from mpodata.engines.reasoning import answer_of
from mpodata.engines.sampler import row_seed
from mpodata.errors import ConfigError, RemoteError
from mpodata.languages.text import without_surrogates
from mpodata.records import Message
from mpodata.registry import check_installed, require
from mpodata.runtime.http import POLL, bounded_client, run_to_end
from mpodata.runtime.remote import STOP, Breaker, RetryPolicy, retry_after

AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
OPENAI = "https://api.openai.com/v1"
GRACE = 2.0  # seconds that requests in flight have left after the first Ctrl-C
NO_KEY = "none"  # what local servers are sent
FAILED = Answer("", "error")


class RequestFailed(Exception):
    """One request failed; `final`: asking again cannot help."""

    def __init__(
        self, reason: str, *, final: bool = False, asked: float | None = None, throttled: bool = False
    ) -> None:
        super().__init__(reason)
        self.final = final
        self.asked = asked  # seconds of its Retry-After
        self.throttled = throttled  # alive but busy: no sign of being down


@dataclass(slots=True)
class Tally:
    """What came of one call's requests."""

    answered: int = 0
    failed: int = 0
    reason: str = ""  # of the last failure
    fatal: str = ""  # a failure that every request would meet


@dataclass(slots=True)
class Call:
    """What is shared by the requests of one `answers` call."""

    client: Any
    gate: asyncio.Semaphore
    tally: Tally = field(default_factory=Tally)


NEEDS: Final = {"package": "openai", "purpose": "The openai engine", "extra": "openai"}


class OpenAIEngine:
    """Chat completions: bounded concurrency, a deadline per attempt, backoff that honours Retry-After, a breaker.

    A request that fails for good becomes an `error` answer: dropped by name, never journaled, asked again by the next
    run. Where no request at all is answered the call raises RemoteError with the reason. The key is read from an
    environment variable and appears nowhere. Sampling seeds differ per prompt and candidate; whether a server heeds
    them is its own affair.
    """

    block = 256  # prompts between two journal entries: an interrupted run pays for no more than these again

    def __init__(
        self,
        *,
        model: str,
        base_url: str | None = None,
        api_key_env: str = "OPENAI_API_KEY",
        concurrency: int = 16,
        deadline: float = 300.0,
        attempts: int = 6,
        first_pause: float = 1.0,
        longest_pause: float = 60.0,
        body: Mapping[str, Any] | None = None,
    ) -> None:
        """base_url: the server's `/v1`; OpenAI's own without it. body: more fields for every request; by default
        servers other than OpenAI's are told not to think aloud (`chat_template_kwargs`).
        """
        if concurrency < 1 or attempts < 1 or deadline <= 0:
            raise ConfigError("engine.concurrency and engine.attempts must be at least 1, engine.deadline above 0.")
        if base_url is not None and not _is_address(base_url):
            raise ConfigError("engine.base_url must be a server's address such as http://localhost:8000/v1.")
        self.model = model
        self.base_url = base_url
        self.api_key_env = api_key_env
        self.concurrency = concurrency
        self.deadline = deadline
        self.retry = RetryPolicy(attempts, first_pause, longest_pause)
        quiet = {"chat_template_kwargs": {"enable_thinking": False}} if base_url else {}
        self.body = dict(quiet if body is None else body)
        self._breaker = Breaker(failures=max(10, 2 * concurrency), rest=30.0)
        self._answered_before = False

    def answers(self, conversations: Sequence[Sequence[Message]], sampling: Sampling) -> list[list[Answer]]:
        """`sampling.candidates` answers per conversation; raises RemoteError where the server answers nothing."""
        drawn = 1 if sampling.temperature == 0 else sampling.candidates
        requests = [
            self._request(conversation, sampling, candidate)
            for conversation in conversations
            for candidate in range(drawn)
        ]
        answers = run_to_end(self._all(requests)) if requests else []
        rows = [answers[start : start + drawn] for start in range(0, len(answers), drawn)]
        return [row * (sampling.candidates // drawn) for row in rows]

    def check_installed(self) -> None:
        check_installed("openai", **NEEDS)

    def provenance(self) -> dict[str, Any]:
        """Engine, model, the server's address without credentials, the fields sent; never the key."""
        return {"engine": "openai", "model": self.model, "base_url": _public(self.base_url), "body": self.body}

    def _request(self, conversation: Sequence[Message], sampling: Sampling, candidate: int) -> dict[str, Any]:
        messages = [{"role": m["role"], "content": without_surrogates(m["content"])} for m in conversation]
        extra = dict(self.body)
        if sampling.prefix:  # vLLM's and SGLang's way of letting the server continue an opened turn
            messages.append({"role": "assistant", "content": sampling.prefix})
            extra |= {"continue_final_message": True, "add_generation_prompt": False}
        if sampling.repetition_penalty != 1.0:
            extra["repetition_penalty"] = sampling.repetition_penalty
        content = json.dumps(messages, ensure_ascii=True)
        return {
            "model": self.model,
            "messages": messages,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": row_seed(sampling.seed, content, candidate) >> 32,
            "max_tokens" if self.base_url else "max_completion_tokens": sampling.max_tokens,
            "extra_body": extra,
        }

    async def _all(self, requests: Sequence[dict[str, Any]]) -> list[Answer]:
        openai = require("openai", **NEEDS)
        http = bounded_client(self.base_url or OPENAI, connections=self.concurrency)
        client = openai.AsyncOpenAI(
            api_key=self._key(), base_url=self.base_url, max_retries=0, timeout=None, http_client=http
        )
        call = Call(client, asyncio.Semaphore(self.concurrency))
        tasks = [asyncio.create_task(self._answer(call, request)) for request in requests]
        watch = asyncio.create_task(_cancel_when_stopped(tasks))
        try:
            answers = await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            watch.cancel()
            for task in tasks:
                task.cancel()
            await client.close()
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, asyncio.CancelledError):
                raise answer
        if not STOP.is_set():
            self._check_server(call.tally)
        return [answer if isinstance(answer, Answer) else FAILED for answer in answers]

    def _check_server(self, tally: Tally) -> None:
        """Raise RemoteError if the key or model is rejected, or nothing was answered."""
        self._answered_before = self._answered_before or tally.answered > 0
        nothing = tally.failed and not tally.answered and (self._breaker.open or not self._answered_before)
        if tally.fatal or nothing:
            where = _public(self.base_url) or "api.openai.com"
            reason = self._without_key(tally.fatal or tally.reason)
            raise RemoteError(
                f"The server at {where} answered none of {tally.failed} requests for model {self.model!r}: {reason}"
            )

    def _key(self) -> str:
        key = os.environ.get(self.api_key_env, "")
        if not key and not self.base_url:
            raise ConfigError(
                f"Set the environment variable {self.api_key_env} to your API key, or give engine.base_url."
            )
        return key or NO_KEY

    async def _answer(self, call: Call, request: dict[str, Any]) -> Answer:
        """One answer, however many attempts it takes; FAILED where there is none."""
        async with call.gate:
            for attempt in range(self.retry.attempts):
                if call.tally.fatal or STOP.is_set():
                    break
                if not self._breaker.allows():
                    call.tally.reason = call.tally.reason or "too many failures in a row"
                    break
                try:
                    answer = await self._attempt(call, request)
                except RequestFailed as failure:
                    wait = self._failed(call, failure, attempt)
                    if wait is None:
                        break
                    await asyncio.sleep(wait)
                else:
                    self._breaker.succeeded()
                    call.tally.answered += 1
                    return answer
        call.tally.failed += 1
        return FAILED

    def _failed(self, call: Call, failure: RequestFailed, attempt: int) -> float | None:
        """Count a failed attempt; the seconds to wait before the next one, None where there is to be none."""
        call.tally.reason = str(failure)
        if failure.throttled or failure.final:
            self._breaker.succeeded()
        else:
            self._breaker.failed()
        return None if failure.final else self.retry.wait(attempt, failure.asked)

    async def _attempt(self, call: Call, request: dict[str, Any]) -> Answer:
        import openai

        try:
            async with asyncio.timeout(self.deadline):
                raw = await call.client.chat.completions.with_raw_response.create(**request)
                return _parsed(raw.content)
        except TimeoutError as error:
            raise RequestFailed(f"no answer within {self.deadline:g} s") from error
        except openai.APIStatusError as error:
            if _prompt_blocked(error):
                return Answer("", "blocked")
            raise self._said(error, call) from error
        except openai.APIError as error:
            reason = str(error.__cause__ or "").strip() or str(error)
            raise RequestFailed(f"no connection ({reason})") from error

    def _said(self, error: Any, call: Call) -> RequestFailed:
        status, said = error.status_code, " ".join(str(error.message).split())[:300]
        if status in (401, 403):
            call.tally.fatal = f"status {status}: it does not accept the key in ${self.api_key_env}."
        elif status == 404:
            call.tally.fatal = f"status 404: it has no such model or address ({said})"
        asked = retry_after(error.response.headers.get("retry-after"))
        final = status not in AGAIN
        return RequestFailed(f"status {status}: {said}", final=final, asked=asked, throttled=status == 429)

    def _without_key(self, text: str) -> str:
        key = os.environ.get(self.api_key_env, "")
        return text.replace(key, "***") if key else text


def _parsed(content: bytes) -> Answer:
    """The answer in a response body; strict, since gateways answer 200 with anything."""
    try:
        response = json.loads(content)
        choice = response["choices"][0]
        message = choice["message"]
        text, finish = message.get("content") or message.get("refusal") or "", choice["finish_reason"]
        blocked = str(finish).lower() in BLOCKED
        tokens = int((response.get("usage") or {}).get("completion_tokens") or 0)
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise RequestFailed("a response that is no chat completion") from error
    if not isinstance(text, str):
        raise RequestFailed("a response whose content is no text")
    # Anything else (length, tool_calls) is an answer cut short: final, and never chosen.
    return answer_of(text, "blocked" if blocked else "stop" if finish == "stop" else "length", tokens)


def _prompt_blocked(error: Any) -> bool:
    """Did the provider's filter turn the prompt away (Azure: status 400, code content_filter)?"""
    return error.status_code == 400 and str(error.code or "").lower() in BLOCKED


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        return False


def _public(url: str | None) -> str | None:
    """`url` without user name, password or query."""
    if url is None:
        return None
    parts = urlsplit(url)
    host = parts.hostname or ""
    return urlunsplit((parts.scheme, f"{host}:{parts.port}" if parts.port else host, parts.path, "", ""))


async def _cancel_when_stopped(tasks: Sequence["asyncio.Task[Answer]"]) -> None:
    """After the first Ctrl-C: what is not answered soon is left for the next run."""
    while not STOP.is_set():
        await asyncio.sleep(POLL)
    await asyncio.sleep(GRACE)
    for task in tasks:
        task.cancel()
