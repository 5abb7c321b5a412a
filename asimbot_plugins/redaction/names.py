"""The names of a chat's members, and where they are mentioned."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from asimbot_plugins.messages import Message

_WORD = re.compile(r"[^\W_]\w*|\w+")
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]{2,}")
_PARTICLES = frozenset(
    "al am an and bin da das de del den der di do dos du e el ibn la las le los of san st the "
    "van von y zu mom mum dad mama papa auntie uncle work home mobile office dr mr mrs ms new "
    "old you me i we us they he she it him her self user friend unknown du ich tu moi toi yo ja "
    "chef boss mama group".split()
)
"""Never a name by themselves, also where a member is called so ("You")."""
_ORDINARY = frozenset(
    "ace amber angel april art august autumn bay bell bill bishop bright brook brown buddy "
    "can case chance chase cherry china christian clay clear cliff coco cook cool crystal "
    "daisy dale dawn day dean dear destiny dick dolly don dot drew earl eden eve even "
    "eternity faith field fish fox frank free friday gale gay gene ginger god gold good "
    "grace grant gray green guy hank happy harmony harry heath holly honey hope hunter iris "
    "ivy jack jade jay jersey jet jewel job joy june just king knight lance lane law lily "
    "long love luck major mark mars mason may melody mercy miles misty moon moss nick noble "
    "norm north olive page paris park pat patience patsy pearl penny pepper petal piper pop "
    "poppy price prince princess queen rain ray red reed rich river rob robin rock rod rose "
    "ruby rusty sage sandy scarlet sea see shade shell sky smart snow so sol son song spring "
    "star sterling stone storm strong sue summer sun sunday sunny sweet tab tad trinity "
    "tuesday ty violet viola wade ward wednesday west white wild will willow win winter wood "
    "woody wolf young alba bella bianca blanca clara cruz flora gloria jesús luz mar paz "
    "pilar rocío rosa ernst fromm herz hold klein kraft lang mut reich roman sonne wonne "
    "aimé aimée blanche claire désiré fleur france marine merle prudence reine me as is it "
    "in on at to no ok test".split()
)
"""Names that are words as well: they count only where they are written with a capital."""


class Names:
    """Every way a member is called. ``people`` maps a person to their names.

    A full name counts, and so does each of its parts of two letters or more that is no
    particle. Case is ignored except for names that are ordinary words.
    """

    def __init__(
        self,
        people: Mapping[str, Iterable[str]],
        ordinary: Iterable[str] = (),
        allow: Iterable[str] = (),
    ) -> None:
        self._people: dict[str, str] = {}
        self._whole: dict[str, str] = {}
        self._ordinary = _ORDINARY | {word.casefold() for word in ordinary}
        unspaced: dict[str, str] = {}
        allowed = {name.casefold() for name in allow}
        for person, names in people.items():
            for name in (person, *names):
                self._whole.setdefault(_spelling(name), person)
                for word in _WORD.findall(name):
                    folded = word.casefold()
                    if folded in allowed or folded in _PARTICLES or word.isdigit():
                        continue
                    if len(word) >= 2:
                        self._people.setdefault(folded, person)
                for run in _UNSPACED.findall(name):
                    unspaced.setdefault(run, person)
        self._unspaced = unspaced
        self._unspaced_pattern = (
            re.compile("|".join(sorted(map(re.escape, unspaced), key=len, reverse=True)))
            if unspaced
            else None
        )

    def __len__(self) -> int:
        return len(self._people)

    def find(self, text: str) -> Iterator[tuple[int, int, str]]:
        """(start, end, person) of each mention; the parts of one name come as one."""
        if self._unspaced_pattern is not None:
            for found in self._unspaced_pattern.finditer(text):
                yield found.start(), found.end(), self._unspaced[found[0]]
        if not self._people or not self._may_name(text):
            return
        start = end = -1
        person = ""
        for word in _WORD.finditer(text):
            owner = self._owner(word[0])
            if owner is None:
                continue
            if owner == person and text[end : word.start()] in (" ", "-", ". ", " "):
                end = word.end()
                continue
            if start >= 0:
                yield start, end, person
            start, end, person = word.start(), word.end(), owner
        if start >= 0:
            yield start, end, person

    def _may_name(self, text: str) -> bool:
        """False, quickly, where ``_owner`` knows none of the words: in nearly every text."""
        folded = text.casefold()
        if len(folded) != len(text):  # "İ" becomes two characters: other words
            return True
        words = _WORD.findall(folded)
        known = self._people.keys()
        return not known.isdisjoint(words) or not known.isdisjoint(
            [word[:-1] for word in words if word[-1] == "s"]
        )

    def _owner(self, word: str) -> str | None:
        folded = word.casefold()
        owner = self._people.get(folded)
        if owner is None and len(folded) > 3 and folded[-1] == "s":
            owner = self._people.get(folded[:-1])  # "Jonass", "jonas" for "Jona's"
            folded = folded[:-1]
        if owner is not None and folded in self._ordinary and not word[0].isupper():
            return None
        return owner

    def person(self, name: str) -> str | None:
        """Whose name it is, if it is all of one person; an unsaved number is a name too."""
        whole = self._whole.get(_spelling(name))
        if whole is not None:
            return whole
        owners = {self._people.get(word.casefold()) for word in _WORD.findall(name)}
        owners |= {self._unspaced[run] for run in _UNSPACED.findall(name) if run in self._unspaced}
        owners.discard(None)
        return owners.pop() if len(owners) == 1 else None


def _spelling(name: str) -> str:
    return re.sub(r"[^\w+]+", "", name).casefold()


_LOCAL_PART = re.compile(r"([^\W\d_]{2,})[._-]([^\W\d_]{3,})\d*@")


def names_in_chat(
    messages: Sequence[Message], aliases: Mapping[str, str] | None = None
) -> dict[str, list[str]]:
    """The members of a chat with their names, surnames in their mail addresses included.

    ``aliases`` maps other names of a person to the main one.
    """
    aliases = aliases or {}
    people: dict[str, list[str]] = {}
    for message in messages:
        if message.sender and message.kind != "system":
            people.setdefault(aliases.get(message.sender, message.sender), [])
    for alias, main in aliases.items():
        people.setdefault(main, [])
        if alias != main:
            people[main].append(alias)
    names = Names(people)
    found: dict[str, str] = {}
    for message in messages:
        if "@" in message.text:
            for first, last in _LOCAL_PART.findall(message.text):
                person = names.person(first)
                if person is not None and names.person(last) is None:
                    found[last.casefold()] = person
    if found:
        # "asim.soup@…": a word that the chat uses by itself is no surname.
        used: Counter[str] = Counter()
        for message in messages:
            words = {word.casefold() for word in _WORD.findall(message.text)}
            used.update(word for word in words & found.keys() if f".{word}@" not in message.text)
        for last, person in found.items():
            if used[last] <= 3:
                people[person].append(last)
    return people


def ordinary_names(messages: Sequence[Message], people: Mapping[str, Iterable[str]]) -> set[str]:
    """Names of members that this chat uses as plain words far more often than as names.

    A nick like "linux": it is written in lower case much more often than its owner writes.
    """
    if len(people) <= 32:
        return set()  # people of a small group are talked about a lot
    words = {
        word.casefold(): person
        for person, names in people.items()
        for name in (person, *names)
        for word in _WORD.findall(name)
    }
    spoken = Counter(message.sender for message in messages)
    used: Counter[str] = Counter()
    for message in messages:
        used.update(word for word in set(_WORD.findall(message.text)) if word in words)
    return {word for word, n in used.items() if n > 10 + 5 * spoken[words[word]]}
