"""Numbers as text, in one place: counts, memory, shares and shapes."""

from __future__ import annotations

from explorer.text import _

Shape = tuple[int, ...]

_SI = ("", "K", "M", "G", "T", "P", "E")
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def count(n: int) -> str:
    """Every digit, grouped: "25,557,032"."""
    return f"{n:,}"


def compact(n: float) -> str:
    """Three significant digits and an SI prefix: "25.6 M", "4.09 G", "512"."""
    if abs(n) < 1000:
        return f"{n:.3g}"
    value, prefix = _scale(n, 1000, _SI)
    return f"{value} {prefix}"


def rounded(x: float, digits: int = 3) -> str:
    """Significant digits without a prefix and, from 0.0001 on, an exponent: "3,660", "12.3"."""
    value = float(f"{x:.{digits}g}")
    return f"{value:,.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:.{digits}g}"


def memory(nbytes: float) -> str:
    """Three significant digits and a binary prefix: "10.5 MiB", "512 B"."""
    if abs(nbytes) < 1000:
        return f"{nbytes:.3g} B"
    value, prefix = _scale(nbytes, 1024, _BINARY)
    return f"{value} {prefix}"


def percent(x: float) -> str:
    """A share of one with one decimal, "12.3%"; a share too small for that is "<0.1%"."""
    if 0 < x < 0.0005:
        return "<0.1%"
    return f"{100 * x:.1f}%"


def threads_text(n: int) -> str:
    """A number of threads: "1 thread", "2 threads"."""
    return _("1 thread") if n == 1 else _("{n:,} threads").format(n=n)


def shape_text(shape: Shape, *, batch: bool = False) -> str:
    """A shape as people write it: "64 × 112 × 112".

    Args:
        shape: with the batch first, (N, C, H, W).
        batch: keep the batch; without it a shape of one number or none is kept whole.
    """
    kept = shape if batch or len(shape) < 2 else shape[1:]
    return " × ".join(map(str, kept)) or "scalar"


def _scale(n: float, base: int, prefixes: tuple[str, ...]) -> tuple[str, str]:
    """Divide by `base` until at most three digits are left before the point."""
    value, step = float(n), 0
    while abs(value) >= 999.5 and step < len(prefixes) - 1:
        value /= base
        step += 1
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    # Sizes are often exactly half way, 6.125 MiB: up, as in the browser's tables, not to even.
    return f"{value * (1 + 1e-12):.{digits}f}", prefixes[step]
