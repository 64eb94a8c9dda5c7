import Foundation

/// Numbers as people read them.
enum Figures {
  /// Three significant digits: `0.0123`, `1.23e-07`.
  static func short(_ value: Double) -> String {
    if value == 0 { return "0" }
    guard value.isFinite else { return "\(value)" }
    return String(format: "%.3g", value)
  }

  /// A whole number with commas: `1,234,567`.
  static func grouped(_ value: Int) -> String {
    var digits = String(value.magnitude)
    var groups: [String] = []
    while digits.count > 3 {
      groups.insert(String(digits.suffix(3)), at: 0)
      digits = String(digits.dropLast(3))
    }
    return (value < 0 ? "-" : "") + ([digits] + groups).joined(separator: ",")
  }

  /// A count and its noun: `1 module`, `2 modules`.
  static func count(_ value: Int, _ noun: String) -> String {
    grouped(value) + " " + noun + (value == 1 ? "" : "s")
  }

  /// A share in per cent.
  static func percent(_ share: Double) -> String { short(100 * share) + " %" }

  /// Seconds as `12 s`, `3 min 4 s` or `5 h 6 min`.
  static func duration(_ seconds: Double) -> String {
    let whole = Int(min(seconds, 1e9).rounded(.up))
    if whole < 60 { return "\(whole) s" }
    if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
    return "\(whole / 3600) h \(whole % 3600 / 60) min"
  }

  /// Bytes of files, and of all files in directories.
  static func byteCount(of paths: [String]) -> Int {
    paths.reduce(0) { total, path in
      var isDirectory = ObjCBool(false)
      guard unsafe FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
        return total
      }
      if isDirectory.boolValue {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        return total + byteCount(of: names.map { path + "/" + $0 })
      }
      let attributes = try? FileManager.default.attributesOfItem(atPath: path)
      return total + ((attributes?[.size] as? NSNumber)?.intValue ?? 0)
    }
  }

  /// A row of eighth blocks, one for each value or for each bin of values, the largest a full block.
  static func bars(_ values: [Double], width: Int = 16) -> String {
    guard let largest = values.max(), largest > 0 else {
      return String(repeating: "·", count: min(values.count, width))
    }
    let blocks = Array("▁▂▃▄▅▆▇█")
    let count = min(values.count, width)
    return String(
      (0..<count).map { bin in
        // The first value of a bin stands for it, so that the row falls from the largest value.
        let value = values[bin * values.count / count]
        return value <= 0 ? "·" : blocks[min(7, Int((value / largest * 8).rounded(.up)) - 1)]
      })
  }

  /// Lines of a table; the first column is flush left, the others are too where `left` says so.
  static func table(_ rows: [[String]], left: Set<Int> = []) -> [String] {
    let columns = rows.map(\.count).max() ?? 0
    let widths = (0..<columns).map { column in
      rows.map { $0.count > column ? $0[column].count : 0 }.max() ?? 0
    }
    return rows.map { row in
      let cells = row.enumerated().map { column, cell in
        let pad = String(repeating: " ", count: widths[column] - cell.count)
        return column == 0 || left.contains(column) ? cell + pad : pad + cell
      }
      var line = cells.joined(separator: "  ")
      while line.hasSuffix(" ") { line.removeLast() }
      return line
    }
  }
}
