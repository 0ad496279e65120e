"""A few words for what directions do: "smiling, older, with glasses" -> strengths by name. Words, no language model."""

import re
from collections.abc import Mapping

from wplus.core.errors import DirectionError
from wplus.models.catalogue import suggest

WORDS: Mapping[str, tuple[str, float]] = {
    "smiling": ("smile", 1.0),
    "laughing": ("smile", 1.5),
    "serious": ("smile", -1.0),
    "mouth open": ("mouth-open", 1.5),
    "mouth closed": ("mouth-open", -1.5),
    "eyes closed": ("eyes-closed", 2.0),
    "eyes open": ("eyes-closed", -1.0),
    "looking right": ("yaw", 1.0),
    "looking left": ("yaw", -1.0),
    "surprised": ("brows", 1.5),
    "older": ("age", 1.0),
    "old": ("age", 2.0),
    "younger": ("age", -1.0),
    "male": ("gender", 1.0),
    "masculine": ("gender", 1.0),
    "female": ("gender", -1.0),
    "feminine": ("gender", -1.0),
    "glasses": ("glasses", 1.0),
    "blond": ("blond", 1.0),
    "dark hair": ("dark-hair", 1.0),
    "grey hair": ("grey-hair", 1.0),
    "fringe": ("bangs", 1.0),
    "bangs": ("bangs", 1.0),
    "beard": ("beard", 1.0),
    "bearded": ("beard", 1.0),
    "shaved": ("beard", -1.0),
    "make-up": ("make-up", 1.0),
    "brighter": ("light", 1.0),
    "darker": ("light", -1.0),
    "warmer": ("warmth", 1.0),
    "cooler": ("warmth", -1.0),
}
"""What may be said, in American or British spelling, and what it stands for."""

SPELLINGS: Mapping[str, str] = {"gray": "grey", "blonde": "blond", "makeup": "make-up", "a fringe": "fringe"}

STRENGTHS: Mapping[str, float] = {"slightly": 0.5, "a bit": 0.5, "a little": 0.5, "very": 1.5, "much": 1.5}
"""How strong, before a word."""

LEADS = re.compile(r"^(?:with|having|looking more|more|and|a|an)\s+")


def say(text: str) -> dict[str, float]:
    """Strengths by name of phrases between commas or "and"; "without glasses" and "no beard" are the other way.

    Raises:
        DirectionError: a phrase that is not known; the nearest is suggested.
    """
    found: dict[str, float] = {}
    for phrase in re.split(r",|;|\band\b", text.lower()):
        words, strength = " ".join(phrase.split()), 1.0
        if not words:
            continue
        if opposite := re.match(r"(?:without|not|no|less)\s+(.+)", words):
            words, strength = opposite[1], -1.0
        for lead, factor in STRENGTHS.items():
            if words.startswith(f"{lead} "):
                words, strength = words.removeprefix(f"{lead} "), strength * factor
        words = _plain(words)
        if words not in WORDS:
            raise DirectionError(f"'{phrase.strip()}' says nothing known{suggest(words, list(WORDS))}")
        name, usual = WORDS[words]
        found[name] = found.get(name, 0.0) + usual * strength
    if not found:
        raise DirectionError("nothing was said; write for instance 'smiling, older, with glasses'")
    return found


def _plain(words: str) -> str:
    """Words in one spelling, without what leads them in or follows them."""
    while LEADS.match(words):
        words = LEADS.sub("", words)
    for before, after in SPELLINGS.items():
        words = re.sub(rf"\b{before}\b", after, words)
    return words if words in WORDS else words.removesuffix(" hair")
