"""What the name of a column says: its words, and what such columns usually are."""

import re

_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_OF_USERS = {"user", "uid", "member", "customer", "account", "visitor", "buyer", "viewer", "player", "cookie", "guest"}
_USER_NAMES = {"user", "uid", "guid", "member", "visitor"}
_OF_SESSIONS = {"session", "sess", "request", "req", "query", "search", "impression", "page_view", "trace"}
_OF_IDS = {"id", "ids", "uid", "uuid", "guid", "code", "key", "hash", "sku", "isbn", "asin", "zip", "zipcode", "pid"}
_NOUNS = {
    *("user", "item", "brand", "customer", "campaign", "shop", "seller", "author", "advertiser", "publisher", "city"),
    *("category", "cate", "device", "store", "merchant", "channel", "country", "region", "state", "type", "product"),
    *("video", "movie", "article", "song", "artist", "anchor", "room", "host", "group", "class", "segment", "model"),
}
_NUMBER_WORDS = {
    "num",
    "count",
    "cnt",
    "amount",
    "price",
    "age",
    "total",
    "sum",
    "rate",
    "score",
    "size",
    "length",
    "level",
}
_OF_TIMES = {"time", "timestamp", "ts", "date", "datetime", "day", "dt", "at", "when"}
_OF_LIVES = {
    "birth",
    "birthday",
    "born",
    "dob",
    "signup",
    "registered",
    "registration",
    "created",
    "joined",
    "expiry",
    "expires",
}
_OF_SCENES = {
    *("page", "position", "pos", "slot", "tab", "scene", "scenario", "domain", "channel", "placement", "pid"),
    *("device", "network", "platform", "os", "app", "surface", "entrance", "source"),
}
_OF_WEIGHTS = {"weight", "wgt", "weights"}
_OF_ANSWERS = {
    "true",
    "pred",
    "prediction",
    "predicted",
    "prob",
    "probs",
    "logit",
    "logits",
    "label",
    "target",
    "truth",
    "y",
}
_OF_HISTORIES = {
    *(
        "hist",
        "history",
        "seq",
        "sequence",
        "list",
        "past",
        "last",
        "recent",
        "previous",
        "watched",
        "clicked",
        "liked",
    ),
    *("bought", "viewed", "purchased", "visited", "played", "behavior", "behaviour", "liked"),
}
_PLAIN = _OF_HISTORIES | {"id", "ids", "user"}


def words_of(name: str) -> list[str]:
    """Returns the words of a name in lower case and in the singular: `watchedItems_2` is watched, item, 2."""
    return [_singular(word.lower()) for word in _WORDS.findall(name)]


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us")) else word


def is_user(name: str) -> bool:
    """Returns whether a column is called as what tells users apart: `user_id`, `uid`, `customerId`."""
    words = words_of(name)
    return bool(words) and (
        (words[-1] == "id" and words[-2:-1] != [] and words[-2] in _OF_USERS)
        or name.lower() in _USER_NAMES
        or words == ["u", "id"]
    )


def is_session(name: str) -> bool:
    """Returns whether a column is called as what tells requests or sessions apart."""
    words = words_of(name)
    return len(words) > 1 and words[-1] == "id" and words[-2] in _OF_SESSIONS


def is_id(name: str) -> bool:
    """Returns whether a column is called as ids are, so that its numbers are no amounts."""
    words = words_of(name)
    return bool(words) and (words[-1] in _OF_IDS or bool(re.search(r"[a-z](segid|id)$", name)))


def is_noun(name: str) -> bool:
    """Returns whether a column is called as things are that have ids: `brand`, `shop`."""
    words = words_of(name)
    return bool(words) and words[-1] in _NOUNS


def is_number(name: str) -> bool:
    """Returns whether a column is called as amounts are."""
    return bool(_NUMBER_WORDS & set(words_of(name)))


def is_time(name: str) -> bool:
    """Returns whether a column is called as the time of a row is."""
    words = words_of(name)
    return bool(words) and (words[-1] in _OF_TIMES or words[0] in {"timestamp", "ts", "date", "datetime"})


def is_of_life(name: str) -> bool:
    """Returns whether a column is called as a time that belongs to somebody, not to the row: `birthday`."""
    return bool(_OF_LIVES & set(words_of(name)))


def is_scene(name: str) -> bool:
    """Returns whether a column is called as what tells one scene from another: a page, a device, a position."""
    return bool(_OF_SCENES & set(words_of(name))) and not is_user(name) and not is_session(name)


def is_weight(name: str) -> bool:
    """Returns whether a column is called as the weight of a row: `sample_weight`; not `weight`, as parcels have one."""
    words = words_of(name)
    return len(words) > 1 and words[-1] in _OF_WEIGHTS


def is_sample_weight(name: str) -> bool:
    """Returns whether a column says that it is the weight of a row in training."""
    return words_of(name) == ["sample", "weight"]


def answers(name: str, label: str) -> bool:
    """Returns whether a column is called as what a label is known by: `true_click`, `click_prob`, for `click`."""
    for start, end in ((len(label) + 1, None), (0, -len(label) - 1)):
        is_beside = name.startswith(f"{label}_") if end is None else name.endswith(f"_{label}")
        if is_beside and name[start:end].lower() in _OF_ANSWERS:
            return True
    return False


def is_history(name: str) -> bool:
    """Returns whether a column is called as what somebody did before."""
    return bool(_OF_HISTORIES & set(words_of(name)))


def shared_words(one: str, other: str) -> int:
    """Returns how many telling words two names have in common."""
    return len((set(words_of(one)) & set(words_of(other))) - _PLAIN)
