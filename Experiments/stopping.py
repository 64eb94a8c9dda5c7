"""Where to stop: rules for choosing a checkpoint, compared over all runs of a sweep that evaluated every checkpoint.

A rule's gain is its score less the last checkpoint's, run by run. Its 95 % interval is over runs and over problems, as
in a sweep's report: Student's t on the runs' means, a normal interval on the problems' means, half-widths added as
squares.
"""
import json
import math
import statistics

# Two-sided 95 % quantiles of Student's t by degrees of freedom.
T = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
     2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042]


def results(folder):
    """result.json of each run, by the run's name."""
    found = {}
    for path in sorted(folder.glob("*/result.json")):
        result = json.loads(path.read_text())
        if result["last"] is not None and len(result["scores"]) > 1:
            found[path.parent.name] = result
    return found


def shares(score):
    """For each problem the share of right samples."""
    return [right / score["samples"] for right in score["right"]]


def mean(values):
    return sum(values) / len(values)


def best_of(scores, problems):
    """The checkpoint that is best on some of the problems; the earlier of equals."""
    return max(sorted(scores), key=lambda step: (mean([scores[step][i] for i in problems]), -step))


def rules(result):
    """For each rule the shares by problem of the checkpoint that it takes."""
    scores = {score["step"]: shares(score) for score in result["scores"]}
    steps, last = sorted(scores), result["last"]
    before = result["before_transition"] if result["before_transition"] in scores else last
    chosen = {"last": scores[last], "before the transition": scores[before]}
    for share in (0.25, 0.5, 0.75):
        step = min(steps, key=lambda s: abs(s - share * last))
        chosen[f"fixed, step {step}"] = scores[step]
    count = len(scores[last])
    halves = [range(0, count, 2), range(1, count, 2)]
    honest = [0.0] * count
    for chosen_on, measured_on in (halves, halves[::-1]):
        step = best_of(scores, chosen_on)
        for i in measured_on:
            honest[i] = scores[step][i]
    chosen["best, chosen on other problems"] = honest
    chosen["best in hindsight (chosen on the same problems)"] = scores[best_of(scores, range(count))]
    return chosen


def interval(differences):
    """Mean and half-width of differences[run][problem] over runs and problems."""
    runs = [mean(row) for row in differences]
    problems = [mean(column) for column in zip(*differences)]
    over_runs = T[min(len(runs) - 1, len(T)) - 1] * statistics.stdev(runs) / math.sqrt(len(runs))
    over_problems = 1.96 * statistics.stdev(problems) / math.sqrt(len(problems))
    return mean(runs), math.hypot(over_runs, over_problems)


def rule_lines(found):
    chosen = [rules(result) for result in found]
    lines = ["| checkpoint | mean Pass@1 | points above the last (95 %) | runs better, equal, worse |",
             "|---|---|---|---|"]
    for rule in chosen[0]:
        if any(rule not in run for run in chosen):
            continue
        gains = [[a - b for a, b in zip(run[rule], run["last"])] for run in chosen]
        middle, half = interval(gains)
        signs = [mean(row) for row in gains]
        counts = ", ".join(str(sum(map(test, signs)))
                           for test in (lambda s: s > 1e-9, lambda s: abs(s) <= 1e-9, lambda s: s < -1e-9))
        low, high = middle - half, middle + half
        points = "" if rule == "last" else f"{100 * middle:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
        score = mean([mean(run[rule]) for run in chosen])
        lines.append(f"| {rule} | {100 * score:.1f} % | {points} | {'' if rule == 'last' else counts} |")
    return lines


def table(folder, arms):
    """Markdown: what each arm's runs did, and what each rule gains.

    `arms` is a list of (settings' values, names of the arm's runs).
    """
    found = results(folder)
    lines = ["| " + " | ".join([*arms[0][0], "seed"]) + " | transition | before it | best | last | format, last |",
             "|" + "---|" * (len(arms[0][0]) + 6)]
    for settings, names in arms:
        for name in names:
            result = found.get(name)
            if result is None:
                continue
            by_step = {score["step"]: score for score in result["scores"]}
            best = max(sorted(by_step), key=lambda step: by_step[step]["pass_at_1"])

            def told(step):
                return f"{100 * by_step[step]['pass_at_1']:.1f} % at {step}" if step in by_step else "–"
            seed = name.rsplit("seed=", 1)[1]
            lines.append("| " + " | ".join([*settings.values(), seed, str(result["transition"] or "none"),
                                            told(result["before_transition"]), told(best), told(result["last"]),
                                            f"{100 * by_step[result['last']]['format']:.0f} %"]) + " |")
    every = list(found.values())
    turned = [result for result in every if result["transition"] is not None]
    lines += ["", f"All {len(every)} runs:", "", *rule_lines(every)]
    if len(turned) > 1:
        lines += ["", f"The {len(turned)} runs in which a transition was found:", "", *rule_lines(turned)]
    return "\n".join(lines)
