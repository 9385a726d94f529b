"""A parser that refuses what it does not know, and says what was probably meant."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from easymtl.errors import did_you_mean, quoted

EXIT_USER_ERROR = 2


class WrongArguments(SystemExit):
    """Ends the program with exit code 2, and says why to whoever catches it."""

    def __init__(self, message: str):
        super().__init__(EXIT_USER_ERROR)
        self.message = message


class Parser(argparse.ArgumentParser):
    """Refuses what it does not know, and says what was probably meant."""

    verbs: Mapping[str, "Parser"] = {}

    def refuse_unknown(self, arguments: Sequence[str]) -> None:
        """Ends with exit code 2 at a command or a flag that does not exist.

        A mistyped flag is named before the required one that is missing because of it.
        """
        if not arguments:
            self.error(f"name a COMMAND: {quoted(self.verbs)}.")
        command = arguments[0]
        if command.startswith("-"):
            self._refuse_flags(arguments[:1])
            return
        if command not in self.verbs:
            self.error(f'there is no command "{command}" ({quoted(self.verbs)}).{did_you_mean(command, self.verbs)}')
        self.verbs[command]._refuse_flags(arguments[1:], self.verbs)

    def parse_whole(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Returns the options of a command; ends with exit code 2 where words are left over, and says which."""
        options, left = self.parse_known_args(arguments)
        if left:
            verb = self.verbs.get(arguments[0], self)
            many = " Write --set before each of them: --set A=1 --set B=2." if any("=" in word for word in left) else ""
            verb.error(f"too many words: {quoted(left)}.{many}")
        return options

    def _refuse_flags(self, arguments: Sequence[str], verbs: Mapping[str, "Parser"] | None = None) -> None:
        known = self._option_string_actions
        for flag in (text.split("=")[0] for text in arguments if text.startswith("--")):
            if flag not in known:
                self.error(f"unknown argument {flag}.{self._hint(flag, verbs or {})}")

    def _hint(self, flag: str, verbs: Mapping[str, "Parser"]) -> str:
        """Returns what to write in the place of a flag that does not exist."""
        from easymtl.config.easyrec_flags import COUNTERPARTS

        known = self._option_string_actions
        ours = COUNTERPARTS.get(flag, "")
        if ours and (ours in known or ours[:2] != "--" or " " in ours):
            return f" In place of EasyRec's {flag}: {ours}."
        parts = [name for name in known if name.endswith("_" + flag.lstrip("-"))]
        others = [name for name, verb in verbs.items() if flag in verb._option_string_actions]
        if len(parts) > 1 or (parts and not others):
            return f" There is {' and '.join(parts)}."
        if others:
            return f" It is a flag of {quoted(others)}."
        return did_you_mean(flag, known) or f" There are {quoted(name for name in known if name[:2] == '--')}."

    def error(self, message: str) -> NoReturn:
        """Ends with exit code 2 and one line."""
        print(f"{self.prog}: {message}\nRun {self.prog} --help for what is allowed.", file=sys.stderr)
        raise WrongArguments(message)
