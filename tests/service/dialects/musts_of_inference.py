"""What the text of the Open Inference Protocol demands of requests for inference and of their answers."""

from __future__ import annotations

import copy
import json
from typing import Any

import httpx

from tests.service.dialects.inference_bodies import (
    MODEL,
    V2,
    Musts,
    assert_error,
    infer,
    inference,
    inputs,
    outputs_of,
    refuse,
    tensor,
)
from tests.service.request_bodies import HISTORY

MUSTS = Musts()
must = MUSTS.must


@must("inference is POST v2/models/NAME/infer and 200")
def _(client: httpx.Client) -> None:
    assert client.post(f"{MODEL}/infer", json=inference()).status_code == 200


@must("inference may be asked for by version")
def _(client: httpx.Client) -> None:
    assert infer(client, f"{MODEL}/versions/1") == infer(client)


@must("inference of a model or version that is not there fails with an error object")
def _(client: httpx.Client) -> None:
    refuse(client, "no model of that name", f"{V2}/models/nothing", 404)
    refuse(client, "version '99'", f"{MODEL}/versions/99", 404)


@must("the answer has the name of the model and the version that answered")
def _(client: httpx.Client) -> None:
    found = infer(client)
    assert (found["model_name"], found["model_version"]) == ("waves", "1")


@must("an id of the request is that of the answer")
def _(client: httpx.Client) -> None:
    assert infer(client, id="a request, ü")["id"] == "a request, ü"
    assert infer(client, id="")["id"] == ""


@must("an answer to a request without an id has none")
def _(client: httpx.Client) -> None:
    assert "id" not in infer(client, id=...)


@must("an id is a string")
def _(client: httpx.Client) -> None:
    refuse(client, "id: ", id=42)


@must("without outputs in the request all outputs are given")
def _(client: httpx.Client) -> None:
    declared = [one["name"] for one in client.get(MODEL).json()["outputs"]]
    assert [one["name"] for one in infer(client)["outputs"]] == declared


@must("the outputs that are asked for are given, and no others")
def _(client: httpx.Client) -> None:
    wanted = [{"name": "timestamps"}, {"name": "quantiles"}]
    assert [one["name"] for one in infer(client, outputs=wanted)["outputs"]] == ["timestamps", "quantiles"]


@must("an output that the model has not fails with an error object")
def _(client: httpx.Client) -> None:
    refuse(client, "outputs.output0: is unknown", outputs=[{"name": "output0"}])


@must("an output has a name, a shape, a datatype and data")
def _(client: httpx.Client) -> None:
    assert all(set(one) == {"name", "shape", "datatype", "data"} for one in infer(client)["outputs"])


@must("dimensions of outputs are unsigned integers, and their product is the number of elements")
def _(client: httpx.Client) -> None:
    for one in infer(client)["outputs"]:
        product = 1
        for size in one["shape"]:
            assert type(size) is int
            assert size >= 0
            product *= size
        assert len(one["data"]) == product


@must("outputs have the whole batch, in row-major order")
def _(client: httpx.Client) -> None:
    body = inference()
    body["inputs"][0]["data"] = [*HISTORY, *(10 * value for value in HISTORY)]
    found = outputs_of(infer(client, **body))["quantiles"]
    assert found["shape"] == [2, 4, 3]
    request = {
        "model": "waves",
        "horizon": 4,
        "quantiles": [0.1, 0.5, 0.9],
        "series": [
            {"id": f"s{place}", "start": "2024-01-01T00:00:00", "target": [factor * value for value in HISTORY]}
            for place, factor in enumerate((1, 10))
        ],
    }
    forecasts = client.post("/v1/forecast", json=request).json()["forecasts"]
    columns = [[forecast["quantiles"][level] for level in ("0.1", "0.5", "0.9")] for forecast in forecasts]
    expected = [columns[s][q][h] for s in range(2) for h in range(4) for q in range(3)]
    assert found["data"] == expected


