import Foundation

/// An axis: what it measures, from where to where, and which values are marked on it.
package struct Axis: Sendable {
  /// How values are written.
  package enum Unit: Sendable { case plain, percent }

  package let title: String
  package let range: ClosedRange<Double>
  package let ticks: [(value: Double, label: String)]

  /// An axis with ticks of one's own.
  package init(_ title: String, _ range: ClosedRange<Double>, ticks: [(value: Double, label: String)]) {
    self.title = title
    self.range = range
    self.ticks = ticks
  }

  /// An axis that holds all `values`, with ticks at round numbers. Zero is on it unless the values are far from it.
  ///
  /// - Parameters:
  ///   - title: what is measured, with its unit.
  ///   - values: what is drawn; those that are not finite are left out.
  ///   - unit: how ticks are written.
  ///   - isWhole: whether ticks stand at whole numbers alone, and the axis begins and ends with the values.
  package init(_ title: String, values: [Double], unit: Unit = .plain, isWhole: Bool = false) {
    let finite = values.filter(\.isFinite)
    var (low, high) = (finite.min() ?? 0, finite.max() ?? 1)
    if !isWhole {
      if low > 0, low < 0.6 * high || low == high { low = 0 }
      if high < 0, high > 0.6 * low || low == high { high = 0 }
    }
    if low == high { high = low + 1 }
    let step = max(Self.roundStep((high - low) / 5), isWhole ? 1 : 0)
    let (first, last) = ((low / step).rounded(.down), (high / step).rounded(.up))
    let marks = stride(from: first, through: last, by: 1).map { $0 * step }
    self.title = title
    if isWhole {
      range = low...high
      ticks = marks.filter { low...high ~= $0 }.map { ($0, Self.text($0, step: step, unit)) }
    } else {
      range = (first * step)...(last * step)
      ticks = marks.map { ($0, Self.text($0, step: step, unit)) }
    }
  }

  /// 1, 2 or 5 times a power of ten, not below `raw`.
  private static func roundStep(_ raw: Double) -> Double {
    let power = pow(10, log10(raw).rounded(.down))
    return [1, 2, 5, 10].map { $0 * power }.first { $0 >= raw * (1 - 1e-9) } ?? raw
  }

  private static func text(_ value: Double, step: Double, _ unit: Unit) -> String {
    let (value, step) = unit == .percent ? (100 * value, 100 * step) : (value, step)
    // Not "-0".
    let shown = abs(value) < step / 2 ? 0 : value
    let decimals = max(0, Int(-log10(step).rounded(.down)))
    // As many digits as tell a tick from the next one.
    let power = { (value: Double) in Int(log10(abs(value)).rounded(.down)) }
    let digits = shown == 0 ? 2 : max(2, 1 + power(shown) - power(step))
    let number =
      shown == 0
      ? "0"
      : decimals > 4 || abs(shown) >= 1e7
        ? String(format: "%.\(digits)g", shown) : grouped(String(format: "%.\(decimals)f", shown))
    return unit == .percent ? number + " %" : number
  }

  /// `12,345.6`.
  package static func grouped(_ number: String) -> String {
    let parts = number.split(separator: ".", maxSplits: 1)
    var digits = Array(parts[0])
    var place = digits.count - 3
    while place > (digits[0] == "-" ? 1 : 0) {
      digits.insert(",", at: place)
      place -= 3
    }
    return String(digits) + (parts.count > 1 ? "." + parts[1] : "")
  }
}
