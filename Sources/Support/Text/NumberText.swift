import Foundation

/// A number with a fixed number of decimals.
package func decimal(_ value: Double, _ digits: Int) -> String {
  let scale = pow(10, Double(digits))
  return String(format: "%.\(digits)f", (value * scale).rounded() / scale)
}

/// A share in per cent, with two to four significant digits.
package func percent(_ share: Double) -> String {
  let value = abs(share * 100)
  return decimal(share * 100, value >= 10 ? 1 : value >= 1 ? 2 : 3) + " %"
}

/// A number as `1.2e-5`.
package func scientific(_ value: Double) -> String {
  guard value.isFinite, value != 0 else { return value == 0 ? "0" : "\(value)" }
  let parts = String(format: "%.1e", value).split(separator: "e")
  return "\(parts[0])e\(Int(parts[1]) ?? 0)"
}

/// A number of bytes in three digits: `3.55 GB`.
package func byteText(_ count: Int) -> String {
  if abs(count) < 1000 { return "\(count) B" }
  var value = Double(count)
  for unit in ["kB", "MB", "GB", "TB"] {
    value /= 1000
    guard value < 999.5 || unit == "TB" else { continue }
    let digits = value < 9.995 ? 100.0 : value < 99.95 ? 10.0 : 1.0
    let rounded = (value * digits).rounded() / digits
    return (digits == 1 ? "\(Int(rounded))" : "\(rounded)") + " " + unit
  }
  return "\(count) B"
}
