"""The same network behind LitServe, as its user would write it: eager torch, batched by LitServe.

    python -m benchmarks.serving.litserve_peer --bundle FOLDER --port 8000 [--batch-seconds 0.005] [--fast-queue]

The reply is encoded by orjson where it is computed, which LitServe passes on as it is; as a dictionary, FastAPI would
go through all of its numbers. LitServe has no telemetry and needs no network; the client file that it writes by
default is switched off. Annotations are not postponed in this file: LitServe looks at them.
"""

import argparse
import warnings
from pathlib import Path
from typing import Any

import litserve  # type: ignore[import-untyped]
import numpy as np
import orjson
import torch
from fastapi import Request, Response

from benchmarks.serving.forward import load_predictor
from forecaster.arrays import FloatArray


class Forecasts(litserve.LitAPI):  # type: ignore[misc]
    """Contexts in, quantiles [H Q] out."""

    def __init__(self, bundle: Path, *, batch_size: int, batch_seconds: float) -> None:
        super().__init__(max_batch_size=batch_size, batch_timeout=batch_seconds)
        self._bundle = bundle

    def setup(self, device: str) -> None:
        """Loads the network in the process that computes."""
        torch.set_num_threads(1)
        self._predictor = load_predictor(self._bundle, "eager")

    def decode_request(self, request: Request) -> FloatArray:
        """Gives the context [L] of a request, which is parsed already."""
        parsed: Any = request
        return np.array(parsed["context"], dtype=np.float64)

    def batch(self, inputs: list[FloatArray]) -> torch.Tensor:
        """Gives contexts [B L]."""
        return torch.from_numpy(np.stack(inputs))

    @torch.inference_mode()
    def predict(self, contexts: torch.Tensor) -> FloatArray:
        """Gives quantiles [B H Q]."""
        observed = torch.ones_like(contexts, dtype=torch.bool)
        return self._predictor.quantiles(contexts, observed, self._predictor.levels).numpy()

    def unbatch(self, output: FloatArray) -> list[FloatArray]:
        """Gives the quantiles [H Q] of each request."""
        return list(output)

    def encode_response(self, output: FloatArray) -> Response:
        """Gives the reply."""
        body = orjson.dumps({"quantiles": np.ascontiguousarray(output)}, option=orjson.OPT_SERIALIZE_NUMPY)
        return Response(body, media_type="application/json")


class ForecastsAsDict(Forecasts):
    """The same, encoded by FastAPI."""

    def encode_response(self, output: FloatArray) -> dict[str, Any]:  # type: ignore[override]
        """Gives what the reply holds."""
        return {"quantiles": output.tolist()}


def main() -> None:
    """Serves until it is ended."""
    warnings.simplefilter("ignore")
    given = _arguments()
    kind = {"bytes": Forecasts, "dict": ForecastsAsDict}[given.reply]
    api = kind(given.bundle, batch_size=given.batch_size, batch_seconds=given.batch_seconds)
    server = litserve.LitServer(
        api, accelerator="cpu", devices=1, workers_per_device=given.workers, fast_queue=given.fast_queue
    )
    server.run(
        host="127.0.0.1",
        port=given.port,
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
        access_log=False,
    )


def _arguments() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--bundle", type=Path, required=True)
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--batch-size", type=int, default=32)
    arguments.add_argument("--batch-seconds", type=float, default=0.005)
    arguments.add_argument("--workers", type=int, default=1)
    arguments.add_argument("--fast-queue", action="store_true")
    arguments.add_argument("--reply", choices=["bytes", "dict"], default="bytes")
    return arguments.parse_args()


if __name__ == "__main__":
    main()
