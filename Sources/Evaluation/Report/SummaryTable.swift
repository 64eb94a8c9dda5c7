import Foundation
import ModelFiles
import TinaRuntime

/// A summary as text for a terminal.
public struct SummaryTable {
  private let summary: Summary

  /// Makes a table of a summary.
  public init(_ summary: Summary) { self.summary = summary }

  /// The settings, the table and the comparisons.
  public var text: String {
    let settings = summary.settings
    var lines = [
      "\(settings.benchmark): \(settings.problemCount) problems × \(settings.samples) samples, "
        + "temperature \(settings.sampling.temperature), top-p \(settings.sampling.topP), "
        + "at most \(settings.maxTokens) tokens, seed \(settings.sampling.seed)",
      "prompt \(settings.style.rawValue), template \(settings.template), "
        + (settings.system.map { "system message \(quoted($0))" } ?? "no system message"),
    ]
    if let command = settings.grader?["command"] { lines.append("judged by the command " + command.text()) }
    var header = ["", "Pass@1", "95 % interval", "± problems", "± samples"]
    if settings.samples > 1 { header += ["pass@\(settings.samples)", "majority"] }
    header += ["format", "truncated", "tokens"]
    lines += Self.aligned([header] + summary.rows.map { cells($0) })
    for (first, second, comparison) in summary.comparisons {
      let difference = comparison.difference
      let range =
        "\(Self.signed(difference.value)) points, "
        + "95 % from \(Self.signed(difference.low)) to \(Self.signed(difference.high))"
      let remedy = comparison.remedy.text
      lines.append(
        "\(second) against \(first): \(comparison.verdict.rawValue) (\(range))"
          + (remedy.isEmpty ? "" : "; " + remedy))
    }
    for row in summary.rows where row.undecided > 0 {
      lines.append("\(row.name): \(row.undecided) completions undecided, counted as not right")
    }
    for row in summary.rows where row.truncated > 0.1 {
      lines.append(
        "\(row.name): \(Self.percent(row.truncated)) of the completions were cut off at \(settings.maxTokens) tokens; "
          + "Pass@1 is that of this limit")
    }
    return lines.joined(separator: "\n")
  }

  private func cells(_ row: Summary.Row) -> [String] {
    var cells = [
      row.name, Self.percent(row.passAt1.value),
      "\(Self.percent(row.passAt1.low)) – \(Self.percent(row.passAt1.high))",
      row.passAt1.standardError.map { Self.percent($0) } ?? "–",
      row.samplingError.map { Self.percent($0) } ?? "–",
    ]
    if summary.settings.samples > 1 {
      cells += [
        row.passAtK.last.map { Self.percent($0.value) } ?? "–", row.majority.map { Self.percent($0) } ?? "–",
      ]
    }
    return cells + [
      Self.percent(row.wellFormed), Self.percent(row.truncated), String(format: "%.0f", row.meanTokens),
    ]
  }

  static func percent(_ share: Double) -> String { String(format: "%.1f %%", share * 100) }

  private static func signed(_ share: Double) -> String { String(format: "%+.1f", share * 100) }

  /// Aligns the first column to the left, the others to the right.
  private static func aligned(_ rows: [[String]]) -> [String] {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      row.enumerated().map { column, cell in
        let blanks = String(repeating: " ", count: widths[column] - cell.count)
        return column == 0 ? cell + blanks : blanks + cell
      }.joined(separator: "  ")
    }
  }
}
