#!/usr/bin/env python
"""Creates an S3 bucket unless it is there: `create-bucket NAME`, endpoint and keys from the environment."""

from __future__ import annotations

import os
import sys

import boto3  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]

_PRESENT = ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")


def create_bucket(name: str) -> None:
    """Creates the bucket at MLFLOW_S3_ENDPOINT_URL; one that this account has already is left as it is."""
    # Path style, as MLflow itself addresses it: the endpoint's host name has no subdomains.
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 10, "mode": "standard"})
    client = boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"], config=config)
    try:
        client.create_bucket(Bucket=name)
    except client.exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in _PRESENT:
            raise
    client.head_bucket(Bucket=name)


if __name__ == "__main__":
    create_bucket(sys.argv[1])
