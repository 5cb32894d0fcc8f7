"""The negative control: the same application under uvicorn as it comes. Listens on FORECASTER_PORT."""

from __future__ import annotations

import uvicorn

from service.app import create_app
from service.settings import Settings


def main() -> None:
    """Serves with uvicorn's defaults."""
    settings = Settings()
    uvicorn.run(create_app(settings), host=settings.host, port=settings.port, access_log=False)


if __name__ == "__main__":
    main()
