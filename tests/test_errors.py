"""Exceptions come through from another process, and from a copy, as they were raised."""

import copy
import functools
import importlib
import inspect
import pickle
import pkgutil
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from multiprocessing import get_context

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lifecycle
from lifecycle.domain import Problem, Refusal
from lifecycle.errors import HubError

TEXT = st.text(min_size=1)
TEXTS = st.lists(TEXT, max_size=7)
#: What the arguments of exceptions may be, by how they are annotated.
VALUES = {
    "str": TEXT,
    "int": st.integers(),
    "str | int": TEXT | st.integers(),
    "Sequence[str]": TEXTS,
    "datetime": st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    "Any": st.none() | TEXT | st.lists(st.integers()),
    "Mapping[str, str] | None": st.none() | st.dictionaries(TEXT, TEXT),
    "Sequence[Problem]": st.lists(st.builds(Problem, TEXT, TEXT)),
    "Refusal": st.builds(Refusal, st.just("no_edge"), TEXTS.map(tuple)),
}


@functools.cache
def exceptions():
    """Return all exceptions that the package defines, in any module that can be imported."""
    for module in pkgutil.walk_packages(lifecycle.__path__, "lifecycle.", onerror=lambda _: None):
        # A few modules need an extra.
        with suppress(ModuleNotFoundError):
            importlib.import_module(module.name)
    kinds, rest = set(), [Exception]
    while rest:
        kind = rest.pop()
        if kind not in kinds:
            kinds.add(kind)
            rest += type.__subclasses__(kind)
    own = (kind for kind in kinds if kind.__module__.partition(".")[0] == "lifecycle")
    return sorted(own, key=lambda kind: (kind.__module__, kind.__name__))


@functools.cache
def made(kind):
    """Return a strategy for exceptions of a class, by the annotations of what it takes."""
    if not inspect.isfunction(kind.__init__):
        return st.builds(kind, TEXT)
    parameters = inspect.signature(kind).parameters.values()
    named = [one for one in parameters if one.kind is not inspect.Parameter.VAR_KEYWORD]
    values = st.tuples(*(VALUES[one.annotation] for one in named))
    return values.map(lambda some: called(kind, named, some))


def called(kind, parameters, values):
    """Call a class, by position where it allows that."""
    pairs = list(zip(parameters, values, strict=True))
    by_name = inspect.Parameter.KEYWORD_ONLY
    return kind(
        *(value for one, value in pairs if one.kind is not by_name),
        **{one.name: value for one, value in pairs if one.kind is by_name},
    )


def said(error):
    """Return everything that an exception says."""
    built_in = [getattr(error, name, None) for name in ("msg", "name", "path")]
    return type(error), str(error), repr(error), error.args, vars(error), built_in


@given(st.data())
def test_every_exception_survives_pickle_and_copy(data):
    for kind in exceptions():
        error = data.draw(made(kind), kind.__name__)
        error.add_note("and a note")
        for protocol in (0, pickle.HIGHEST_PROTOCOL):
            again = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301 - our own
            assert said(again) == said(error)
        assert said(copy.copy(error)) == said(error)


def test_the_exceptions_of_every_part_are_among_them():
    names = {kind.__name__ for kind in exceptions()}
    assert {*lifecycle.errors.__all__, "DamagedLogError", "SettingsError", "ProblemError"} <= names


def refuse():
    raise HubError("c:9", ["7 leads share c:9"])


def test_an_error_of_a_worker_reaches_its_caller():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        with pytest.raises(HubError, match="c:9 may be many people: 7 leads share c:9") as caught:
            pool.submit(refuse).result()
        assert caught.value.hubs == ("7 leads share c:9",)
        assert pool.submit(int, "7").result() == 7
