"""What is measured, each figure beside its floor: `make bench`."""


def verdict(met: bool) -> str:
    """The word that stands behind a figure with a limit."""
    return "met" if met else "MISSED"
