import Evaluation
import Foundation
import Reporting
import Support

/// Many runs as one HTML page that needs no other file.
package struct ComparisonPage {
  private let comparison: RunComparison

  package init(_ comparison: RunComparison) { self.comparison = comparison }

  package var html: String {
    let count = comparison.arms.count
    let scores = comparison.choices.first.map { ScoreCharts(comparison: comparison, choice: $0).charts } ?? []
    let curves = Curves(arms: comparison.arms).charts
    return ReportFrame(title: comparison.title, style: Self.style + Palette.style(count)).page(
      """
      <h1>\(htmlEscaped(comparison.title))</h1>
      <p class="lead">\(htmlEscaped(lead))</p>
      \(differences)
      <h2>Results</h2><div class="scroll">\(arms)</div>\(notes)\(legend)
      \(scores.isEmpty ? "" : "<div class=\"plots\">" + scores.joined(separator: "\n") + "</div>")
      \(pairs)
      <h2>Curves</h2>\(curveNote)
      <div class="plots">\(curves.joined(separator: "\n"))</div>
      <h2>Every run</h2><div class="scroll">\(runs)</div>
      """)
  }

  private var lead: String {
    let runs = comparison.arms.flatMap(\.runs)
    let count = { (number: Int, word: String) in "\(number) \(word)\(number == 1 ? "" : "s")" }
    let seeds = Set(runs.map(\.seed)).count
    var facts = [
      [count(runs.count, "run"), count(comparison.arms.count, "setting"), count(seeds, "seed")]
        .joined(separator: ", ")
    ]
    let known = ["base", "model", "model_name_or_path", "data", "dataset_path", "loss_type"]
    for (key, value) in comparison.shared where known.contains(key) {
      facts.append("\(key) \(Self.end(value))")
    }
    if let samples = comparison.arms.lazy.compactMap({ $0.scores.values.first }).first {
      let problems = samples.shares.first?.count ?? 0
      facts.append(count(problems, "problem") + " × " + count(samples.samples, "sample"))
    }
    if let price = comparison.dollarsPerHour { facts.append(String(format: "$%g an hour", price)) }
    return facts.joined(separator: " · ")
  }

  /// What differs between the runs, and only that.
  private var differences: String {
    guard !comparison.keys.isEmpty else { return "<p>The runs differ in nothing but the seed.</p>" }
    let items = comparison.keys.enumerated().filter { $0.element != "run" }.map { i, key in
      var values: [String] = []
      for arm in comparison.arms where !values.contains(arm.values[i]) { values.append(arm.values[i]) }
      return "<li><b>\(htmlEscaped(key))</b>: \(htmlEscaped(values.joined(separator: ", ")))</li>"
    }
    guard !items.isEmpty else { return "<p>The runs are told apart by their folders alone.</p>" }
    return "<p>What differs between the runs:</p><ul>\(items.joined())</ul>"
  }

  /// The end of a long path, which says enough.
  private static func end(_ value: String) -> String {
    let parts = value.split(separator: "/")
    return value.hasPrefix("/") && parts.count > 2 ? "…/" + parts.suffix(2).joined(separator: "/") : value
  }

  // MARK: Tables

  private func table(_ head: [String], _ rows: [[String]]) -> String {
    let cells = { (tag: String, row: [String]) in
      "<tr>" + row.map { "<\(tag)>\(htmlEscaped($0))</\(tag)>" }.joined() + "</tr>"
    }
    return "<table>" + cells("th", head) + rows.map { cells("td", $0) }.joined() + "</table>"
  }

  private static func share(_ value: Double) -> String { String(format: "%.1f %%", 100 * value) }
  private static func points(_ value: Double) -> String { String(format: "%+.1f", 100 * value) }
  private static func interval(_ estimate: Estimate) -> String {
    share(estimate.value) + " (" + share(estimate.low) + " – " + share(estimate.high) + ")"
  }
  private static func number(_ value: Double?) -> String { value.map { String(format: "%.3g", $0) } ?? "–" }
  private static func count(_ value: Double?) -> String {
    value.map { Axis.grouped(String(format: "%.0f", $0)) } ?? "–"
  }

  private var arms: String {
    let time = comparison.timeUnit
    let cost = comparison.dollarsPerHour == nil ? time.name : "dollars"
    let head =
      comparison.keys + ["seeds", "steps"]
      + comparison.choices.map { "Pass@1 (95 %), \($0.title)" }
      + ["format", "tokens an answer", "transition at step", "training FLOPs", cost]
    var rows: [[String]] = []
    if let base = comparison.base {
      // Where no key differs, "base" stands in the place of the seeds.
      let blanks = Array(repeating: "", count: comparison.keys.count + 1)
      let scores = comparison.choices.enumerated().map { i, _ in i == 0 ? Self.interval(base.estimate) : "" }
      rows.append(["base"] + blanks + scores + ["", "", "", "", ""])
    }
    rows += comparison.arms.map { arm in
      let scored = arm.runs.compactMap { run in comparison.choices.first.flatMap { run.score($0) } }
      let mean = { (value: (RunResult.Score) -> Double) in
        scored.isEmpty ? nil : Statistics.mean(scored.map(value))
      }
      let turns = arm.runs.map { $0.transition.map { String($0) } ?? "–" }.joined(separator: ", ")
      return arm.values + [
        "\(arm.runs.count)", String(format: "%.0f", arm.mean { Double($0.last) } ?? 0),
      ] + comparison.choices.map { arm.scores[$0].map { Self.interval($0.estimate) } ?? "–" } + [
        mean(\.format).map(Self.share) ?? "–", mean(\.meanTokens).map { String(format: "%.0f", $0) } ?? "–",
        turns,
        Self.number(arm.mean { $0.cost.flops }),
        Self.number(
          arm.mean { comparison.dollarsPerHour == nil ? time.value($0) : comparison.dollars($0) }),
      ]
    }
    return table(head.isEmpty ? [""] : head, rows)
  }

  private var notes: String {
    let seeds = comparison.arms.map(\.runs.count).max() ?? 1
    var text =
      seeds > 1
      ? "Means over seeds. The 95 % interval is over problems of this kind and over new trainings with other seeds "
        + "(Student's t for each part): few seeds make it wide."
      : "One seed each: the 95 % interval is over problems of this kind alone. Another seed may move every score by "
        + "more than that."
    text +=
      " Thin circles are single seeds. Transition: the step that the detector dates it to, “–” where none was "
    text += "found, one entry a seed. Without such a step, “before the transition” means the last checkpoint."
    return "<p class=\"lead\">\(htmlEscaped(text))</p>"
  }

  private var pairs: String {
    guard !comparison.pairs.isEmpty else {
      return comparison.choices.isEmpty
        ? "<p>No evaluation of the same problems: nothing to compare. tina sweep makes one, as its file says.</p>"
        : "<p>One setting alone has scores, and no base beside it: nothing to compare.</p>"
    }
    let rows = comparison.pairs.map { pair in
      let found = pair.comparison
      return [
        pair.second, pair.first, found.verdict.rawValue,
        Self.points(found.difference.value) + " (" + Self.points(found.difference.low) + " to "
          + Self.points(found.difference.high) + ")", found.remedy,
      ]
    }
    let count = comparison.pairs.count
    let wrong = String(format: "%.1f", 0.05 * Double(count))
    return "<h2>Paired comparisons</h2><div class=\"scroll pairs\">"
      + table(["", "against", "is", "difference in points (95 %)", "what would decide"], rows)
      + "</div><p class=\"lead\">Differences problem by problem, and seed by seed where both have the same seeds. "
      + "\(count) \(count == 1 ? "comparison" : "comparisons") at 95 %: about \(wrong) would be called better or "
      + "worse by chance alone.</p>"
  }

  private var legend: String {
    let items = comparison.arms.enumerated().map { i, arm in
      "<li><svg viewBox=\"0 0 10 10\"><rect class=\"series\(i) fill\" width=\"10\" height=\"10\"/></svg>"
        + "\(htmlEscaped(arm.title))</li>"
    }
    return "<ul class=\"legend\">\(items.joined())</ul>"
  }

  private var curveNote: String {
    let isBanded = comparison.arms.contains { $0.runs.count > 1 }
    return "<p class=\"lead\">Smoothed as in a run's own report"
      + (isBanded
        ? "; the line is the mean of the seeds, the band reaches from the lowest to the highest" : "")
      + ". A dot marks the phase transition, where one was found.</p>"
  }

  private var runs: String {
    let head =
      comparison.keys + ["seed", "last step", "best", "transition", "before it"]
      + comparison.choices.map { "Pass@1, \($0.title)" }
      + ["tokens", "training FLOPs", comparison.timeUnit.name, "folder"]
    let step = { (value: Int?) in value.map { String($0) } ?? "–" }
    return table(
      head,
      comparison.arms.flatMap { arm in
        arm.runs.map { run in
          arm.values + [
            run.seed, step(run.last), step(run.best), step(run.transition), step(run.beforeTransition),
          ]
            + comparison.choices.map { run.score($0).map { Self.share($0.passAt1) } ?? "–" } + [
              Self.count(run.cost.tokens), Self.number(run.cost.flops),
              Self.number(comparison.timeUnit.value(run)),
              run.name,
            ]
        }
      })
  }

  private static let style = """
    table{border-collapse:collapse;font-size:14px}
    td,th{padding:.25em .6em;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
    th{white-space:normal;vertical-align:bottom}
    td:first-child,th:first-child{text-align:left;position:sticky;left:0;background:var(--paper)}
    .ring{fill:none;stroke-width:1.2;opacity:.7}
    .pairs td{white-space:normal;min-width:6em}.pairs td:nth-child(4){white-space:nowrap}
    .pairs :is(td,th):nth-child(2),.pairs :is(td,th):nth-child(5){text-align:left}
    .legend{list-style:none;display:flex;flex-wrap:wrap;gap:.3em 1.2em;padding:0}
    .legend svg{width:.8em;height:.8em;border:0;background:none;margin-right:.4em}

    """
}