@must("inputs may be flat or nested as their shape is, and mean the same")
def _(client: httpx.Client) -> None:
    nested = inference()
    nested["inputs"][0]["data"] = [HISTORY, HISTORY]
    assert infer(client, **nested) == infer(client)


@must("the order of inputs has no meaning")
def _(client: httpx.Client) -> None:
    assert infer(client, inputs=inputs(2)[::-1]) == infer(client)


@must("elements of FP64 may be integers")
def _(client: httpx.Client) -> None:
    whole = [round(value) for value in HISTORY]
    as_floats = infer(client, inputs=inputs(data=[float(value) for value in whole]))
    assert infer(client, inputs=inputs(data=whole)) == as_floats


@must("inputs are required")
def _(client: httpx.Client) -> None:
    refuse(client, "inputs: is missing", inputs=...)


@must("each input of the metadata is required")
def _(client: httpx.Client) -> None:
    for place, name in enumerate(("target", "start", "unique_id")):
        rest = inputs()
        del rest[place]
        refuse(client, f"{name}: is missing", inputs=rest)


@must("an input needs a name, a shape, a datatype and data")
def _(client: httpx.Client) -> None:
    for field in ("name", "shape", "datatype", "data"):
        rest = inputs()
        del rest[0][field]
        refuse(client, f"inputs.0.{field}: is missing", inputs=rest)


@must("an input that the model has not fails with an error object")
def _(client: httpx.Client) -> None:
    refuse(client, "input0: is not read by this model", inputs=[*inputs(), tensor("input0", "FP64", [1], [1.0])])


@must("an input that is given twice fails with an error object")
def _(client: httpx.Client) -> None:
    refuse(client, "target: is given more than once", inputs=[*inputs(), inputs()[0]])


@must("a dimension is an integer of 64 bits without a sign")
def _(client: httpx.Client) -> None:
    for size in (-1, 1.5, "60", True, 1 << 64):
        refuse(client, "inputs.0.shape.1: ", inputs=inputs(shape=[1, size]))
    refuse(client, "elements for the shape", inputs=inputs(shape=[1, (1 << 64) - 1]))


@must("a shape that is not that of the data fails with an error object")
def _(client: httpx.Client) -> None:
    refuse(client, "target: has 60 elements for the shape [1, 59]", inputs=inputs(shape=[1, 59]))
    refuse(client, "target: has rows that are not those", inputs=inputs(data=[HISTORY[:59]]))
    refuse(client, "target: has rows that are not those", inputs=inputs(data=[HISTORY, HISTORY]))


@must("a shape of another rank or batch fails with an error object")
def _(client: httpx.Client) -> None:
    refuse(client, "start: has the shape [1]: wanted is [2]", inputs=[inputs(2)[0], *inputs(1)[1:]])
    refuse(client, "target: has the shape [60]: wanted is [series, values]", inputs=inputs(shape=[60]))
    refuse(client, "target: has the shape []: wanted is [series, values]", inputs=inputs(shape=[], data=[1.0]))


@must("a datatype of the table that the model does not take fails with an error object")
def _(client: httpx.Client) -> None:
    refuse(client, "target: is of datatype FP32: wanted is FP64", inputs=inputs(datatype="FP32"))
    refuse(client, "target: is of datatype BYTES: wanted is FP64", inputs=inputs(datatype="BYTES"))


@must("datatypes are case-sensitive")
def _(client: httpx.Client) -> None:
    refuse(client, "target: is of datatype fp64", inputs=inputs(datatype="fp64"))


@must("an element of another type than that of the tensor fails with an error object")
def _(client: httpx.Client) -> None:
    for wrong in ("10.5", True, [1.0], {}):
        refuse(client, "target: ", inputs=inputs(data=[*HISTORY[:-1], wrong]))
    for place, name in ((1, "start"), (2, "unique_id")):
        spoiled = inputs()
        spoiled[place]["data"] = [7]
        refuse(client, f"{name}: element 0 is no text", inputs=spoiled)


