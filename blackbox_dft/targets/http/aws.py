"""Signs requests to AWS (Signature Version 4), by botocore."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from blackbox_dft.errors import InputError
from blackbox_dft.targets.http.messages import HttpRequest


class AwsSigner:
    """Signs requests to one AWS service with the credentials that botocore finds (environment, shared files, roles).

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html

    Raises:
        InputError: botocore is not installed, or it finds no credentials or no region.
    """

    def __init__(self, service: str, url: str) -> None:
        try:
            from botocore.session import get_session
        except ImportError as error:
            raise InputError("signing requests to AWS needs botocore: pip install 'blackbox-dft[aws]'.") from error
        session = get_session()
        self._credentials = session.get_credentials()
        if self._credentials is None:
            raise InputError("no AWS credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.")
        # A regional URL such as runtime.sagemaker.eu-west-1.amazonaws.com names the region.
        parts = (urlsplit(url).hostname or "").split(".")
        after = parts.index(service) + 1 if service in parts else len(parts)
        url_region = parts[after] if len(parts) - after > 2 else None
        self._region = url_region or session.get_config_variable("region")
        if not self._region:
            raise InputError("no AWS region was found: set AWS_DEFAULT_REGION, or give the service's regional URL.")
        self._service = service

    @property
    def secrets(self) -> list[str]:
        """Values that no message may show."""
        frozen = self._credentials.get_frozen_credentials()
        return [value for value in (frozen.secret_key, frozen.token) if value]

    def __call__(self, request: HttpRequest) -> HttpRequest:
        """``request`` with the headers of its signature."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        signed = AWSRequest(request.method, request.url, headers=dict(request.headers), data=request.content)
        SigV4Auth(self._credentials.get_frozen_credentials(), self._service, self._region).add_auth(signed)
        return replace(request, headers=dict(signed.headers.items()))
