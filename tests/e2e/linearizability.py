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


def contradiction(operations, initial=EMPTY):
    """None, or the operations around the place that no order gets past."""
    operations = sorted(operations, key=lambda o: o.begin)
    known = sum(1 << i for i, o in enumerate(operations) if o.is_known)
    stack, seen, furthest = [(0, initial)], {(0, initial)}, 0
    while stack:
        done, state = stack.pop()
        if done & known == known:
            return None
        if done.bit_count() > furthest.bit_count():
            furthest = done
        first_end = math.inf
        candidates = []
        for index, operation in enumerate(operations):
            if done >> index & 1:
                continue
            if operation.begin > first_end:
                break
            candidates.append(index)
            first_end = min(first_end, operation.end)
        for index in candidates:
            if operations[index].begin > first_end:
                continue
            possible, after = operations[index].apply(state)
            step = (done | 1 << index, after)
            if possible and step not in seen:
                seen.add(step)
                stack.append(step)
    rest = [o for i, o in enumerate(operations) if not furthest >> i & 1]
    before = [o for i, o in enumerate(operations) if furthest >> i & 1]
    return before[-6:] + rest[:8]
