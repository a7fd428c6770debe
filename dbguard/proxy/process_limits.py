"""Limits that the operating system holds this process to."""

from __future__ import annotations


def no_core_files() -> None:
    """A core file would hold texts with their literals, and what people log in with."""
    set_soft_limit("RLIMIT_CORE", 0)


def set_soft_limit(name: str, value: int | None) -> None:
    """Set a soft limit (None: as far as the hard one allows) where the system has it."""
    try:
        import resource

        which = getattr(resource, name)
        _, hard = resource.getrlimit(which)
        within = hard if value is None else value
        if hard != resource.RLIM_INFINITY and within != resource.RLIM_INFINITY:
            within = min(within, hard)
        resource.setrlimit(which, (within, hard))
    except (ImportError, AttributeError, ValueError, OSError):
        return
