"""Knobs: functions that a person or a test may turn while the lab runs.

A knob is a plain method with typed parameters; its docstring's first line is its help. Knobs of several PowerMTA hosts
or MailWizz instances become one, with the instance as an extra parameter.
"""

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from pydantic import TypeAdapter, ValidationError

Knob = Callable[..., Any]


class KnobError(ValueError):
    """The knob does not exist, its arguments are wrong, or it refused. Carries what is allowed."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """`allowed` in words; `default` is `inspect.Parameter.empty` where one must be given."""

    name: str
    annotation: Any
    default: Any

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty

    @property
    def allowed(self) -> str:
        return _in_words(self.annotation)


@dataclass(frozen=True, slots=True)
class Turnable:
    """One knob of one group. `instances`: instance name to function; the name "" where there is but one part."""

    name: str
    group: str
    help: str
    parameters: tuple[Parameter, ...]
    instances: Mapping[str, Knob]

    @property
    def choice(self) -> str | None:
        """The parameter that names the instance, if there are instances: "host" or "mailwizz"."""
        return None if "" in self.instances else {"powermta": "host"}.get(self.group, self.group)


@dataclass(slots=True)
class Panel:
    """All knobs of a lab."""

    _knobs: list[Turnable] = field(default_factory=list)

    def add(self, group: str, knobs: Mapping[str, Knob], instance: str = "") -> None:
        """Takes the knobs of one part; parts of one group must have the same knobs."""
        for name, function in knobs.items():
            for index, known in enumerate(self._knobs):
                if (known.group, known.name) == (group, name):
                    instances = {**known.instances, instance: function}
                    self._knobs[index] = Turnable(name, group, known.help, known.parameters, instances)
                    break
            else:
                text = (inspect.getdoc(function) or "").strip().split("\n\n")[0].replace("\n", " ")
                self._knobs.append(Turnable(name, group, text, _parameters(function), {instance: function}))

    def describe(self) -> list[dict[str, Any]]:
        """Plain JSON for people and programs."""
        return [
            {
                "name": self._public_name(knob),
                "group": knob.group,
                "help": knob.help,
                "parameters": [
                    *self._instance_parameter(knob),
                    *(
                        {"name": each.name, "allowed": each.allowed, "required": each.required}
                        | ({} if each.required else {"default": _plain(each.default)})
                        for each in knob.parameters
                    ),
                ],
            }
            for knob in self._knobs
        ]

    async def turn(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """Calls the knob with checked arguments and gives what it returns. Raises KnobError."""
        knob = self._find(name)
        given = dict(arguments)
        function = _instance(knob, given)
        values, mistakes = {}, []
        for parameter in knob.parameters:
            if parameter.name not in given:
                if parameter.required:
                    mistakes.append(f"{parameter.name} is missing: {parameter.allowed}")
                continue
            try:
                values[parameter.name] = _convert(parameter, given.pop(parameter.name))
            except ValueError as error:
                mistakes.append(str(error))
        known = ", ".join(filter(None, [knob.choice, *(parameter.name for parameter in knob.parameters)]))
        mistakes += [f"no parameter {extra!r}; there are: {known or 'none'}" for extra in given]
        if mistakes:
            raise KnobError(f"{self._public_name(knob)}: {'; '.join(mistakes)}")
        try:
            result = function(**values)
            return await result if inspect.isawaitable(result) else result
        except (ValueError, LookupError) as error:
            detail = error.args[0] if error.args else error
            raise KnobError(f"{self._public_name(knob)}: {detail}") from error

    def _find(self, name: str) -> Turnable:
        found = [knob for knob in self._knobs if name in (knob.name, f"{knob.group}.{knob.name}")]
        if len(found) == 1:
            return found[0]
        names = ", ".join(sorted(self._public_name(knob) for knob in found or self._knobs))
        raise KnobError(
            f"{'several knobs are' if found else 'there is no knob'} {name}; choose: {names or 'none'}"
        )

    def _public_name(self, knob: Turnable) -> str:
        alone = sum(other.name == knob.name for other in self._knobs) == 1
        return knob.name if alone else f"{knob.group}.{knob.name}"

    @staticmethod
    def _instance_parameter(knob: Turnable) -> list[dict[str, Any]]:
        if knob.choice is None:
            return []
        single = len(knob.instances) == 1
        described = {"name": knob.choice, "allowed": " | ".join(knob.instances), "required": not single}
        return [described | ({"default": next(iter(knob.instances))} if single else {})]


def _instance(knob: Turnable, given: dict[str, Any]) -> Knob:
    if knob.choice is None:
        return knob.instances[""]
    chosen = given.pop(knob.choice, None)
    if chosen is None and len(knob.instances) == 1:
        return next(iter(knob.instances.values()))
    if chosen not in knob.instances:
        asked = "is missing" if chosen is None else f"{chosen!r} is unknown"
        raise KnobError(f"{knob.name}: {knob.choice} {asked}; there are: {', '.join(knob.instances)}")
    return knob.instances[chosen]


def _parameters(function: Knob) -> tuple[Parameter, ...]:
    hints = typing.get_type_hints(function)
    return tuple(
        Parameter(each.name, hints.get(each.name, Any), each.default)
        for each in inspect.signature(function).parameters.values()
        if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
    )


def _convert(parameter: Parameter, value: Any) -> Any:
    """The value as the parameter's type. A list may come as text with commas (from the command line)."""
    if isinstance(value, str) and any(
        typing.get_origin(each) in (list, tuple) for each in _options(parameter)
    ):
        value = [part.strip() for part in value.split(",") if part.strip()]
    try:
        return TypeAdapter(parameter.annotation).validate_python(value)
    except ValidationError:
        raise ValueError(f"{parameter.name} is {value!r}, allowed: {parameter.allowed}") from None


def _options(parameter: Parameter) -> tuple[Any, ...]:
    union = typing.get_origin(parameter.annotation) in (typing.Union, types.UnionType)
    return typing.get_args(parameter.annotation) if union else (parameter.annotation,)


def _in_words(annotation: Any) -> str:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " | ".join(str(member.value) for member in annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return " | ".join(str(each) for each in arguments)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(_in_words(each) for each in arguments if each is not type(None))
    if origin in (list, tuple):
        return f"list of {_in_words(arguments[0]) if arguments else 'anything'}"
    words = {str: "text", int: "whole number", float: "number", bool: "true | false", Any: "anything"}
    return words.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    return value if value is None or isinstance(value, (str, int, float, bool, list, dict)) else str(value)
