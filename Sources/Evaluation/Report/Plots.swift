import Foundation
import Support

/// The report's plots, drawn as SVG.
enum Plots {
  private static let colours = ["#3056d3", "#d9622b", "#2b8a3e", "#9c36b5", "#0b7285", "#a61e4d"]
  private static let width = 420.0
  private static let height = 240.0
  private static let left = 52.0
  private static let right = 392.0
  private static let top = 34.0
  private static let bottom = 205.0

  static func colour(_ index: Int) -> String { colours[index % colours.count] }

  /// Pass@1 of each contestant with its 95 % interval.
  static func intervals(_ rows: [Summary.Row]) -> String {
    let step = (bottom - top) / Double(max(rows.count, 1))
    var body = shares(horizontal: true)
    for (i, row) in rows.enumerated() {
      let y = top + step * (Double(i) + 0.5)
      let x = { (share: Double) in left + (right - left) * share }
      body += line(x(row.passAt1.low), y, x(row.passAt1.high), y, colour(i), 3)
      body += "<circle cx=\"\(x(row.passAt1.value))\" cy=\"\(y)\" r=\"5\" fill=\"\(colour(i))\"/>"
      body += text(x(0) + 4, y - 9, row.name)
    }
    return plot("Pass@1 with its 95 % interval", body)
  }

  /// pass@k against k, on a logarithmic axis.
  static func passAtK(_ rows: [Summary.Row]) -> String {
    guard let most = rows.first?.passAtK.last?.k, most > 1 else { return "" }
    let x = { (k: Int) in left + (right - left) * log(Double(k)) / log(Double(most)) }
    let y = { (share: Double) in bottom - (bottom - top) * share }
    var body = shares(horizontal: false)
    for (k, _) in rows[0].passAtK { body += text(x(k), bottom + 16, String(k), anchor: "middle") }
    for (i, row) in rows.enumerated() {
      let points = row.passAtK.map { "\(x($0.k)),\(y($0.value))" }.joined(separator: " ")
      body += "<polyline points=\"\(points)\" fill=\"none\" stroke=\"\(colour(i))\" stroke-width=\"2\"/>"
      body += text(right - 8, bottom - 8 - 15 * Double(i), row.name, anchor: "end", fill: colour(i))
    }
    return plot("pass@k against k", body)
  }

  /// How long completions are, by contestant.
  static func lengths(_ records: [CompletionRecord], _ summary: Summary) -> String {
    let longest = max(records.map(\.tokens).max() ?? 1, 1)
    let bins = 24
    var counts = summary.rows.map { _ in [Int](repeating: 0, count: bins) }
    for record in records {
      guard let i = summary.rows.firstIndex(where: { $0.name == record.key.contestant }) else { continue }
      counts[i][min(record.tokens * bins / (longest + 1), bins - 1)] += 1
    }
    let highest = max(counts.flatMap(\.self).max() ?? 1, 1)
    let x = { (bin: Double) in left + (right - left) * bin / Double(bins) }
    var body =
      line(left, bottom, right, bottom, "#999", 1) + text(left, bottom + 16, "0")
      + text(right, bottom + 16, "\(longest) tokens", anchor: "end")
    for (i, row) in counts.enumerated() {
      var points: [String] = []
      for (bin, count) in row.enumerated() {
        let y = bottom - (bottom - top) * Double(count) / Double(highest)
        points += ["\(x(Double(bin))),\(y)", "\(x(Double(bin + 1))),\(y)"]
      }
      body +=
        "<polyline points=\"\(points.joined(separator: " "))\" fill=\"none\" stroke=\"\(colour(i))\" stroke-width=\"2\"/>"
      body += text(right - 8, top + 14 + 15 * Double(i), summary.rows[i].name, anchor: "end", fill: colour(i))
    }
    return plot("Completions by length", body)
  }

  /// The axis of shares from 0 to 100 %, with its grid.
  private static func shares(horizontal: Bool) -> String {
    (0...4).map { i in
      let share = Double(i) / 4
      let label = "\(Int(share * 100)) %"
      if horizontal {
        let x = left + (right - left) * share
        return line(x, top, x, bottom, "#ddd", 1) + text(x, bottom + 16, label, anchor: "middle")
      }
      let y = bottom - (bottom - top) * share
      return line(left, y, right, y, "#ddd", 1) + text(left - 6, y + 4, label, anchor: "end")
    }.joined()
  }

  private static func plot(_ title: String, _ body: String) -> String {
    "<svg width=\"\(width)\" height=\"\(height)\" role=\"img\" aria-label=\"\(title)\">"
      + text(12, 20, title) + body + "</svg>"
  }

  private static func line(
    _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ colour: String, _ width: Double
  ) -> String {
    "<line x1=\"\(x1)\" y1=\"\(y1)\" x2=\"\(x2)\" y2=\"\(y2)\" stroke=\"\(colour)\" stroke-width=\"\(width)\"/>"
  }

  private static func text(
    _ x: Double, _ y: Double, _ text: String, anchor: String = "start", fill: String = "#333"
  ) -> String {
    "<text x=\"\(x)\" y=\"\(y)\" text-anchor=\"\(anchor)\" style=\"fill:\(fill)\">\(htmlEscaped(text))</text>"
  }
}
