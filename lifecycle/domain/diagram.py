"""The rules drawn as a state diagram in Mermaid, from their rows."""

from __future__ import annotations

from collections import defaultdict

from lifecycle.domain.rules import Rules


def state_diagram(rules: Rules) -> str:
    """The states and edges, as a Mermaid ``stateDiagram-v2``; guards stand in brackets."""
    labels: dict[tuple[str, str], list[str]] = defaultdict(list)
    for edge in rules.edges:
        condition = f" [{', '.join(edge.guards)}]" if edge.guards else ""
        for source in edge.sources:
            target = edge.target or source
            stays = "" if edge.target else " (stays)"
            labels[source, target].append(f"{edge.trigger}{condition}{stays}")
    lines = ["stateDiagram-v2", "    [*] --> new"]
    lines += [
        f"    {source} --> {target}: {' / '.join(names)}"
        for (source, target), names in labels.items()
    ]
    return "\n".join(lines) + "\n"
