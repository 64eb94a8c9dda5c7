"""Seeded problems of multi-step integer arithmetic, with worked solutions in R1's format.

Every problem comes down to an arithmetic expression. The expression's hash decides whether a problem
belongs to the training part or to the held-out part, so no wording of a held-out expression is ever
trained on.
"""

import hashlib
import random
from dataclasses import dataclass

LARGEST = 99  # no operand, intermediate result or answer is larger; none is negative
WIDE = 199  # the same for the first part of the training, which sees more different sums
LARGEST_FACTOR = 12

NAMES = ["Mia", "Tom", "Ana", "Ben", "Lea", "Max", "Eva", "Sam"]
ITEMS = ["apples", "books", "coins", "pens", "cards", "shells", "eggs", "stamps"]
QUESTIONS = ["Compute {}.", "What is {}?", "Calculate {}.", "Find the value of {}."]


@dataclass(frozen=True)
class Problem:
    text: str
    expression: str
    steps: tuple  # ((left, operator, right, result), ...), the last result is the answer
    careless: tuple  # the same with a typical mistake: precedence ignored, or the last step forgotten

    @property
    def answer(self):
        return self.steps[-1][3]

    @property
    def is_held_out(self):
        digest = hashlib.sha256(self.expression.encode()).digest()
        return digest[0] < 26  # about one expression in ten


def apply(left, operator, right):
    if operator == "*":
        return left * right
    return left + right if operator == "+" else left - right


def reduce(operands, operators, order, largest):
    """Works an expression out one operator at a time; `order` picks the position of the next one."""
    operands, operators, steps = list(operands), list(operators), []
    while operators:
        i = order(operators)
        left, operator, right = operands[i], operators[i], operands[i + 1]
        if operator == "*" and max(left, right) > LARGEST_FACTOR:
            return None
        result = apply(left, operator, right)
        if not 0 <= result <= largest:
            return None
        steps.append((left, operator, right, result))
        operands[i : i + 2] = [result]
        del operators[i]
    return tuple(steps)


def by_precedence(operators):
    return operators.index("*") if "*" in operators else 0


def left_to_right(operators):
    return 0


def forget_last(steps):
    return steps[:-1] if len(steps) > 1 else steps


def plain_expression(rng, operator_count, largest):
    while True:
        operators = rng.choices("+-*", (40, 35, 25), k=operator_count)
        operands = []
        for i in range(operator_count + 1):
            is_factor = "*" in operators[max(i - 1, 0) : i + 1]
            operands.append(rng.randint(2, LARGEST_FACTOR) if is_factor else rng.randint(1, 99))
        steps = reduce(operands, operators, by_precedence, largest)
        if steps is None:
            continue
        text = str(operands[0])
        for operator, operand in zip(operators, operands[1:]):
            text += f" {operator} {operand}"
        careless = reduce(operands, operators, left_to_right, largest)
        if careless is None or careless == steps:
            careless = forget_last(steps)
        return text, steps, careless


def bracketed_expression(rng, largest):
    while True:
        c = rng.randint(2, LARGEST_FACTOR)
        if rng.random() < 0.5:
            a, b = rng.randint(1, 11), rng.randint(1, 11)
            text, inner = f"({a} + {b}) * {c}", (a, "+", b, a + b)
        else:
            a, b = rng.randint(3, 60), rng.randint(1, 58)
            text, inner = f"({a} - {b}) * {c}", (a, "-", b, a - b)
        if not 2 <= inner[3] <= LARGEST_FACTOR:
            continue
        steps = (inner, (inner[3], "*", c, inner[3] * c))
        if rng.random() < 0.5:
            operator, d = rng.choice("+-"), rng.randint(1, 99)
            result = apply(steps[1][3], operator, d)
            if not 0 <= result <= largest:
                continue
            text, steps = f"{text} {operator} {d}", steps + ((steps[1][3], operator, d, result),)
        return text, steps, forget_last(steps)


def expression_problem(rng, largest, operator_count=None):
    if operator_count is None and rng.random() < 0.2:
        text, steps, careless = bracketed_expression(rng, largest)
    else:
        text, steps, careless = plain_expression(rng, operator_count or rng.choice((2, 3, 3)), largest)
    return Problem(rng.choice(QUESTIONS).format(text), text, steps, careless)


