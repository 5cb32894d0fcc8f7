"""Whether requests are traced, and how that begins: OpenTelemetry is an extra, and imported only where it is asked for.

Where traces go, with which headers, what of all requests and how much at once is what the standard variables OTEL_...
say. Its libraries read those themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from forecaster.errors import ConfigError
from service.settings import Settings

if TYPE_CHECKING:
    from service.telemetry.spans import Spans

_PROTOCOL = "http/protobuf"
_SERVICE = "forecaster"


def spans_of(settings: Settings) -> Spans | None:
    """Gives what makes spans of requests, None where nobody asks for them.

    ConfigError where they are asked for and cannot be: the extra is not installed, or a variable cannot be used.
    """
    if not settings.sends_traces:
        return None
    if settings.otlp_protocol != _PROTOCOL:
        raise ConfigError(f"OTEL_EXPORTER_OTLP_PROTOCOL is {settings.otlp_protocol}: traces go by {_PROTOCOL} only")
    if settings.otlp_endpoint and not settings.otlp_endpoint.startswith(("http://", "https://")):
        raise ConfigError("the endpoint of traces wants a URL: OTEL_EXPORTER_OTLP_ENDPOINT=http://host:4318")
    try:
        return _started()
    except ImportError as error:
        raise ConfigError(
            f"traces are asked for, but {error.name} is not installed: pip install 'forecaster[otel]'"
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"traces cannot be sent as the variables OTEL_... say: {error}") from error


def _started() -> Spans:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider

    from service.telemetry.spans import Spans

    resource = Resource.create()
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: _SERVICE}))
    return Spans(TracerProvider(resource=resource, shutdown_on_exit=False), OTLPSpanExporter())
