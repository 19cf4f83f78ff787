"""An S3 server on loopback that may go away and come back, and what its clients find it by."""

from __future__ import annotations

from typing import Any

from service_processes import HOST, free_port


class ObjectStore:
    """An S3 server of one's own that may go away and come back; its objects stay."""

    def __init__(self, *buckets: str) -> None:
        self.port = free_port()
        self._buckets = buckets

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{HOST}:{self.port}"

    @property
    def variables(self) -> dict[str, str]:
        """What its clients find it by."""
        return {
            "AWS_ACCESS_KEY_ID": "tester",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": self.url,
        }

    def start(self) -> None:
        """Start it, and make its buckets the first time."""
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer(ip_address=HOST, port=self.port, verbose=False)
        self._server.start()
        for bucket in self._buckets:
            self.client().create_bucket(Bucket=bucket)
        self._buckets = ()

    def stop(self) -> None:
        """Listen no more."""
        self._server.stop()

    def client(self) -> Any:  # noqa: ANN401  boto3 ships no types
        """Return a client of it."""
        import boto3

        keys = self.variables
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        )

    def keys(self, bucket: str) -> list[str]:
        """Return what is in a bucket."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [one["Key"] for page in pages for one in page.get("Contents", ())]
