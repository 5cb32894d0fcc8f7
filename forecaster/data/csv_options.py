"""How pandas is to read a CSV file or text: texts as the texts they are, and gaps where it sees them in numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

# What pandas takes for a gap unless told otherwise. In a column of texts only the empty one is.
_GAPS = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>"),
    *("N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)


def csv_options(names: Iterable[str], texts: Collection[str]) -> dict[str, Any]:
    """Gives the options of `pandas.read_csv` for a table with these columns, some of them `texts`.

    In those '007' stays '007', and 'NA' is no gap.
    """
    gaps = {name: ("",) if name in texts else _GAPS for name in names}
    return {"low_memory": False, "dtype": dict.fromkeys(texts, str), "keep_default_na": False, "na_values": gaps}
