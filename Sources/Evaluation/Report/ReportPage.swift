import Foundation
import ModelFiles
public import Problems
import Reporting
import Support
import TinaRuntime

/// An evaluation as one HTML page: numbers, plots, and every completion.
public struct ReportPage {
  private let summary: Summary
  private let records: [CompletionRecord]
  private let problems: [Problem]
  private let timing: EvaluationTiming

  /// Makes a page.
  ///
  /// - Parameters:
  ///   - summary: the numbers.
  ///   - records: every completion.
  ///   - problems: what was asked.
  ///   - timing: how long all runs took together, when, and with which base.
  public init(_ summary: Summary, records: [CompletionRecord], problems: [Problem], timing: EvaluationTiming)
  {
    self.summary = summary
    self.records = records
    self.problems = problems
    self.timing = timing
  }

  /// The page.
  public var html: String {
    return ReportFrame(title: title, style: Self.style).page(
      """
      <h1>\(htmlEscaped(title))</h1>
      <p class="lead">\(htmlEscaped(lead))</p>
      <div class="scroll">\(table)</div>
      \(comparisons)
      <div class="plots">\(Plots.intervals(summary.rows))\(Plots.passAtK(summary.rows))\
      \(Plots.lengths(records, summary))</div>
      <h2>Settings</h2><pre>\(htmlEscaped(JSONValue.object(summary.settings.object).text(indent: 2)))</pre>
      <h2>Completions</h2>
      <p><label><input type="checkbox" id="wrong"> only problems with a wrong answer</label></p>
      \(problems.map { section($0) }.joined(separator: "\n"))
      <script>
      document.getElementById("wrong").onchange = e => document.querySelectorAll("section[data-wrong='0']")
        .forEach(s => s.hidden = e.target.checked);
      </script>
      """)
  }

  /// Base, adapters and data.
  private var title: String {
    let adapters = summary.settings.contestants.filter { $0.digest != nil }.map(\.name)
    return [
      timing.base, adapters.isEmpty ? nil : adapters.joined(separator: ", "),
      "on \(summary.settings.benchmark)",
    ]
    .compactMap(\.self).joined(separator: " · ")
  }

  private var lead: String {
    let settings = summary.settings
    var parts = [
      "\(settings.problemCount) problems × \(settings.samples) samples",
      "temperature \(settings.sampling.temperature)", "top-p \(settings.sampling.topP)",
      "at most \(settings.maxTokens) tokens", "seed \(settings.sampling.seed)",
      "prompt \(settings.style.rawValue)", "template \(settings.template)",
      settings.system.map { "system message “\($0)”" } ?? "no system message",
    ]
    if let day = timing.day { parts.append(day) }
    if let seconds = timing.seconds, seconds > 0 {
      let tokens = records.reduce(0) { $0 + $1.tokens }
      parts.append(String(format: "%.0f s, %.0f tokens/s", seconds, Double(tokens) / seconds))
    }
    return parts.joined(separator: " · ")
  }

  private var table: String {
    let head = [
      "", "Pass@1", "95 % interval", "majority", "format", "truncated", "no answer", "undecided", "tokens",
    ]
    let rows = summary.rows.map { row in
      [
        row.name, SummaryTable.percent(row.passAt1.value),
        SummaryTable.percent(row.passAt1.low) + " – " + SummaryTable.percent(row.passAt1.high),
        row.majority.map(SummaryTable.percent) ?? "–", SummaryTable.percent(row.wellFormed),
        SummaryTable.percent(row.truncated), SummaryTable.percent(row.withoutAnswer), String(row.undecided),
        String(format: "%.0f", row.meanTokens),
      ]
    }
    let cells = { (tag: String, row: [String]) in
      "<tr>" + row.map { "<\(tag)>\(htmlEscaped($0))</\(tag)>" }.joined() + "</tr>"
    }
    return "<table>" + cells("th", head) + rows.map { cells("td", $0) }.joined() + "</table>"
  }

  private var comparisons: String {
    let items = summary.comparisons.map { first, second, comparison in
      let difference = String(
        format: "%+.1f points (95 %% from %+.1f to %+.1f)", comparison.difference.value * 100,
        comparison.difference.low * 100, comparison.difference.high * 100)
      let remedy = comparison.remedy.text
      return "<li><b>\(htmlEscaped(second))</b> against <b>\(htmlEscaped(first))</b>: "
        + "<b>\(comparison.verdict.rawValue)</b>, \(difference)"
        + (remedy.isEmpty ? "" : "; \(remedy)") + "</li>"
    }
    return items.isEmpty ? "" : "<ul>" + items.joined() + "</ul>"
  }

  private func section(_ problem: Problem) -> String {
    let own = records.filter { $0.key.id == problem.id }
    let wrong = own.count { $0.correct != true }
    let marks = summary.rows.map { row in
      let mine = own.filter { $0.key.contestant == row.name }
      return "\(row.name) \(mine.count { $0.correct == true })/\(mine.count)"
    }
    let completions = own.map { record in
      let mark = record.correct.map { $0 ? "right" : "wrong" } ?? "undecided"
      return
        "<details class=\"\(mark)\"><summary>\(htmlEscaped(record.key.contestant)) #\(record.key.sample): \(mark), "
        + "\(htmlEscaped(record.extracted.map { "answer " + $0 } ?? "no answer")), \(record.tokens) tokens, "
        + "\(record.finishReason)\(record.isWellFormed ? "" : ", format broken")</summary>"
        + "<pre>\(htmlEscaped(record.completion))</pre></details>"
    }
    return "<section data-wrong=\"\(wrong > 0 ? 1 : 0)\"><h3>\(htmlEscaped(problem.id)) "
      + "<small>\(htmlEscaped(marks.joined(separator: ", ")))</small></h3>"
      + "<p class=\"problem\">\(htmlEscaped(problem.text))</p>"
      + "<p>Answer: <code>\(htmlEscaped(problem.answer ?? ""))</code></p>\(completions.joined())</section>"
  }

  private static let style = """
    table{border-collapse:collapse}
    td,th{white-space:nowrap;padding:.25em .6em;text-align:right;border-bottom:1px solid var(--line)}
    td:first-child,th:first-child{text-align:left}
    section{border-top:1px solid var(--line);margin-top:1em}.problem{white-space:pre-wrap}
    small{color:var(--soft);font-weight:normal}
    details.right summary{color:var(--good)}details.wrong summary{color:var(--bad)}
    details.undecided summary{color:var(--unsure)}
    """
}