@must("parameters are strings, numbers or booleans")
def _(client: httpx.Client) -> None:
    for wrong in ([0.1, 0.5], {"level": 0.1}, None):
        refuse(client, "parameters.quantiles: is no text, number or boolean", parameters={"quantiles": wrong})


@must("parameters of this server are obeyed")
def _(client: httpx.Client) -> None:
    found = outputs_of(infer(client, parameters={"horizon": 2, "quantiles": 0.5, "timezone": "Europe/Berlin"}))
    assert found["quantiles"]["shape"] == [2, 2, 1]
    assert found["levels"]["data"] == [0.5]
    assert found["timestamps"]["data"][0] == "2024-01-03T12:00:00+01:00"


@must("a parameter that this server has not fails with an error object")
def _(client: httpx.Client) -> None:
    refuse(client, "parameters.temperature: is unknown", parameters={"temperature": 1.0})
    refuse(client, "target.parameters.depth: is unknown", inputs=inputs(parameters={"depth": 1}))
    wanted: list[dict[str, Any]] = [{"name": "quantiles", "parameters": {"depth": 1}}]
    refuse(client, "outputs.quantiles.parameters.depth: is unknown", outputs=wanted)


@must("an extension that is not listed is not used: binary data")
def _(client: httpx.Client) -> None:
    assert infer(client, parameters={"horizon": 1, "binary_data_output": False})
    refuse(client, "binary_data_output: must be false", parameters={"binary_data_output": True})
    asked = [{"name": "quantiles", "parameters": {"binary_data": True}}]
    refuse(client, "binary_data: must be false", outputs=asked)
    refuse(client, "target.parameters.binary_data_size: is unknown", inputs=inputs(parameters={"binary_data_size": 8}))
    headers = {"Inference-Header-Content-Length": "10", "Content-Type": "application/json"}
    reply = client.post(f"{MODEL}/infer", content=b"{}", headers=headers)
    assert_error(reply, "announces binary data")


@must("a body that is no JSON object fails with an error object")
def _(client: httpx.Client) -> None:
    headers = {"Content-Type": "application/json"}
    for content, says in ((b"", "invalid-json"), (b"{", "invalid-json"), (b"[]", "body: must be a JSON object")):
        assert_error(client.post(f"{MODEL}/infer", content=content, headers=headers), says)


@must("a body of another media type fails with an error object")
def _(client: httpx.Client) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    assert_error(client.post(f"{MODEL}/infer", content=b"{}", headers=headers), "send application/json", 415)


@must("a body is JSON, declared or not")
def _(client: httpx.Client) -> None:
    reply = client.post(f"{MODEL}/infer", content=json.dumps(inference()))
    assert "content-type" not in reply.request.headers
    assert reply.json() == infer(client)


@must("a field that the text has not fails with an error object")
def _(client: httpx.Client) -> None:
    refuse(client, "priority: is unknown", priority=1)
    refuse(client, "inputs.0.layout: is unknown", inputs=inputs(layout="row"))


@must("a failure of the model's own making names the input")
def _(client: httpx.Client) -> None:
    spoiled = copy.deepcopy(inputs(2))
    spoiled[1]["data"][1] = "tomorrow"
    refuse(client, "start: row 1: ", inputs=spoiled)
    refuse(client, "unique_id: row 0: ", inputs=[*inputs()[:2], tensor("unique_id", "BYTES", [1], [""])])
    refuse(client, "horizon 99 is outside 1..12", parameters={"horizon": 99})


@must("an empty batch fails with an error object")
def _(client: httpx.Client) -> None:
    empty = [tensor("target", "FP64", [0, 5], []), tensor("start", "BYTES", [0], [])]
    refuse(client, "series: ", inputs=[*empty, tensor("unique_id", "BYTES", [0], [])])
    refuse(client, "target: row 0: ", inputs=inputs(shape=[1, 0], data=[]))
