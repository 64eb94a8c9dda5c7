/// Seconds of a step by its rows, measured while running.
package struct StepCosts {
  private struct Entry {
    var seconds = 0.0
    var samples = 0
    var step = 0
  }

  /// Steps of more rows are not looked at.
  package static let mostRows = 128
  private var entries = [Entry](repeating: Entry(), count: mostRows + 1)
  private var step = 0

  package init() {}

  /// Adds a measured step.
  package mutating func add(rows: Int, seconds: Double) {
    step += 1
    guard rows > 0, rows <= Self.mostRows, seconds > 0 else { return }
    var entry = isKnown(rows) ? entries[rows] : Entry()
    if entry.samples == 0 {
      entry.seconds = seconds
    } else {
      // An interruption counts for little.
      let change = min(max(seconds / entry.seconds, 0.5), 1.5) - 1
      entry.seconds *= 1 + change * (entry.samples < 8 ? 0.3 : 0.1)
    }
    entry.samples += 1
    entry.step = step
    entries[rows] = entry
  }

  /// A number from few samples is forgotten soon, so that one interruption does not decide for long.
  private func isKnown(_ rows: Int) -> Bool {
    let entry = entries[rows]
    return entry.samples > 0 && step - entry.step <= min(32 * entry.samples, 1024)
  }

  /// How much longer a step of `rows` rows takes than one of `fewer`; nil where one of them is not known.
  func ratio(of rows: Int, to fewer: Int) -> Double? {
    guard rows <= Self.mostRows, isKnown(rows), isKnown(fewer) else { return nil }
    return entries[rows].seconds / entries[fewer].seconds
  }

  /// Seconds of a step of `rows` rows, from the nearest that are known; nil where none is.
  func seconds(of rows: Int) -> Double? {
    guard rows > 0 else { return 0 }
    let below = (1...max(min(rows, Self.mostRows), 1)).last { isKnown($0) }
    let above = rows < Self.mostRows ? (rows...Self.mostRows).first { isKnown($0) } : nil
    switch (below, above) {
    case (let low?, let high?) where high > low:
      let share = Double(rows - low) / Double(high - low)
      return entries[low].seconds + share * (entries[high].seconds - entries[low].seconds)
    case (let low?, _): return entries[low].seconds * (1 + 0.1 * Double(rows - low))
    case (nil, let high?): return entries[high].seconds
    case (nil, nil): return nil
    }
  }

  /// Estimates for `rows` rows, one more, and so on, at most up to `last`. Nil when steps of `rows` rows were not
  /// measured lately: what more rows cost is told by comparison with them.
  package func table(from rows: Int, to last: Int) -> [Double]? {
    var last = min(last, Self.mostRows)
    guard rows > 0, rows <= last, entries[rows].samples > 0, step - entries[rows].step <= 128 else {
      return nil
    }
    // What is not known is tried in steps that double.
    let known = (rows...last).last { isKnown($0) } ?? rows
    last = min(last, known + max(known - rows, 1))
    let base = entries[rows].seconds
    var table = [base]
    table.reserveCapacity(last - rows + 1)
    // Until something is known, a row costs a quarter of a stream's share.
    var slope = 0.25 * base / Double(rows)
    var from = rows
    while from < last {
      var to = from + 1
      while to <= last, !isKnown(to) { to += 1 }
      let start = table[from - rows]
      if to <= last { slope = (max(entries[to].seconds, base) - start) / Double(to - from) }
      let end = min(to, last)
      for row in from + 1...end { table.append(max(start + max(slope, 0) * Double(row - from), base)) }
      if to <= last { table[to - rows] = max(entries[to].seconds, base) }
      // Beyond what is known, rows cost what they cost on the way there.
      if to <= last { slope = max((table[to - rows] - base) / Double(to - rows), 0) }
      from = end
    }
    return table
  }
}
