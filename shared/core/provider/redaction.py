"""Redaction: a stranger's sentence, made safe for operators to read.

Rules of this file:
1. What is shown is short, one line, of visible and storable characters: no terminal control characters, no half of a
   surrogate pair.
2. Of an address only scheme and host stay: its path may name a user's file, its query may be a signature. Data URIs,
   tokens, keys, mail addresses and anything as long and dense as a secret are replaced by a mark.
3. A sentence may quote the user. A caller that knows the user's texts passes them in. Three words in a row from one of
   them are replaced, a shorter text only as a whole. Names of fields and rules stay.
"""

import re
from collections.abc import Iterable
from functools import cache

#: Enough for a sentence or two and the code after it.
SHOWN_CHARACTERS = 300

#: Replaces whatever is left out.
MARK = "[..]"

#: The most that is read of a text: what is shown is far shorter.
_READ_CHARACTERS = 4 * SHOWN_CHARACTERS

_SECRETS = (
    r"\bdata:[^\s,\"']{0,200},[^\s\"']*"
    r"|\b(?:Bearer|Token|Basic)\s+[^\s\"',;]+"
    r"|\b(?:r8|hf|sk|pk|gh[opsu]|glpat|whsec|xox[abp])[_-][^\s\"',;)]+"
    r"|\beyJ[\w-]+\.[\w.-]+"
    r"|\b(?:api[_-]?key|access[_-]?token|token|secret|password|signature|sig)\b\s*[=:]\s*[^\s\"',;&)]+"
    r"|\b[\w.+-]{1,64}@[\w-]{1,64}\.[\w.-]{1,64}"
    r"|(?=[A-Za-z+/_=-]{0,63}\d)[A-Za-z0-9+/_=-]{32,}"
)
_ADDRESS = r"\b([a-z][a-z0-9+.-]{1,9}://)(?:[^\s/?#@\"'<>]*@)?([^\s/?#\"'<>)\]]*)[^\s\"'<>)\]]*"
_WORD = re.compile(r"\w+")
_RUN = 3


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """The pattern, compiled at its first use, because a starting worker needs none."""
    return re.compile(pattern, re.IGNORECASE)


def redacted(text: str, private: Iterable[str] = (), most: int = SHOWN_CHARACTERS) -> str:
    """The text as one line of at most ``most`` characters, without addresses, secrets and the texts in ``private``."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[:_READ_CHARACTERS]).split())
    line = _without(line, private)
    # Addresses first: what is left of one is its host, which is not a secret however long it is.
    hosts: list[str] = []

    def host(match: re.Match[str]) -> str:
        hosts.append(f"{match[1]}{match[2]}/{MARK}")
        return f"\0{len(hosts) - 1}\0"

    line = _compiled(_SECRETS).sub(MARK, _compiled(_ADDRESS).sub(host, line))
    line = re.sub(r"\0(\d+)\0", lambda match: hosts[int(match[1])], line)
    return line if len(line) <= most else f"{line[: most - 2]}.."


def _without(line: str, private: Iterable[str]) -> str:
    """The line without the user's texts."""
    texts = [text for text in private if text.strip()]
    for text in texts:
        words = [re.escape(word) for word in _WORD.findall(text[:_READ_CHARACTERS])]
        if 0 < len(words) < _RUN and sum(map(len, words)) > 2:
            line = re.sub(r"\b" + r"\W+".join(words) + r"\b", MARK, line, flags=re.IGNORECASE)
    runs = {run for text in texts for run in _runs([word.lower() for word in _WORD.findall(text)])}
    found = list(_WORD.finditer(line))
    hidden = [False] * len(found)
    for start, run in enumerate(_runs([match[0].lower() for match in found])):
        if run in runs:
            hidden[start : start + _RUN] = [True] * _RUN
    return _marked(line, found, hidden)


def _runs(words: list[str]) -> list[tuple[str, ...]]:
    return list(zip(*(words[start:] for start in range(_RUN)), strict=False))


def _marked(line: str, words: list[re.Match[str]], hidden: list[bool]) -> str:
    """The line with one mark for each run of hidden words."""
    kept, at, index = [], 0, 0
    while index < len(words):
        if not hidden[index]:
            index += 1
            continue
        kept += [line[at : words[index].start()], MARK]
        while index < len(words) and hidden[index]:
            at, index = words[index].end(), index + 1
    return "".join([*kept, line[at:]])
