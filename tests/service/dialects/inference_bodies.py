"""Requests of the Open Inference Protocol, and cases of what its text demands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from tests.service.request_bodies import HISTORY

V2 = "/oip/v2"
MODEL = f"{V2}/models/waves"

Case = Callable[[httpx.Client], None]


class Musts(dict[str, Case]):
    """Cases by what the text demands."""

    def must(self, text: str) -> Callable[[Case], Case]:
        """Adds a case."""

        def add(case: Case) -> Case:
            assert text not in self
            self[text] = case
            return case

        return add


def tensor(name: str, datatype: str, shape: list[int], data: list[Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data, **more}


def inputs(num_series: int = 1, **changes: Any) -> list[dict[str, Any]]:
    """Gives the inputs of hourly series; fields of the target can be changed."""
    length = len(HISTORY)
    ids = [f"s{number}" for number in range(num_series)]
    return [
        tensor("target", "FP64", [num_series, length], [float(v) for _ in ids for v in HISTORY]) | changes,
        tensor("start", "BYTES", [num_series], ["2024-01-01T00:00:00"] * num_series),
        tensor("unique_id", "BYTES", [num_series], ids),
    ]


def inference(**changes: Any) -> dict[str, Any]:
    """Gives a request that is answered; fields can be replaced, or removed by `...`."""
    body = {"id": "42", "parameters": {"horizon": 4, "quantiles": "0.1,0.5,0.9"}, "inputs": inputs(2)} | changes
    return {name: value for name, value in body.items() if value is not ...}


def infer(client: httpx.Client, path: str = MODEL, **changes: Any) -> dict[str, Any]:
    """Gives the good answer to a request."""
    reply = client.post(f"{path}/infer", json=inference(**changes))
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def outputs_of(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {output["name"]: output for output in found["outputs"]}


def assert_error(reply: httpx.Response, says: str, status: int = 400) -> None:
    """Asserts that a reply is a failure as the text wants it, and that it names what is wrong."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/json"
    assert list(reply.json()) == ["error"]
    assert isinstance(reply.json()["error"], str)
    assert says in reply.json()["error"], reply.text


def refuse(client: httpx.Client, says: str, path: str = MODEL, status: int = 400, **changes: Any) -> None:
    """Asserts that a changed request fails."""
    assert_error(client.post(f"{path}/infer", json=inference(**changes)), says, status)