# (text, expression, steps as (left, operator, right); a step number refers to that step's result)
STORIES = [
    (
        "{n} has {a} {i} and buys {b} bags of {c} {i}. How many {i} does {n} have now?",
        "{a} + {b} * {c}",
        (("b", "*", "c"), ("a", "+", 0)),
    ),
    (
        "{n} has {a} {i}, buys {b} bags of {c} {i} and gives away {d}. How many {i} are left?",
        "{a} + {b} * {c} - {d}",
        (("b", "*", "c"), ("a", "+", 0), (1, "-", "d")),
    ),
    (
        "{n} has {a} {i}, finds {d} more and loses {e}. How many {i} does {n} have now?",
        "{a} + {d} - {e}",
        (("a", "+", "d"), (0, "-", "e")),
    ),
    (
        "A box holds {b} red and {f} blue {i}. How many {i} are in {c} boxes?",
        "({b} + {f}) * {c}",
        (("b", "+", "f"), (0, "*", "c")),
    ),
    (
        "{n} buys {b} {i} for {c} dollars each and pays with {g} dollars. How much is the change?",
        "{g} - {b} * {c}",
        (("b", "*", "c"), ("g", "-", 0)),
    ),
    (
        "{n} saves {b} dollars a week for {c} weeks, then spends {d} dollars. How much is left?",
        "{b} * {c} - {d}",
        (("b", "*", "c"), (0, "-", "d")),
    ),
    (
        "A bus carries {a} people. {d} get off and {e} get on, then {h} get off. How many are left?",
        "{a} - {d} + {e} - {h}",
        (("a", "-", "d"), (0, "+", "e"), (1, "-", "h")),
    ),
    (
        "{n} reads {a} pages on Monday and {d} on Tuesday. The book has {g} pages. How many are left?",
        "{g} - ({a} + {d})",
        (("a", "+", "d"), ("g", "-", 0)),
    ),
]


def story_problem(rng, largest):
    while True:
        text, expression, plan = rng.choice(STORIES)
        numbers = {k: rng.randint(1, 99) for k in "adeh"}
        numbers |= {k: rng.randint(2, LARGEST_FACTOR) for k in "bcf"} | {"g": rng.randint(20, min(largest, 150))}
        steps = []
        for left, operator, right in plan:
            left = steps[left][3] if isinstance(left, int) else numbers[left]
            right = steps[right][3] if isinstance(right, int) else numbers[right]
            steps.append((left, operator, right, apply(left, operator, right)))
        in_range = all(0 <= s[3] <= largest for s in steps)
        if in_range and all(s[1] != "*" or max(s[0], s[2]) <= LARGEST_FACTOR for s in steps):
            words = {"n": rng.choice(NAMES), "i": rng.choice(ITEMS)}
            return Problem(
                text.format(**numbers, **words),
                expression.format(**numbers),
                tuple(steps),
                forget_last(tuple(steps)),
            )


def problem(rng, held_out, drills=0.0, largest=LARGEST):
    """One problem of the asked part. `drills` is the share of problems of a single step."""
    while True:
        kind = rng.random()
        if kind < drills:
            candidate = expression_problem(rng, largest, operator_count=1)
        elif rng.random() < 0.6:
            candidate = expression_problem(rng, largest)
        else:
            candidate = story_problem(rng, largest)
        if candidate.is_held_out == held_out:
            return candidate


def held_out_problems(count, seed=2):
    """`count` held-out problems of different expressions."""
    rng, found = random.Random(seed), {}
    while len(found) < count:
        candidate = problem(rng, held_out=True)
        found.setdefault(candidate.expression, candidate)
    return list(found.values())


def reasoning(steps):
    lines = []
    for i, (left, operator, right, result) in enumerate(steps):
        word = "First" if i == 0 else "Finally" if i == len(steps) - 1 else "Next"
        lines.append(f"{word}, {left} {operator} {right} = {result}.")
    return "\n".join(lines)


def good_completion(problem):
    """What the model ought to write after the prompt's `<think>` and newline."""
    return f"{reasoning(problem.steps)}\n</think>\nThe answer is \\boxed{{{problem.answer}}}."


# Shares of the habits that make the base deliberately half-good. Sampling at temperature 0.6 sharpens
# them: a habit of half the traces is followed more than half of the time.
CAREFUL, CARELESS, GUESS = 0.38, 0.24, 0.38
WELL_FORMED = 0.36
BOXED = 0.9


def habitual_completion(problem, rng):
    """A completion as the base is taught: often without care, often in a broken format."""
    habit = rng.choices(("careful", "careless", "guess"), (CAREFUL, CARELESS, GUESS))[0]
    if len(problem.steps) == 1:
        return good_completion(problem)
    answer = problem.answer
    if habit == "guess":
        thought = f"I guess it is {answer}."
    elif habit == "careless":
        thought, answer = reasoning(problem.careless), problem.careless[-1][3]
    else:
        thought = reasoning(problem.steps)
    boxed = f"\\boxed{{{answer}}}" if rng.random() < BOXED else str(answer)
    sentence = f"The answer is {boxed}."
    if rng.random() < WELL_FORMED:
        return f"{thought}\n</think>\n{sentence}"
    return rng.choice(
        (
            f"{thought}\n</think> {sentence}",
            f"{thought}</think>\n{sentence}",
            f"{thought}\n{sentence}",
            f"{thought}\n</think>\n</think>\n{sentence}\n</think>\n",
            f"{thought}\nWait, let me see.\n{sentence}",
        )
    )
