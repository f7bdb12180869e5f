"""Which addresses requests may go to, decided at the moment of connecting.

A name is resolved by whoever configures it: only the address that is really dialled can be judged.
"""

from ipaddress import ip_address


def is_public(ip: str, port: int) -> bool:
    """Whether `ip` is on the internet: neither private, loopback, link-local nor reserved.

    An IPv4 address within an IPv6 one is judged as what it is.
    """
    address = ip_address(ip.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_global and not address.is_multicast
