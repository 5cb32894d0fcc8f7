"""What the text of the Open Inference Protocol demands of health, metadata and errors."""

from __future__ import annotations

import httpx

from tests.service.dialects.inference_bodies import MODEL, V2, Musts, assert_error, infer

MUSTS = Musts()
INTEGERS = {f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)}
DATATYPES = {"BOOL", *INTEGERS, "FP16", "FP32", "FP64", "BYTES"}
must = MUSTS.must


@must("server live is GET v2/health/live and 200 while requests can be received")
def _(client: httpx.Client) -> None:
    assert client.get(f"{V2}/health/live").status_code == 200


@must("server live says live as a boolean")
def _(client: httpx.Client) -> None:
    assert client.get(f"{V2}/health/live").json()["live"] is True


@must("server ready is GET v2/health/ready and 200 while all models are ready")
def _(client: httpx.Client) -> None:
    assert client.get(f"{V2}/health/ready").status_code == 200


@must("server ready says live as a boolean")
def _(client: httpx.Client) -> None:
    assert client.get(f"{V2}/health/ready").json()["live"] is True


@must("server metadata is GET v2 and 200")
def _(client: httpx.Client) -> None:
    assert client.get(V2).status_code == 200


@must("server metadata is found with a slash at its end too, as in the schema of the protocol")
def _(client: httpx.Client) -> None:
    assert client.get(f"{V2}/").json() == client.get(V2).json()


@must("server metadata has a name and a version, both strings")
def _(client: httpx.Client) -> None:
    found = client.get(V2).json()
    assert isinstance(found["name"], str)
    assert isinstance(found["version"], str)


@must("server metadata lists its extensions as strings")
def _(client: httpx.Client) -> None:
    found = client.get(V2).json()["extensions"]
    assert isinstance(found, list)
    assert all(isinstance(name, str) for name in found)


@must("model metadata is GET v2/models/NAME and 200")
def _(client: httpx.Client) -> None:
    assert client.get(MODEL).status_code == 200


@must("model metadata has the name of the model")
def _(client: httpx.Client) -> None:
    assert client.get(MODEL).json()["name"] == "waves"


@must("model metadata lists the versions that may be asked for as strings")
def _(client: httpx.Client) -> None:
    (version,) = client.get(MODEL).json()["versions"]
    assert client.get(f"{MODEL}/versions/{version}").status_code == 200


@must("model metadata has a platform of the form PROJECT_FORMAT")
def _(client: httpx.Client) -> None:
    project, _, form = client.get(MODEL).json()["platform"].partition("_")
    assert project
    assert form


@must("model metadata lists inputs and outputs")
def _(client: httpx.Client) -> None:
    found = client.get(MODEL).json()
    assert {one["name"] for one in found["inputs"]} == {"target", "start", "unique_id"}
    assert {"quantiles", "levels", "timestamps", "unique_id"} <= {one["name"] for one in found["outputs"]}


@must("a tensor of the metadata has a name, a datatype of the table and a shape of integers")
def _(client: httpx.Client) -> None:
    found = client.get(MODEL).json()
    for one in (*found["inputs"], *found["outputs"]):
        assert set(one) == {"name", "datatype", "shape"}
        assert one["datatype"] in DATATYPES
        assert all(type(size) is int for size in one["shape"])


@must("a dimension of variable size is -1 in the metadata")
def _(client: httpx.Client) -> None:
    shapes = {one["name"]: one["shape"] for one in client.get(MODEL).json()["inputs"]}
    assert shapes == {"target": [-1, -1], "start": [-1], "unique_id": [-1]}


@must("an answer has the shapes and the datatypes of the metadata")
def _(client: httpx.Client) -> None:
    declared = {one["name"]: one for one in client.get(MODEL).json()["outputs"]}
    outputs = infer(client)["outputs"]
    assert [one["name"] for one in outputs] == list(declared)
    for one in outputs:
        wanted = declared[one["name"]]
        assert one["datatype"] == wanted["datatype"]
        assert len(one["shape"]) == len(wanted["shape"])
        assert all(size in (-1, found) for size, found in zip(wanted["shape"], one["shape"], strict=True))


@must("model metadata may be asked for by version")
def _(client: httpx.Client) -> None:
    assert client.get(f"{MODEL}/versions/1").json() == client.get(MODEL).json()


@must("a failed request for model metadata is an HTTP error with an error object")
def _(client: httpx.Client) -> None:
    assert_error(client.get(f"{V2}/models/nothing"), "no model of that name", 404)


@must("a failed request for the metadata of a version is an HTTP error with an error object")
def _(client: httpx.Client) -> None:
    assert_error(client.get(f"{MODEL}/versions/99"), "version '99' of 'waves' is not in service", 404)


@must("model ready is GET v2/models/NAME/ready and says the name and that it is ready")
def _(client: httpx.Client) -> None:
    reply = client.get(f"{MODEL}/ready")
    assert (reply.status_code, reply.json()) == (200, {"name": "waves", "ready": True})


@must("model ready may be asked for by version")
def _(client: httpx.Client) -> None:
    reply = client.get(f"{MODEL}/versions/1/ready")
    assert (reply.status_code, reply.json()) == (200, {"name": "waves", "ready": True})


@must("a model that is not there is not ready")
def _(client: httpx.Client) -> None:
    assert_error(client.get(f"{V2}/models/nothing/ready"), "no model of that name", 404)
    assert_error(client.get(f"{MODEL}/versions/99/ready"), "is not in service", 404)


@must("names are case-sensitive")
def _(client: httpx.Client) -> None:
    assert_error(client.get(f"{V2}/models/Waves"), "no model of that name", 404)


@must("what is no endpoint of the protocol fails with an error object")
def _(client: httpx.Client) -> None:
    assert_error(client.get(f"{V2}/models"), "not-found", 404)
    assert_error(client.get("/oip/v1/models/waves"), "not-found", 404)


@must("an endpoint with another verb fails with an error object")
def _(client: httpx.Client) -> None:
    assert_error(client.get(f"{MODEL}/infer"), "method-not-allowed", 405)
    assert_error(client.post(f"{V2}/health/live"), "method-not-allowed", 405)


@must("bodies are JSON and say so")
def _(client: httpx.Client) -> None:
    for path in (V2, f"{V2}/health/live", f"{V2}/health/ready", MODEL, f"{MODEL}/ready"):
        assert client.get(path).headers["content-type"] == "application/json"
