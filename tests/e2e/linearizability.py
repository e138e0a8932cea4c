"""Whether what clients saw of one key can have happened in some order that agrees with the times at which it was asked for and
answered: Wing and Gong's search, with the states it has been in remembered (Lowe). A key is a register that may be empty.

An operation without an answer may have taken effect at any time after it began, once, or never.
"""
import math

EMPTY = None


class Operation:
    """kind: put (value), create (value; only if empty), swap (value; only if it holds `expected`), delete, read.
    result: True or False for writes (a condition that did not hold), what was found for reads. end is infinite when nobody knows."""

    def __init__(self, kind, begin, end=math.inf, value=None, expected=None, result=None):
        self.kind, self.begin, self.end = kind, begin, end
        self.value, self.expected, self.result = value, expected, result

    @property
    def is_known(self):
        return self.end < math.inf

    def apply(self, state):
        """(possible, the state after it)"""
        if self.kind == "read":
            return state == self.result, state
        holds = {"put": True, "delete": True, "create": state is EMPTY, "swap": state is not EMPTY and state == self.expected}[self.kind]
        if self.is_known and holds != self.result:
            return False, state
        if not holds:
            return True, state
        return True, (EMPTY if self.kind == "delete" else self.value)

    def __repr__(self):
        end = f"{self.end:.3f}" if self.is_known else "?"
        return f"[{self.begin:.3f}..{end}] {self.kind} {self.value or ''} {'if ' + self.expected if self.expected else ''} -> {self.result}"


def is_seen(operations):
    """The values that some answer tells of."""
    seen = {o.result for o in operations if o.kind == "read"}
    return seen | {o.expected for o in operations if o.kind == "swap"}


def contradiction(operations, initial=EMPTY):
    """None, or the operations around the place that no order gets past.

    Writes without an answer make the search grow with every subset of them. Three things keep it small and lose no order: a read that
    agrees with the state may come at once; a write without an answer that would change nothing need not come; and of those whose values
    nobody tells of, or that delete, one is like the other, so only the first of them is tried."""
    operations = sorted(operations, key=lambda o: o.begin)
    known = sum(1 << i for i, o in enumerate(operations) if o.is_known)
    told = is_seen(operations)

    def likeness(operation):
        """Equal for writes without an answer of which one is like the other."""
        if operation.is_known or operation.value in told:
            return None
        return operation.kind, operation.expected

    stack, seen, furthest = [(0, initial)], {(0, initial)}, 0
    while stack:
        done, state = stack.pop()
        if done & known == known:
            return None
        if done.bit_count() > furthest.bit_count():
            furthest = done
        first_end = math.inf
        candidates = []
        for index in range((~done & done + 1).bit_length() - 1, len(operations)):
            if done >> index & 1:
                continue
            operation = operations[index]
            if operation.begin > first_end:
                break
            candidates.append(index)
            first_end = min(first_end, operation.end)
        candidates = [index for index in candidates if operations[index].begin <= first_end]
        agreeing = [index for index in candidates if operations[index].kind == "read" and operations[index].result == state]
        steps, alike = [], set()
        for index in agreeing[:1] or candidates:
            operation = operations[index]
            possible, after = operation.apply(state)
            if not possible or not operation.is_known and after == state:
                continue
            like = likeness(operation)
            if like is not None and like in alike:
                continue
            alike.add(like)
            steps.append((operation.is_known, (done | 1 << index, after)))
        # Those with an answer first.
        for _, step in sorted(steps, key=lambda step: step[0]):
            if step not in seen:
                seen.add(step)
                stack.append(step)
    rest = [o for i, o in enumerate(operations) if not furthest >> i & 1]
    before = [o for i, o in enumerate(operations) if furthest >> i & 1]
    return before[-6:] + rest[:8]
