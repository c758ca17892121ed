"""Asks an OpenAI-compatible endpoint. Standard library only."""

import concurrent.futures
import json
import urllib.error
import urllib.request

from questions import HeldOutQuestion

TIMEOUT_S = 120


class Endpoint:
    """`url` up to and without /chat/completions, such as http://localhost:8080/v1."""

    def __init__(self, url: str, model: str, key: str | None, at_once: int) -> None:
        self._url = url.rstrip("/") + "/chat/completions"
        self._model = model
        self._headers = {"Content-Type": "application/json"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._at_once = at_once

    def answers(self, questions: list[HeldOutQuestion], max_tokens: int) -> list[str]:
        with concurrent.futures.ThreadPoolExecutor(self._at_once) as pool:
            return list(pool.map(lambda q: self._answer(q, max_tokens), questions))

    def _answer(self, question: HeldOutQuestion, max_tokens: int) -> str:
        body = {"model": self._model, "messages": question.messages, "temperature": 0,
                "max_tokens": max_tokens}
        request = urllib.request.Request(self._url, json.dumps(body).encode(), self._headers)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:
                return json.load(reply)["choices"][0]["message"]["content"]
        except urllib.error.HTTPError as error:
            detail = error.read().decode(errors="replace")[:500]
            raise RuntimeError(f"{self._url} answered {error.code}: {detail}") from error
