"""A Dockerfile as a shell script, to run its steps where there is no container engine.

    python -m bench.dockerfile FILE TARGET…

Prints calls of five shell functions, which docker/verify.sh defines: `begin STAGE BASE`,
`step STAGE USER WORKDIR NAME=VALUE… -- COMMAND`, `copy STAGE USER DESTINATION SOURCE…`,
`copy_from STAGE OTHER SOURCE DESTINATION`, and for each target `start STAGE USER WORKDIR
NAME=VALUE… -- ENTRYPOINT…`. A stage from an image has no base; what is copied from an image that no
stage before builds on is left out, and said. Understands what our Dockerfile uses, and no more.

Source: https://docs.docker.com/reference/dockerfile/
"""

import dataclasses
import json
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclasses.dataclass(frozen=True)
class Instruction:
    """`RUN`, `COPY`, …: flags such as `--from=x`, then the rest of the line."""

    name: str
    flags: Mapping[str, str]
    rest: str


@dataclasses.dataclass
class Stage:
    """`FROM base AS name` and what follows; `base` is a stage or an image."""

    name: str
    base: str
    instructions: list[Instruction]


@dataclasses.dataclass
class _State:
    """What an instruction leaves to those after it."""

    user: str = "root"
    folder: str = "/"
    environment: dict[str, str] = dataclasses.field(default_factory=lambda: {"PATH": _PATH})
    entrypoint: list[str] = dataclasses.field(default_factory=list)
    command: list[str] = dataclasses.field(default_factory=list)

    def copy(self) -> Self:
        return dataclasses.replace(self, environment=dict(self.environment))

    def words(self) -> list[str]:
        return [self.user, self.folder, *(f"{k}={v}" for k, v in self.environment.items()), "--"]


def expand(text: str, values: Mapping[str, str]) -> str:
    """`${NAME}` by value.

    >>> expand("python:${TAG}", {"TAG": "3.11"})
    'python:3.11'
    """
    return re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], text)


def read_stages(text: str) -> dict[str, Stage]:
    """The stages by name, in the order of the file; arguments before the first have their defaults.

    >>> read_stages("FROM x:1 AS a")["a"].base
    'x:1'
    """
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    arguments: dict[str, str] = {}
    stages: dict[str, Stage] = {}
    for line in filter(None, map(str.strip, joined.splitlines())):
        name, rest = line.split(None, 1)
        flags = {}
        while found := re.match(r"--(\w+)=(\S+)\s+", rest):
            flags[found[1]], rest = found[2], rest[found.end() :]
        if name == "ARG" and not stages:
            arguments.update([rest.split("=", 1)])
        elif name == "FROM":
            base, _, stage = expand(rest, arguments).split()
            stages[stage] = Stage(stage, base, [])
        else:
            list(stages.values())[-1].instructions.append(Instruction(name, flags, rest))
    return stages


def needed(stages: Mapping[str, Stage], targets: Sequence[str]) -> list[str]:
    """The stages that the targets are built from, bases first; no bare images."""
    order: list[str] = []

    def visit(name: str) -> None:
        stage = stages[name]
        others = [i.flags["from"] for i in stage.instructions if "from" in i.flags]
        for other in (stage.base, *others):
            if other in stages:
                visit(other)
        if name not in order and (stage.instructions or stage.base in stages):
            order.append(name)

    for target in targets:
        visit(target)
    return order


def script(stages: Mapping[str, Stage], targets: Sequence[str]) -> Iterator[str]:
    """The calls, one a line."""
    order = needed(stages, targets)
    states: dict[str, _State] = {}
    for name in order:
        stage = stages[name]
        state = states[name] = states[stage.base].copy() if stage.base in states else _State()
        yield shlex.join(["begin", name, stage.base if stage.base in states else ""])
        for instruction in stage.instructions:
            if call := _call(name, state, instruction, order):
                yield shlex.join(call)
    for name in targets:
        state = states[name]
        yield shlex.join(["start", name, *state.words(), *state.entrypoint, *state.command])


def _call(name: str, state: _State, found: Instruction, built: Sequence[str]) -> list[str] | None:
    """The call for an instruction; those without one change the state."""
    match found.name:
        case "RUN":
            return ["step", name, *state.words(), found.rest]
        case "COPY":
            *sources, destination = found.rest.split()
            if not destination.startswith("/"):
                destination = f"{state.folder}/{destination}"
            if other := found.flags.get("from"):
                if other not in built:
                    return ["echo", f"left out: COPY --from={other} {found.rest}"]
                return ["copy_from", name, other, *sources, destination]
            return ["copy", name, found.flags.get("chown", "0:0"), destination, *sources]
        case "ENV":
            for word in shlex.split(found.rest):
                key, value = word.split("=", 1)
                state.environment[key] = expand(value, state.environment)
        case "USER":
            state.user = found.rest
        case "WORKDIR":
            state.folder = found.rest
        case "ENTRYPOINT":
            state.entrypoint, state.command = json.loads(found.rest), []
        case "CMD":
            state.command = json.loads(found.rest)
        case "EXPOSE":
            pass
        case other:
            raise ValueError(f"{other} {found.rest}: not understood")
    return None


if __name__ == "__main__":
    for line in script(read_stages(Path(sys.argv[1]).read_text()), sys.argv[2:]):
        print(line)
