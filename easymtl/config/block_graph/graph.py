"""A whole block graph: the backbone's blocks, its packages, their order and their results."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from easymtl.config.block_graph.ordering import circle, sort
from easymtl.config.block_graph.scope import Node, Scope, Source
from easymtl.config.fault import Fault
from easymtl.errors import did_you_mean, quoted
from easymtl.protos.backbone_pb2 import BackboneTower, BlockPackage, InputLayer, KerasLayer

MAIN = "backbone"
_LOSSES = ("AuxiliaryLoss",)
_MOST_CALLS, _DEEPEST = 1000, 50


@dataclass
class Graph:
    """The scopes of a block graph.

    Attributes:
        main: the backbone's own blocks.
        packages: the packages by name.
        faults: what is wrong with it; with any of them nothing can be built.
    """

    main: Scope
    packages: dict[str, Scope] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    @property
    def scopes(self) -> list[Scope]:
        """Returns all scopes, the main one first."""
        return [self.main, *self.packages.values()]

    def groups_read(self) -> set[str]:
        """Returns the feature groups that some block reads."""
        return {node.group for scope in self.scopes for node in scope.nodes.values() if node.group}

    def takes_input(self, package: str) -> bool:
        """Returns whether a block of a package reads what the package is called with."""
        scope = self.packages[package]
        return any(one.use_package_input for node in scope.nodes.values() for one in node.block.inputs)

    def calls(self, scope: Scope) -> list[str]:
        """Returns the packages that blocks of a scope call."""
        return list(dict.fromkeys(_called(self, scope)))

    def sources(self, scope: Scope, node: Node) -> Iterator[Source]:
        """Yields what a block reads, what it calls packages with included, but for names that stand for nothing."""
        for _, one in scope.inputs(node):
            sources = [scope.source(one), scope.package_input(one) if one.package_input else None]
            yield from (source for source in sources if source is not None)

    def outer_reads(self, package: str) -> set[str]:
        """Returns the blocks of the backbone that a package reads, itself or by the packages that it calls."""
        found: set[str] = set()
        waiting, seen = [package], {package}
        while waiting:
            scope = self.packages[waiting.pop()]
            found |= self._outer_blocks(scope)
            waiting += [name for name in self.calls(scope) if name not in seen]
            seen.update(waiting)
        return found

    def _outer_blocks(self, scope: Scope) -> set[str]:
        sources = (source for node in scope.nodes.values() for source in self.sources(scope, node))
        return {source.name for source in sources if source.kind == "outer"}

    def reading_order(self) -> Iterator[tuple[Scope, Node]]:
        """Yields scope and block of each read of a feature group, in the order in which they are run first."""
        yield from self._reads(self.main, set())

    def _reads(self, scope: Scope, called: set[str]) -> Iterator[tuple[Scope, Node]]:
        for name in scope.order:
            node = scope.nodes[name]
            if node.group:
                yield scope, node
            for source in self._calls_first(scope, node):
                if source not in called:
                    called.add(source)
                    yield from self._reads(self.packages[source], called)

    def _calls_first(self, scope: Scope, node: Node) -> Iterator[str]:
        """Yields the packages that a block calls, each behind those that it is called with."""
        for _, one in scope.inputs(node):
            source, given = scope.source(one), scope.package_input(one) if one.package_input else None
            yield from (found.name for found in (given, source) if found is not None and found.kind == "package")

    def resets(self, package: str) -> list[InputLayer]:
        """Returns the ways of reading groups that calls of a package ask for."""
        nodes = [node for scope in self.scopes for node in scope.nodes.values()]
        inputs = [one for node in nodes for one in node.block.inputs if one.package_name == package]
        return [one.reset_input for one in inputs if one.HasField("reset_input")]

    def needs(self, scope: Scope) -> dict[str, list[str]]:
        """Returns the blocks of the scope that have to run before each of its blocks."""
        return {name: list(dict.fromkeys(self._needed(scope, node))) for name, node in scope.nodes.items()}

    def _needed(self, scope: Scope, node: Node) -> Iterator[str]:
        for source in self.sources(scope, node):
            if source.kind == "block":
                yield source.name
            elif source.kind == "package" and scope.outer is None:
                yield from sorted(self.outer_reads(source.name))

    def unread(self, scope: Scope) -> list[str]:
        """Returns the blocks that no block reads, in the order of the config; losses are not among them."""
        read = {name for names in self.needs(scope).values() for name in names}
        if scope.outer is None:
            # What packages read by those that they call is read by these, which are among them.
            read |= {name for package in self.packages.values() for name in self._outer_blocks(package)}
        return [name for name, node in scope.nodes.items() if name not in read and not _is_loss(node)]


def read_graph(config: BackboneTower, path: str, groups: Collection[str]) -> Graph:
    """Returns the graph of a backbone.

    Args:
        config: the backbone.
        path: where it stands, such as `model_config.backbone`.
        groups: the names of all feature groups.
    """
    names = [package.name for package in config.packages if package.name]
    graph = Graph(Scope(MAIN, path, groups, names))
    graph.faults += graph.main.add_blocks(config)
    graph.faults += _add_packages(graph, config, names)
    for scope in graph.scopes:
        graph.faults += scope.faults()
    circles = list(_circles(graph))
    graph.faults += circles or _too_many_calls(graph)
    messages: list[BackboneTower | BlockPackage] = [config, *_named(config)]
    for scope, message in zip(graph.scopes, messages):
        _order(graph, scope, message)
    return graph


def _named(config: BackboneTower) -> list[BlockPackage]:
    """Returns the packages with a name, those whose name comes a second time left out."""
    return list({package.name: package for package in reversed(config.packages) if package.name}.values())[::-1]


def _add_packages(graph: Graph, config: BackboneTower, names: Collection[str]) -> Iterator[Fault]:
    for index, package in enumerate(config.packages):
        path = f"{graph.main.path}.packages[{index}]"
        name = package.name
        if not name:
            yield Fault(path, "has no name.")
            continue
        if name in graph.packages or name in graph.main.nodes or name == MAIN:
            owner = "another package" if name in graph.packages else "a block" if name != MAIN else "the backbone"
            yield Fault(f"{path}.name", f'"{name}" is taken by {owner}. Rename one of them.')
        if name in graph.packages:
            continue
        scope = Scope(name, path, graph.main.groups, names, graph.main)
        graph.packages[name] = scope
        yield from scope.add_blocks(package)
        if not package.blocks:
            yield Fault(path, "has no blocks.")
    if not config.blocks:
        yield Fault(graph.main.path, "has no blocks.")


def _circles(graph: Graph) -> Iterator[Fault]:
    calls = {name: graph.calls(scope) for name, scope in graph.packages.items()}
    way = circle(calls)
    if way:
        text = f"calls itself: {' -> '.join(way)} (each calls the next one)."
        yield Fault(graph.packages[way[0]].path, text)
    for scope in graph.scopes:
        way = circle(graph.needs(scope))
        if way:
            text = f'"{way[0]}" reads itself: {" -> ".join(reversed(way))} (each is read by the next one).'
            yield Fault(scope.nodes[way[0]].path, text)


def _too_many_calls(graph: Graph) -> list[Fault]:
    """Returns what is wrong with packages that call each other so often that a few lines make millions of blocks."""
    num_calls: dict[str, int] = {}
    depths: dict[str, int] = {}
    called = {name: _called(graph, scope) for name, scope in graph.packages.items()}
    for name in sort({name: list(dict.fromkeys(calls)) for name, calls in called.items()}):
        num_calls[name] = 1 + sum(num_calls[one] for one in called[name])
        depths[name] = 1 + max((depths[one] for one in called[name]), default=0)
    of_main = _called(graph, graph.main)
    deepest = max(of_main, key=lambda name: depths[name], default="")
    if deepest and depths[deepest] > _DEEPEST:
        text = f"is the first of {depths[deepest]} packages that call each other; at most {_DEEPEST} may."
        return [Fault(graph.packages[deepest].path, text)]
    total = sum(num_calls[name] for name in of_main)
    if total <= _MOST_CALLS:
        return []
    text = f"calls packages {total:,} times, with the calls inside of packages; at most {_MOST_CALLS:,} are possible."
    return [Fault(graph.main.path, text)]


def _called(graph: Graph, scope: Scope) -> list[str]:
    """Returns the packages that blocks of a scope call, each as often as it is called."""
    sources = (source for node in scope.nodes.values() for source in graph.sources(scope, node))
    return [source.name for source in sources if source.kind == "package"]


def _order(graph: Graph, scope: Scope, config: BackboneTower | BlockPackage) -> None:
    scope.order = sort(graph.needs(scope))
    member = "output_blocks" if config.output_blocks else "concat_blocks"
    if config.output_blocks and config.concat_blocks:
        text = "is written beside output_blocks, which alone counts. Keep one of them."
        graph.faults.append(Fault(f"{scope.path}.concat_blocks", text))
    for index, name in enumerate(getattr(config, member)):
        if name not in scope.nodes:
            text = f'"{name}" is not in the blocks ({quoted(scope.nodes)}).{did_you_mean(name, scope.nodes)}'
            graph.faults.append(Fault(f"{scope.path}.{member}[{index}]", text))
    scope.is_list = bool(config.output_blocks)
    scope.results = list(getattr(config, member)) or graph.unread(scope)
    if not scope.results and scope.nodes and not graph.faults:
        graph.faults.append(Fault(scope.path, "has no result: all its blocks are losses. Name concat_blocks."))


def _is_loss(node: Node) -> bool:
    layers: list[KerasLayer] = [node.block.keras_layer, *(layer.keras_layer for layer in node.block.layers[-1:])]
    return any(layer.class_name in _LOSSES for layer in layers)
