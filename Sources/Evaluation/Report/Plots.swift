import Foundation
import Reporting

/// The plots of an evaluation.
enum Plots {
  private static let quarters = (0...4).map { (value: Double($0) / 4, label: "\($0 * 25) %") }

  /// Pass@1 of each contestant with its 95 % interval.
  static func intervals(_ rows: [Summary.Row]) -> String {
    let height = Double(max(rows.count, 1))
    var chart = Chart(
      "Pass@1 with its 95 % interval", x: Axis("problems solved", 0...1, ticks: quarters),
      y: Axis("", 0...height, ticks: []))
    for (i, row) in rows.enumerated() {
      let y = height - Double(i) - 0.5
      chart.line((row.passAt1.low, y), (row.passAt1.high, y), i)
      chart.dot(row.passAt1.value, y, i)
      chart.label(row.name, 0, y, offset: (6, -9))
    }
    return chart.svg
  }

  /// pass@k against k, on a logarithmic axis.
  static func passAtK(_ rows: [Summary.Row]) -> String {
    guard let most = rows.first?.passAtK.last?.k, most > 1 else { return "" }
    let ticks = rows[0].passAtK.map { (value: log(Double($0.k)), label: String($0.k)) }
    var chart = Chart(
      "pass@k against k", x: Axis("k, samples of a problem", 0...log(Double(most)), ticks: ticks),
      y: Axis("problems solved", 0...1, ticks: quarters), legend: rows.map(\.name))
    for (i, row) in rows.enumerated() {
      chart.curve(row.passAtK.map { (log(Double($0.k)), $0.value) }, i)
    }
    return chart.svg
  }

  /// The distribution of the completions' lengths, by contestant.
  static func lengths(_ records: [CompletionRecord], _ summary: Summary) -> String {
    let bins = 24
    let across = Axis("tokens of a completion", values: [0, Double(records.map(\.tokens).max() ?? 1)])
    let width = max(across.range.upperBound, 1) / Double(bins)
    var counts = summary.rows.map { _ in [Int](repeating: 0, count: bins) }
    for record in records {
      guard let i = summary.rows.firstIndex(where: { $0.name == record.key.contestant }) else { continue }
      counts[i][min(Int(Double(record.tokens) / width), bins - 1)] += 1
    }
    let highest = Double(max(counts.flatMap(\.self).max() ?? 1, 1))
    var chart = Chart(
      "Completions by length", x: across, y: Axis("completions", values: [0, highest]),
      legend: summary.rows.map(\.name))
    for (i, row) in counts.enumerated() {
      let steps = row.enumerated().flatMap { bin, count in
        [(Double(bin) * width, Double(count)), (Double(bin + 1) * width, Double(count))]
      }
      chart.curve(steps, i)
    }
    return chart.svg
  }
}
