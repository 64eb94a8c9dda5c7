import Foundation
import Reporting

/// The plots of an evaluation.
enum Plots {
  /// Pass@1 of each contestant with its 95 % interval.
  static func intervals(_ rows: [Summary.Row]) -> String {
    var chart = Chart("Pass@1 with its 95 % interval", x: 0...1, y: 0...Double(max(rows.count, 1)))
    for quarter in 0...4 { chart.tick(x: Double(quarter) / 4, "\(quarter * 25) %", hasLine: true) }
    for (i, row) in rows.enumerated() {
      let y = Double(rows.count - i) - 0.5
      chart.line(row.passAt1.low, y, row.passAt1.high, y, Chart.colour(i), width: 3)
      chart.dot(row.passAt1.value, y, Chart.colour(i))
      chart.label(row.name, 0, y, offset: (4, -9))
    }
    return chart.svg
  }

  /// pass@k against k, on a logarithmic axis.
  static func passAtK(_ rows: [Summary.Row]) -> String {
    guard let most = rows.first?.passAtK.last?.k, most > 1 else { return "" }
    var chart = Chart("pass@k against k", x: 0...log(Double(most)), y: 0...1)
    for quarter in 0...4 { chart.tick(y: Double(quarter) / 4, "\(quarter * 25) %", hasLine: true) }
    for (k, _) in rows[0].passAtK { chart.tick(x: log(Double(k)), String(k)) }
    for (i, row) in rows.enumerated() {
      chart.curve(row.passAtK.map { (log(Double($0.k)), $0.value) }, Chart.colour(i))
    }
    chart.legend(rows.map(\.name), atTop: false)
    return chart.svg
  }

  /// The distribution of the completions' lengths, by contestant.
  static func lengths(_ records: [CompletionRecord], _ summary: Summary) -> String {
    let longest = max(records.map(\.tokens).max() ?? 1, 1)
    let bins = 24
    var counts = summary.rows.map { _ in [Int](repeating: 0, count: bins) }
    for record in records {
      guard let i = summary.rows.firstIndex(where: { $0.name == record.key.contestant }) else { continue }
      counts[i][min(record.tokens * bins / (longest + 1), bins - 1)] += 1
    }
    let highest = Double(max(counts.flatMap(\.self).max() ?? 1, 1))
    var chart = Chart("Completions by length", x: 0...Double(bins), y: 0...highest)
    chart.line(0, 0, Double(bins), 0, "#999")
    chart.tick(x: 0, "0", .start)
    chart.tick(x: Double(bins), "\(longest) tokens", .end)
    for (i, row) in counts.enumerated() {
      let steps = row.enumerated().flatMap { bin, count in
        [(Double(bin), Double(count)), (Double(bin + 1), Double(count))]
      }
      chart.curve(steps, Chart.colour(i))
    }
    chart.legend(summary.rows.map(\.name), atTop: true)
    return chart.svg
  }
}
