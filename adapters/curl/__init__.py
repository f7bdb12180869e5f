"""HTTP by libcurl, which is the cheapest client over TLS and tells when a request was issued."""

from adapters.curl.options import AllowAddress, CurlOptions
from adapters.curl.transport import CurlTransport

__all__ = ["AllowAddress", "CurlOptions", "CurlTransport"]
