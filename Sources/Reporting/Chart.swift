import Foundation
import Support

/// A chart as SVG: curves, lines and labels at values of two axes.
package struct Chart: Sendable {
  private static let colours = ["#3056d3", "#d9622b", "#2b8a3e", "#9c36b5", "#0b7285", "#a61e4d"]
  /// Pixels of the whole, and of the area that the axes enclose.
  private static let size = (width: 420.0, height: 240.0)
  private static let area = (left: 52.0, right: 392.0, top: 34.0, bottom: 205.0)

  /// Where a label begins or ends.
  package enum Anchor: String, Sendable { case start, middle, end }

  private let title: String
  private let x: ClosedRange<Double>
  private let y: ClosedRange<Double>
  private var body = ""

  /// An empty chart.
  ///
  /// - Parameters:
  ///   - title: stands above it.
  ///   - x: the values from the left edge to the right one.
  ///   - y: the values from the bottom to the top.
  package init(_ title: String, x: ClosedRange<Double>, y: ClosedRange<Double>) {
    self.title = title
    self.x = x
    self.y = y
  }

  /// The colour of the series with this number.
  package static func colour(_ index: Int) -> String { colours[index % colours.count] }

  package mutating func curve(_ points: [(x: Double, y: Double)], _ colour: String, width: Double = 2) {
    let places = points.map { Self.text(across($0.x)) + "," + Self.text(up($0.y)) }.joined(separator: " ")
    body += "<polyline points=\"\(places)\" fill=\"none\" stroke=\"\(colour)\" stroke-width=\"\(width)\"/>"
  }

  package mutating func line(
    _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ colour: String, width: Double = 1,
    isDashed: Bool = false
  ) {
    body +=
      "<line x1=\"\(Self.text(across(x1)))\" y1=\"\(Self.text(up(y1)))\" x2=\"\(Self.text(across(x2)))\" "
      + "y2=\"\(Self.text(up(y2)))\" stroke=\"\(colour)\" stroke-width=\"\(width)\""
      + (isDashed ? " stroke-dasharray=\"4 3\"/>" : "/>")
  }

  package mutating func dot(_ x: Double, _ y: Double, _ colour: String) {
    body += "<circle cx=\"\(Self.text(across(x)))\" cy=\"\(Self.text(up(y)))\" r=\"5\" fill=\"\(colour)\"/>"
  }

  /// - Parameter offset: pixels to the right of and below the point.
  package mutating func label(
    _ label: String, _ x: Double, _ y: Double, offset: (x: Double, y: Double) = (0, 0),
    _ anchor: Anchor = .start,
    _ colour: String = "#333"
  ) {
    body += Self.label(label, across(x) + offset.x, up(y) + offset.y, anchor, colour)
  }

  /// A label below the x axis.
  package mutating func tick(
    x value: Double, _ label: String, _ anchor: Anchor = .middle, hasLine: Bool = false
  ) {
    if hasLine { line(value, y.lowerBound, value, y.upperBound, "#ddd") }
    self.label(label, value, y.lowerBound, offset: (0, 16), anchor)
  }

  /// A label beside the y axis.
  package mutating func tick(y value: Double, _ label: String, hasLine: Bool = false) {
    if hasLine { line(x.lowerBound, value, x.upperBound, value, "#ddd") }
    self.label(label, x.lowerBound, value, offset: (-6, 4), .end)
  }

  /// The names of the series in their colours, in the upper or lower right corner.
  package mutating func legend(_ names: [String], atTop: Bool) {
    for (index, name) in names.enumerated() {
      let row = 15 * Double(index)
      label(
        name, x.upperBound, atTop ? y.upperBound : y.lowerBound, offset: (-8, atTop ? 14 + row : -8 - row),
        .end,
        Self.colour(index))
    }
  }

  /// The drawing, which scales to the width that the page gives it.
  package var svg: String {
    "<svg viewBox=\"0 0 \(Int(Self.size.width)) \(Int(Self.size.height))\" role=\"img\" "
      + "aria-label=\"\(htmlEscaped(title))\">" + Self.label(title, 12, 20, .start, "#333") + body + "</svg>"
  }

  // MARK: Pixels

  private func across(_ value: Double) -> Double {
    Self.area.left + Self.share(value, of: x) * (Self.area.right - Self.area.left)
  }
  private func up(_ value: Double) -> Double {
    Self.area.bottom - Self.share(value, of: y) * (Self.area.bottom - Self.area.top)
  }
  private static func share(_ value: Double, of range: ClosedRange<Double>) -> Double {
    (value - range.lowerBound) / max(range.upperBound - range.lowerBound, .leastNormalMagnitude)
  }
  private static func text(_ pixels: Double) -> String { String(format: "%.1f", pixels) }
  private static func label(
    _ label: String, _ x: Double, _ y: Double, _ anchor: Anchor, _ colour: String
  ) -> String {
    "<text x=\"\(text(x))\" y=\"\(text(y))\" text-anchor=\"\(anchor.rawValue)\" style=\"fill:\(colour)\">"
      + htmlEscaped(label) + "</text>"
  }
}
