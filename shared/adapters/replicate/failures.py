"""Classifies failed predictions by their error texts.

Rules of this file:
1. A failure is classified here and nowhere else: by Replicate's error codes
   (replicate.com/docs/reference/error-codes), by the codes and sentences of the models that Replicate runs for other
   providers, and by those of the models themselves. tests/adapters/failure_texts.toml holds real texts. For a text that
   is classified wrongly, add it there first, then add a rule.
2. A failure of the kinds content and input ends the generation, so it needs a sentence that says so. A bare word
   (invalid, must be, sensitive, moderat..) is never enough: it also occurs in file names, in errors of CUDA and in
   answers to the model itself. Whatever is not surely the user's is the model's failure, and the next model is tried.
3. A missing credit or a refused key of the provider *behind* a model (E001, E002) is that model's failure. Our own
   account is another one.
4. The text comes from outside: it is read up to a bound, and no pattern spans more than a few words. What operators see
   of it is cut and redacted (core/provider/redaction.py).
"""

import re
from functools import cache

from shared.core.provider.failure import Failure

_CONTENT = (
    r"\bE005\b",
    r"\bNSFW\b",
    r"flagged as sensitive",
    r"\b(?:content|prompt|input|image) (?:was |has been |is )?flagged (?:for|as|by|and)\b",
    r"\bflagged by (?:\w+ ){0,2}moderation\b",
    r"\bmay (?:contain (?:sensitive|real person)|be related to copyright)",
    r"SensitiveContentDetected",
    r"DataInspectionFailed|\bGreen net check failed\b|\binappropriate content\b|\bprohibited[ _]content\b",
    r"\byour (?:input|request|prompt|image) was (?:rejected|blocked)",
    r"\b(?:rejected|blocked|refused) (?:by|as a result of) (?:our |the |its )?(?:safety|content|moderation)",
    r"\bsafety (?:filter|checker)s?\b",
    r"\b(?:request|content) moderated\b|\bmoderation_blocked\b|\bcontent[ _]policy\b|\bresponsible AI\b",
    r"\bSAFETY\.[A-Z]",
)

#: Credit and key of Replicate at the provider behind a model: we cannot mend them.
_PROVIDERS_ACCOUNT = (r"\bE00[12]\b",)

_OPERATOR = (
    r"\binsufficient credit\b",
    r"\b(?:monthly spend|free time) limit reached\b",
    r"\bvalid authentication token\b|\binvalid or expired API token\b",
    r"\bE4875\b",  # our webhook's address
)

#: The names that models give to their inputs. Whatever else "must be" something is most often a tensor.
_FIELD = (
    r"(?:(?:negative_)?prompt|width|height|seed|strength|\w+_strength|guidance\w*|steps|num_\w+|duration|aspect_ratio|fps"
    r"|resolution|output_\w+|(?:max|min)_\w+|temperature|top_[pk]|(?:\w+_)?(?:image|video|audio|mask|url|uuid|id)s?"
    r"|(?:image|video|audio|input|start|end|continuation|first|last)_\w+|frame(?: index)?)"
)

#: Excludes the hosts of model weights: any other address is one that a user gave for a picture.
_NO_WEIGHTS = (
    r"(?!(?:[\w-]+\.){0,3}(?:huggingface\.co|hf\.co|civitai\.com|github\.com|githubusercontent\.com"
    r"|weights\.replicate\.delivery)\b)"
)

_INPUT = (
    r"\bE006\b",
    r"\b(?:prediction input failed validation|input validation failed)\b",
    r"\bE1[01]0[1-9] (?:Prompt|BadPrompt|InvalidArgument)",  # replicate/cog-triton: E1001 alone is out of memory
    r"\bprompt length \(\d+\) exceeds\b|\bprompt is too long\b|\bmaximum context length\b",
    r"\b(?:could not|couldn't|cannot|can't|unable to|failed to) (?:find|detect) (?:a |any )?faces?\b",
    r"\bno faces? (?:was |were |is )?(?:found|detected)\b|\bface (?:could not be|was not|not) (?:found|detected)\b",
    rf"\b4(?:0[0134]|1[05]) Client Error\b[^\n]{{0,80}} for url: https?://{_NO_WEIGHTS}",
    r"\bcannot identify image file\b|\bimage file is truncated\b|\bhas zero (?:height|width)\b",
    r"\binvalid data found when processing input\b|\bmoov atom not found\b",
    r"\bunable to read (?:the )?(?:image|audio|video|input) file\b|^Missing required input files\b",
    rf"^(?:\w+: )?[`'\"]?{_FIELD}[`'\"]? (?:must|has to|have to|should) ",
    r"\b(?:height|width)\b[^\n]{0,20} have to be divisible\b",
    r"\b(?:total )?(?:duration|pixel count|image size|file size)\b[^\n]{0,50} must (?:be|not)\b",
    r"\bmaximum size is \d|\blower width or height\b|\bresize input image\b",
    r"\baspect ratio \([\d.]+\) is outside\b|\bexpected the aspect ratio\b",
    r"\bInvalid \w{0,20}(?:url|image|video|audio|file) format\b",
    r"\bInvalidParameter\b",
    r"\bparameter [`'\"]?\w+[`'\"]? specified in the request is not valid\b|(?:\]|\w)\.\w+ is not valid:",
    r"\b(?:image|video|audio) \w+ is invalid\b",
)

_TRANSIENT = (
    r"\bcode: PA\b|\bprediction interrupted\b",
    r"\bE(?:1000|6716|8367|8765|9243|9825|9828)\b|\bE00[34]\b",
    r"\berror handling prediction\b(?! \(E1001\))",
    r"\bqueue reached limit\b|\bhigh demand\b|\btemporarily unavailable\b",
    r"\bplease (?:retry|try again)(?: later)?(?:\.?$|\. \()|\bmust be retried\b",
    r"\bwas throttled\b|\brate limit\b|\btoo many requests\b",
    r"\b(?:Read|Connect|RemoteProtocol)Error:?\s*$",
    r"\b50[234] (?:Server Error|Bad Gateway|Service Unavailable|Gateway Time)",
)


# The first match decides: a content refusal may be wrapped in a code of another kind.
_FAILURES: tuple[tuple[tuple[str, ...], Failure], ...] = (
    (_CONTENT, Failure.CONTENT),
    (_PROVIDERS_ACCOUNT, Failure.MODEL),
    (_OPERATOR, Failure.OPERATOR),
    (_INPUT, Failure.INPUT),
    (_TRANSIENT, Failure.TRANSIENT),
)


@cache
def _any(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """One pattern for all of them. It is compiled at the first failure: at the start it would cost 20 ms."""
    return re.compile("|".join(patterns), re.IGNORECASE)


def failure_of(error: str) -> Failure:
    """The kind of a failed prediction, by its error text. ``Failure.MODEL`` if no pattern matches."""
    for patterns, failure in _FAILURES:
        if _any(patterns).search(error):
            return failure
    return Failure.MODEL
