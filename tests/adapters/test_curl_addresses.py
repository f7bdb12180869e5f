import pytest

from adapters.curl.addresses import is_public


@pytest.mark.parametrize(
    "ip",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "169.254.169.254",
        "0.0.0.0",  # noqa: S104  An address to refuse, not one to listen on.
        "224.0.0.1",
        "::1",
        "fe80::1%eth0",
        "fc00::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
    ],
)
def test_addresses_inside_a_network_are_not_public(ip: str) -> None:
    assert not is_public(ip, 443)


@pytest.mark.parametrize("ip", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_addresses_of_the_internet_are_public(ip: str) -> None:
    assert is_public(ip, 443)
