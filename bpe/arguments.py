"""The command lines of the project's programs."""

import argparse
import re
import sys
from collections.abc import Sequence
from typing import Any

_DASHES_AS_VALUE = re.compile(r"(--[\w-]+)=--")


class CommandParser(argparse.ArgumentParser):
    """An ArgumentParser for which `--name=--` is an error: before Python 3.13 its value would be an empty list."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> Any:
        for argument in sys.argv[1:] if args is None else args:
            if argument == "--":
                break
            if match := _DASHES_AS_VALUE.fullmatch(argument):
                self.error(f"argument {match[1]}: expected one argument, not --")
        return super().parse_known_args(args, namespace)
