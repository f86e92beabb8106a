"""The description of a service: an OpenAPI document, and a page that shows it and tries it."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from blackbox_dft.deploy.serve.protocol_v2 import ServedModel
from blackbox_dft.version import __version__

ERRORS = {
    "400": "The request is not what it must be: no image, an empty body, numbers out of range.",
    "401": "The key is missing or wrong.",
    "413": "The request or the image is too large.",
    "429": "The target limits requests, or too many wait here; see Retry-After.",
    "502": "The target refused the image, or what it returned cannot be used.",
    "503": "The target cannot be reached, or the budget of the service is spent.",
    "504": "The target did not respond in time.",
}


def openapi(model: ServedModel, *, tuned: bool, keyed: bool) -> dict[str, Any]:
    """The document, version 3.1.

    Args:
        model: what is served.
        tuned: whether there is ``POST /predict``.
        keyed: whether clients must give a key.
    """
    name = model.name
    paths: dict[str, Any] = {
        "/health": _get("The process runs."),
        "/ready": _get("Requests are served."),
        "/metrics": _get("Counters and times for Prometheus.", "text/plain"),
        "/v2": _get("Name, version and extensions of the server."),
        f"/v2/models/{name}": _get("Inputs and outputs of the model."),
        f"/v2/models/{name}/ready": _get("The model is served."),
        f"/v2/models/{name}/infer": {
            "post": {
                "summary": "Scores of images as tensors, by the Open Inference Protocol V2.",
                "requestBody": {"required": True, "content": {"application/json": {"example": _infer_example(model)}}},
                "responses": _responses("Outputs, one row for each image."),
            }
        },
    }
    if tuned:
        labels = list(model.classes or ())
        predict = {
            "post": {
                "summary": "The label of one image.",
                "requestBody": {
                    "required": True,
                    "content": {
                        "image/*": {"schema": {"type": "string", "format": "binary"}},
                        "multipart/form-data": {
                            "schema": {
                                "type": "object",
                                "properties": {"image": {"type": "string", "format": "binary"}},
                            }
                        },
                    },
                },
                "responses": _responses("Its label and probabilities.", {"$ref": "#/components/schemas/Prediction"}),
            }
        }
        paths = {"/predict": predict, **paths}
    else:
        labels = []
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": f"bbdft serve: {name}", "version": __version__},
        "paths": paths,
        "components": {"schemas": {"Error": _object({"error": {"type": "string"}})}},
    }
    if tuned:
        document["components"]["schemas"]["Prediction"] = _object(
            {
                "label": {"type": ["string", "null"], "enum": [*labels, None]},
                "probabilities": {
                    "type": ["object", "null"],
                    "properties": {label: {"type": "number"} for label in labels},
                },
                "no_score": {"type": "boolean"},
                "version": {"type": "string"},
            }
        )
    if keyed:
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"key": []}]
    return document


def docs_page(document: dict[str, Any]) -> str:
    """The document as a page that needs nothing from elsewhere."""
    templates = Environment(
        loader=PackageLoader("blackbox_dft.deploy.serve"), autoescape=True, undefined=StrictUndefined
    )
    return templates.get_template("docs.html").render(document=document)


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _get(summary: str, kind: str = "application/json") -> dict[str, Any]:
    return {"get": {"summary": summary, "responses": {"200": {"description": "OK", "content": {kind: {}}}}}}


def _responses(ok: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {
        "200": {"description": ok, "content": {"application/json": {"schema": schema or {"type": "object"}}}},
        **{status: {"description": text, "content": error} for status, text in ERRORS.items()},
    }


def _infer_example(model: ServedModel) -> dict[str, Any]:
    shape = [1, *model.input.shape[1:]]
    return {"inputs": [{**model.input.to_json(), "shape": shape, "data": ["..."]}]}
