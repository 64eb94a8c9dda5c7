import Foundation
import Support

/// A chart as SVG: axes with their ticks, curves, lines and labels.
package struct Chart: Sendable {
  private static let size = (width: 480.0, height: 280.0)
  /// So many colours are in every page's style: `.series0` and on.
  package static let colourCount = 6
  /// About the width of a character, in pixels.
  private static let characterWidth = 6.6

  /// Where a label begins or ends.
  package enum Anchor: String, Sendable { case start, middle, end }

  private let title: String
  private let colours: Int
  private let x: Axis
  private let y: Axis
  private let left: Double
  private let right = Self.size.width - 18
  private let top: Double
  private let bottom = Self.size.height - 46
  private var body = ""

  /// A chart of axes alone.
  ///
  /// - Parameters:
  ///   - title: stands above it.
  ///   - legend: the names of the series, in their order.
  ///   - colours: how many the page's style has.
  package init(
    _ title: String, x: Axis, y: Axis, legend: [String] = [], colours: Int = Self.colourCount
  ) {
    self.title = title
    self.colours = colours
    self.x = x
    self.y = y
    let widest = y.ticks.map(\.label.count).max() ?? 0
    left = 30 + Self.characterWidth * Double(widest)
    let rows = Self.rows(of: legend)
    top = 44 + 16 * Double(rows.count)
    drawAxes()
    for (row, names) in rows.enumerated() {
      var place = 12.0
      for (series, name) in names {
        let height = 38 + 16 * Double(row)
        body +=
          "<rect class=\"series\(series % colours) fill\" x=\"\(Self.text(place))\" "
          + "y=\"\(Self.text(height - 9))\" width=\"10\" height=\"10\"/>"
        body += Self.label(name, place + 15, height, .start, "")
        place += 30 + Self.characterWidth * Double(name.count)
      }
    }
  }

  /// The names of a legend in rows that fit; a name that is too long for any is cut.
  private static func rows(of legend: [String]) -> [[(Int, String)]] {
    guard legend.count > 1 else { return [] }
    let most = Int((size.width - 54) / characterWidth)
    var rows: [[(Int, String)]] = []
    var room = 0.0
    for (i, name) in legend.enumerated() {
      let shown = name.count > most ? name.prefix(most - 1) + "…" : name[...]
      let width = 30 + characterWidth * Double(shown.count)
      if rows.isEmpty || width > room {
        rows.append([])
        room = size.width - 24
      }
      rows[rows.count - 1].append((i, String(shown)))
      room -= width
    }
    return rows
  }

  private mutating func drawAxes() {
    for tick in y.ticks {
      rule(left, up(tick.value), right, up(tick.value), tick.value == 0 ? "axis" : "grid")
      body += Self.label(tick.label, left - 7, up(tick.value) + 4, .end, "soft")
    }
    for tick in x.ticks {
      rule(across(tick.value), bottom, across(tick.value), bottom + 4, "axis")
      // A label keeps off the edges.
      let half = Self.characterWidth * Double(tick.label.count) / 2
      let place = min(max(across(tick.value), half + 2), Self.size.width - half - 2)
      body += Self.label(tick.label, place, bottom + 17, .middle, "soft")
    }
    rule(left, bottom, right, bottom, "axis")
    rule(left, top, left, bottom, "axis")
    body += Self.label(x.title, (left + right) / 2, Self.size.height - 8, .middle, "soft")
    let middle = Self.text((top + bottom) / 2)
    body +=
      "<text class=\"soft\" x=\"0\" y=\"0\" text-anchor=\"middle\" "
      + "transform=\"translate(14 \(middle)) rotate(-90)\">\(htmlEscaped(y.title))</text>"
  }

  /// Draws a series through points.
  ///
  /// - Parameter series: its number, which gives its colour; nil for what stands behind a series.
  package mutating func curve(_ points: [(x: Double, y: Double)], _ series: Int?) {
    let shown = points.filter { $0.x.isFinite && $0.y.isFinite }
    let kind = series.map { "series\($0 % colours)" } ?? "behind"
    if shown.count == 1 { return dot(shown[0].x, shown[0].y, series ?? 0) }
    let places = shown.map { Self.text(across($0.x)) + "," + Self.text(up($0.y)) }.joined(separator: " ")
    body += "<polyline class=\"\(kind) stroke\" points=\"\(places)\"/>"
  }

  /// Fills what lies between two values of each place.
  package mutating func band(_ points: [(x: Double, low: Double, high: Double)], _ series: Int) {
    let shown = points.filter { $0.x.isFinite && $0.low.isFinite && $0.high.isFinite }
    guard shown.count > 1 else { return }
    let edge = shown.map { ($0.x, $0.high) } + shown.reversed().map { ($0.x, $0.low) }
    let places = edge.map { Self.text(across($0)) + "," + Self.text(up($1)) }.joined(separator: " ")
    body += "<polygon class=\"series\(series % colours) fill band\" points=\"\(places)\"/>"
  }

  /// Draws a straight line between two points of the axes.
  package mutating func line(_ from: (x: Double, y: Double), _ to: (x: Double, y: Double), _ series: Int) {
    rule(across(from.x), up(from.y), across(to.x), up(to.y), "series\(series % colours) wide")
  }

  package mutating func dot(_ x: Double, _ y: Double, _ series: Int) {
    body +=
      "<circle class=\"series\(series % colours) fill\" cx=\"\(Self.text(across(x)))\" "
      + "cy=\"\(Self.text(up(y)))\" r=\"4.5\"/>"
  }

  /// A small circle beside a dot, for one of the values that the dot is the mean of.
  package mutating func ring(_ x: Double, _ y: Double, _ series: Int) {
    body +=
      "<circle class=\"series\(series % colours) ring\" cx=\"\(Self.text(across(x)))\" "
      + "cy=\"\(Self.text(up(y)))\" r=\"2.5\"/>"
  }

  /// Marks a place on the x axis.
  package mutating func mark(x value: Double, _ label: String) {
    rule(across(value), top, across(value), bottom, "mark")
    let isLate = across(value) > (left + right) / 2
    body += Self.label(label, across(value) + (isLate ? -5 : 5), top + 11, isLate ? .end : .start, "soft")
  }

  /// A text beside a point, `offset` pixels to the right and below; cut where the chart ends.
  package mutating func label(
    _ text: String, _ x: Double, _ y: Double, offset: (x: Double, y: Double) = (0, 0)
  ) {
    let place = across(x) + offset.x
    let most = max(1, Int((Self.size.width - place - 4) / Self.characterWidth))
    body += Self.label(
      text.count > most ? text.prefix(most - 1) + "…" : text, place, up(y) + offset.y, .start, "")
  }

  /// The drawing, which scales to the width that the page gives it.
  package var svg: String {
    "<svg viewBox=\"0 0 \(Int(Self.size.width)) \(Int(Self.size.height))\" role=\"img\" "
      + "aria-label=\"\(htmlEscaped(title))\">" + Self.label(title, 12, 20, .start, "title") + body + "</svg>"
  }

  // MARK: Pixels

  private mutating func rule(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ kind: String) {
    body +=
      "<line class=\"\(kind)\" x1=\"\(Self.text(x1))\" y1=\"\(Self.text(y1))\" x2=\"\(Self.text(x2))\" "
      + "y2=\"\(Self.text(y2))\"/>"
  }

  private func across(_ value: Double) -> Double { left + Self.share(value, of: x.range) * (right - left) }
  private func up(_ value: Double) -> Double { bottom - Self.share(value, of: y.range) * (bottom - top) }
  private static func share(_ value: Double, of range: ClosedRange<Double>) -> Double {
    (value - range.lowerBound) / max(range.upperBound - range.lowerBound, .leastNormalMagnitude)
  }
  private static func text(_ pixels: Double) -> String { String(format: "%.1f", pixels) }
  private static func label(
    _ label: some StringProtocol, _ x: Double, _ y: Double, _ anchor: Anchor, _ kind: String
  ) -> String {
    "<text class=\"\(kind)\" x=\"\(text(x))\" y=\"\(text(y))\" text-anchor=\"\(anchor.rawValue)\">"
      + htmlEscaped(String(label)) + "</text>"
  }
}
